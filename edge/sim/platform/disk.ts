/**
 * An object's storage over an in-memory SQLite: it outlives the object. Writes of an object are
 * one transaction until the world commits it; a crash before that takes all of them back, the
 * alarm too. What the Workers runtime does with `storage.sql`, as far as the edge uses it.
 */
import { DatabaseSync } from 'node:sqlite';
import type { SQLInputValue, StatementSync } from 'node:sqlite';

type Row = Record<string, SqlStorageValue>;

interface Prepared {
  readonly statement: StatementSync | null;
  readonly writes: boolean;
}

/** The bytes of one object. */
export class Disk {
  readonly #db = new DatabaseSync(':memory:');
  readonly #statements = new Map<string, Prepared>();
  /** Whether writes wait for their commit. */
  isOpen = false;
  alarmAt: number | null = null;
  #alarmKept: number | null = null;
  rowsWritten = 0;

  exec(text: string, values: readonly SQLInputValue[]): Row[] {
    const { statement, writes } = this.#prepare(text);
    if (writes) this.#open();
    if (!statement) {
      this.#db.exec(text);
      return [];
    }
    if (writes) this.rowsWritten += 1;
    return statement.all(...values) as Row[];
  }

  setAlarm(at: number | null): void {
    this.#open();
    this.rowsWritten += 1;
    this.alarmAt = at;
  }

  /** All of `work` or nothing, within the transaction that is open. */
  nest<T>(work: () => T): T {
    this.#open();
    this.#db.exec('SAVEPOINT nested');
    try {
      const value = work();
      this.#db.exec('RELEASE nested');
      return value;
    } catch (error) {
      this.#db.exec('ROLLBACK TO nested; RELEASE nested');
      throw error;
    }
  }

  /** Runs `work` and takes back whatever it wrote. */
  peek<T>(work: () => T): T {
    const alarmAt = this.alarmAt;
    const { isOpen, rowsWritten } = this;
    if (!isOpen) this.#db.exec('BEGIN');
    this.isOpen = true;
    this.#db.exec('SAVEPOINT peek');
    try {
      return work();
    } finally {
      this.#db.exec('ROLLBACK TO peek; RELEASE peek');
      if (!isOpen) this.#db.exec('COMMIT');
      this.isOpen = isOpen;
      this.alarmAt = alarmAt;
      this.rowsWritten = rowsWritten;
    }
  }

  commit(): void {
    if (!this.isOpen) return;
    this.#db.exec('COMMIT');
    this.isOpen = false;
    this.#alarmKept = this.alarmAt;
  }

  rollback(): void {
    if (!this.isOpen) return;
    this.#db.exec('ROLLBACK');
    this.isOpen = false;
    this.alarmAt = this.#alarmKept;
  }

  close(): void {
    this.#db.close();
  }

  #open(): void {
    if (this.isOpen) return;
    this.#db.exec('BEGIN');
    this.isOpen = true;
  }

  #prepare(text: string): Prepared {
    const known = this.#statements.get(text);
    if (known) return known;
    const isScript = /;\s*\S/.test(text);
    const prepared = {
      statement: isScript ? null : this.#db.prepare(text),
      writes: !/^\s*select\b/i.test(text),
    };
    this.#statements.set(text, prepared);
    return prepared;
  }
}

/** What an object sees of its disk; `check` throws when the object is no longer alive. */
export function makeStorage(
  disk: Disk,
  { check, sync }: { check: () => void; sync: () => Promise<void> },
): DurableObjectStorage {
  const sql = {
    exec(text: string, ...values: SQLInputValue[]) {
      check();
      return new Cursor(disk.exec(text, values));
    },
  };
  const storage = {
    sql,
    transactionSync<T>(work: () => T): T {
      check();
      return disk.nest(work);
    },
    sync,
    getAlarm: () => Promise.resolve(disk.alarmAt),
    setAlarm(at: number | Date): Promise<void> {
      check();
      disk.setAlarm(Number(at));
      return Promise.resolve();
    },
    deleteAlarm(): Promise<void> {
      check();
      disk.setAlarm(null);
      return Promise.resolve();
    },
  };
  return new Proxy(storage, {
    get(target, name) {
      if (name in target) return target[name as keyof typeof target];
      throw new Error(`the simulated storage has no ${String(name)}`);
    },
  }) as unknown as DurableObjectStorage;
}

class Cursor {
  readonly #rows: Row[];
  readonly rowsRead = 0;
  readonly rowsWritten = 0;
  #next = 0;

  constructor(rows: Row[]) {
    this.#rows = rows;
  }

  toArray(): Row[] {
    return this.#rows;
  }

  one(): Row {
    const [row] = this.#rows;
    if (!row || this.#rows.length > 1) {
      throw new Error(`expected exactly one row, got ${this.#rows.length}`);
    }
    return row;
  }

  next(): { done: boolean; value?: Row } {
    const value = this.#rows[this.#next++];
    return value ? { done: false, value } : { done: true };
  }

  [Symbol.iterator](): Iterator<Row> {
    return this.#rows[Symbol.iterator]();
  }
}
