/**
 * Stands in for edge/io/db: Postgres as tables of rows by primary key, behind as much of drizzle
 * as the edge's services use on a job's way. Conditions are drizzle's own and are evaluated, so
 * that a wrong one in production code does here what it would do there; anything that is not
 * understood throws. Away it throws; now and then it commits and throws all the same.
 */
import { getTableColumns, getTableName, sql, SQL } from 'drizzle-orm';
import { getTableConfig } from 'drizzle-orm/pg-core';
import type { PgTable } from 'drizzle-orm/pg-core';
import type { Env } from '../../env.ts';
import { theSite } from '../site.ts';
import { leave } from '../world.ts';
import { parseCondition, parseConflict } from './condition.ts';
import type { Row } from './condition.ts';

/** All else that the module has is as it is; only the way to Postgres is another. */
export * from '../../io/db.ts';

const ROUND_TRIP_MS = 4;

interface Table {
  readonly rows: Map<string, Row>;
  readonly keys: readonly string[];
  readonly nameOf: ReadonlyMap<unknown, string>;
}

/** All tables. */
export class Database {
  readonly #tables = new Map<PgTable, Table>();

  /** The rows of a table, in the order they came. */
  rows(table: PgTable): Row[] {
    return [...this.table(table).rows.values()];
  }

  table(of: PgTable): Table {
    let table = this.#tables.get(of);
    if (!table) {
      const columns = Object.entries(getTableColumns(of));
      const nameOf = new Map<unknown, string>(columns.map(([name, column]) => [column, name]));
      const { primaryKeys } = getTableConfig(of);
      // Columns take the names of their fields; `casing` is the real driver's affair.
      const composite = primaryKeys[0]?.columns.map((column) => column.name);
      const single = columns.filter(([, column]) => column.primary).map(([name]) => name);
      const keys = composite ?? single;
      if (keys.length === 0 || keys.some((key) => !(key in getTableColumns(of)))) {
        throw new Error(`no primary key in ${columns.map(([name]) => name).join(', ')}`);
      }
      table = { rows: new Map(), keys, nameOf };
      this.#tables.set(of, table);
    }
    return table;
  }
}

/** An insert that is to be executed as part of a statement. */
class Insertion extends SQL {
  readonly table: PgTable;
  readonly rows: readonly Row[];
  readonly conflict: SQL;

  constructor(table: PgTable, rows: readonly Row[], conflict: SQL) {
    super([]);
    this.table = table;
    this.rows = rows;
    this.conflict = conflict;
  }
}

/** As the real one, but the rows stay as they are. */
export function insertRows(table: PgTable, rows: readonly object[], conflict: SQL): SQL {
  return new Insertion(table, rows as readonly Row[], conflict);
}

export function setAllExcluded(): SQL {
  return sql.raw('');
}

/** As the real one: runs `work` with a database. */
export async function openDb<T>(
  _: Pick<Env, 'databaseUrl' | 'databaseWsProxy'>,
  work: (db: never) => Promise<T>,
): Promise<T> {
  const { faults, database, world } = theSite();
  await pass(faults.spanMs(ROUND_TRIP_MS));
  if (faults.databaseAway) throw new Error('Postgres is away');
  world.count('database uses');
  const value = await work(makeQueries(database) as never);
  await pass(faults.spanMs(ROUND_TRIP_MS));
  if (faults.databaseFails()) throw new Error('Postgres gave no answer');
  return value;
}

/** A message to or from Postgres: like any other, it leaves when all writes are committed. */
function pass(ms: number): Promise<void> {
  const { world } = theSite();
  const owner = world.current;
  if (!owner) throw new Error('Postgres is used in a turn');
  return new Promise((resolve) => {
    leave(owner, () => world.after(ms, { owner, what: 'hears Postgres', act: resolve }));
  });
}

