/**
 * A SQLite in memory with its prepared statements. To open one and to prepare what an object asks
 * costs more than most lives of objects: one whose object took its tables as it found them is
 * emptied when its world is over, and serves another object of its kind in the next.
 */
import { DatabaseSync } from 'node:sqlite';
import type { SQLInputValue, StatementSync } from 'node:sqlite';

export type Row = Record<string, SqlStorageValue>;

/** A statement, or a script of several. */
export interface Prepared {
  readonly writes: boolean;
  readonly run: (values: readonly SQLInputValue[]) => Row[];
}

/** Not the same where there are tables already; `CREATE … IF NOT EXISTS` is. */
const LOOKS_AT_TABLES = /\b(sqlite_master|pragma\w*|alter|drop|create (?!\w+ if not exists))\b/i;
const NONE: Row[] = [];

const spares = new Map<string, Sqlite[]>();

export class Sqlite {
  readonly #kind: string;
  readonly #db = new DatabaseSync(':memory:');
  readonly #prepared = new Map<string, Prepared>();
  #mayServeAgain = true;

  private constructor(kind: string) {
    this.#kind = kind;
  }

  /** An empty one for an object of this kind. */
  static open(kind: string): Sqlite {
    return spares.get(kind)?.pop() ?? new Sqlite(kind);
  }

  /** Its rows are gone, and its owner uses it no more. */
  close(): void {
    if (!this.#mayServeAgain) {
      this.#db.close();
      return;
    }
    for (const { name } of this.exec("SELECT name FROM sqlite_schema WHERE type = 'table'")) {
      this.exec(`DELETE FROM ${name as string}`);
    }
    const others = spares.get(this.#kind) ?? [];
    others.push(this);
    spares.set(this.#kind, others);
  }

  exec(text: string): Row[] {
    return this.prepare(text).run([]);
  }

  prepare(text: string): Prepared {
    const known = this.#prepared.get(text);
    if (known) return known;
    if (LOOKS_AT_TABLES.test(text)) this.#mayServeAgain = false;
    const writes = !/^\s*select\b/i.test(text);
    const prepared = { writes, run: /;\s*\S/.test(text) ? this.#script(text) : this.#one(text) };
    this.#prepared.set(text, prepared);
    return prepared;
  }

  #script(text: string): Prepared['run'] {
    return () => {
      this.#db.exec(text);
      return NONE;
    };
  }

  #one(text: string): Prepared['run'] {
    const statement = this.#db.prepare(text);
    const columns = statement.columns().map(({ name }) => name);
    if (columns.length === 0) {
      return (values) => {
        statement.run(...values);
        return NONE;
      };
    }
    // Rows as objects are slow to make and to read.
    statement.setReturnArrays(true);
    return (values) => rowsOf(columns, statement, values);
  }
}

function rowsOf(
  columns: readonly string[],
  statement: StatementSync,
  values: readonly SQLInputValue[],
): Row[] {
  const found = statement.all(...values) as unknown as SqlStorageValue[][];
  return found.map((cells) => {
    const row: Row = {};
    for (let index = 0; index < columns.length; index += 1) row[columns[index]!] = cells[index]!;
    return row;
  });
}
