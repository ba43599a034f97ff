/**
 * An object's storage over an in-memory SQLite: it outlives the object. Writes of an object are
 * one transaction until the world commits it; a crash before that takes all of them back, the
 * alarm too. What the Workers runtime does with `storage.sql`, as far as the edge uses it.
 */
import type { SQLInputValue } from 'node:sqlite';
import { Sqlite } from './sqlite.ts';
import type { Row } from './sqlite.ts';

/** The bytes of one object. */
export class Disk {
  readonly #sqlite: Sqlite;
  /** Whether writes wait for their commit. */
  isOpen = false;
  alarmAt: number | null = null;
  #alarmKept: number | null = null;
  /** Grows whenever a row may be another. */
  version = 0;

  constructor(kind: string) {
    this.#sqlite = Sqlite.open(kind);
  }

  exec(text: string, values: readonly SQLInputValue[]): Row[] {
    const { writes, run } = this.#sqlite.prepare(text);
    if (writes) {
      this.#open();
      this.version += 1;
    }
    return run(values);
  }

  setAlarm(at: number | null): void {
    this.#open();
    this.alarmAt = at;
  }

  /** All of `work` or nothing, within the transaction that is open. */
  nest<T>(work: () => T): T {
    this.#open();
    this.#sqlite.exec('SAVEPOINT nested');
    try {
      const value = work();
      this.#sqlite.exec('RELEASE nested');
      return value;
    } catch (error) {
      this.#sqlite.exec('ROLLBACK TO nested');
      this.#sqlite.exec('RELEASE nested');
      this.version += 1;
      throw error;
    }
  }

  /** Runs `work` and takes back whatever it wrote. */
  peek<T>(work: () => T): T {
    const alarmAt = this.alarmAt;
    const { isOpen } = this;
    if (!isOpen) this.#sqlite.exec('BEGIN');
    this.isOpen = true;
    this.#sqlite.exec('SAVEPOINT peek');
    try {
      return work();
    } finally {
      this.#sqlite.exec('ROLLBACK TO peek');
      this.#sqlite.exec('RELEASE peek');
      if (!isOpen) this.#sqlite.exec('COMMIT');
      this.isOpen = isOpen;
      this.alarmAt = alarmAt;
    }
  }

  commit(): void {
    if (!this.isOpen) return;
    this.#sqlite.exec('COMMIT');
    this.isOpen = false;
    this.#alarmKept = this.alarmAt;
  }

  rollback(): void {
    if (!this.isOpen) return;
    this.#sqlite.exec('ROLLBACK');
    this.version += 1;
    this.isOpen = false;
    this.alarmAt = this.#alarmKept;
  }

  close(): void {
    this.rollback();
    this.#sqlite.close();
  }

  #open(): void {
    if (this.isOpen) return;
    this.#sqlite.exec('BEGIN');
    this.isOpen = true;
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