function makeQueries(database: Database) {
  const queries = {
    insert: (of: PgTable) => ({
      values: (given: Row | readonly Row[]) => new Insert(database.table(of), [given].flat()),
    }),
    select: () => ({ from: (of: PgTable) => new Select(database, of) }),
    execute: async (statement: SQL) => execute(database, statement),
    transaction: <T>(work: (tx: unknown) => Promise<T>): Promise<T> => work(queries),
  };
  return queries;
}

/** Carries out every insert in a statement, in the order they stand. */
function execute(database: Database, chunk: unknown): void {
  if (chunk instanceof Insertion) {
    const table = database.table(chunk.table);
    const mayUpdate = parseConflict(chunk.conflict, table.nameOf);
    for (const row of chunk.rows) {
      const key = keyOf(table, row);
      const known = table.rows.get(key);
      if (!known || mayUpdate?.(known, row)) table.rows.set(key, row);
    }
  } else if (chunk instanceof SQL) {
    for (const part of chunk.queryChunks) execute(database, part);
  }
}

class Insert {
  readonly #table: Table;
  readonly #rows: readonly Row[];

  constructor(table: Table, rows: readonly Row[]) {
    this.#table = table;
    this.#rows = rows;
  }

  async onConflictDoNothing(): Promise<void> {
    const { rows } = this.#table;
    for (const row of this.#rows) {
      const key = keyOf(this.#table, row);
      if (!rows.has(key)) rows.set(key, row);
    }
  }

  async onConflictDoUpdate(how: {
    set: Readonly<Record<string, unknown>>;
    setWhere?: SQL;
  }): Promise<void> {
    const { rows, nameOf } = this.#table;
    const mayUpdate = how.setWhere ? parseCondition(how.setWhere, nameOf) : () => true;
    const names = Object.keys(how.set);
    for (const row of this.#rows) {
      const key = keyOf(this.#table, row);
      const known = rows.get(key);
      if (!known) rows.set(key, row);
      else if (mayUpdate(known, row)) {
        rows.set(key, { ...known, ...Object.fromEntries(names.map((name) => [name, row[name]])) });
      }
    }
  }
}

class Select {
  readonly #database: Database;
  readonly #of: PgTable;

  constructor(database: Database, of: PgTable) {
    this.#database = database;
    this.#of = of;
  }

  where(condition: SQL): Promise<Row[]> & { orderBy: () => Promise<Row[]> } {
    const { rows, nameOf } = this.#database.table(this.#of);
    const holds = parseCondition(condition, nameOf);
    return inOrder([...rows.values()].filter((row) => holds(row, row)));
  }

  /** Each row beside those of another table; no field of one has the name of the other's. */
  leftJoin(other: PgTable, on: SQL): { where: Select['where'] } {
    const [own, joined] = [this.#database.table(this.#of), this.#database.table(other)];
    const nameOf = new Map([...own.nameOf, ...joined.nameOf]);
    const isBeside = parseCondition(on, nameOf);
    const [ownName, otherName] = [getTableName(this.#of), getTableName(other)];
    const where = (condition: SQL) => {
      const holds = parseCondition(condition, nameOf);
      const found = [...own.rows.values()].filter((row) => holds(row, row));
      const pairs = found.flatMap((row) => {
        const beside = [...joined.rows.values()].filter((candidate) => {
          const both = { ...candidate, ...row };
          return isBeside(both, both);
        });
        const others = beside.length === 0 ? [null] : beside;
        return others.map((one): Row => ({ [ownName]: row, [otherName]: one }));
      });
      return inOrder(pairs);
    };
    return { where };
  }
}

/** Rows are kept as they were inserted: a job's artifacts in the order of their index. */
function inOrder(rows: Row[]): Promise<Row[]> & { orderBy: () => Promise<Row[]> } {
  return Object.assign(Promise.resolve(rows), { orderBy: () => Promise.resolve(rows) });
}

function keyOf(table: Table, row: Row): string {
  return table.keys.map((name) => String(row[name])).join('|');
}
