/**
 * Rows that an object owes Postgres (accounts, keys, agents, audit), kept in its own SQLite
 * until they arrived there. Few and small, unlike jobs, so each is written down as a message.
 */
import { RECORD_BATCH_MAX } from '#schema/limits.ts';
import { Drain } from './drain.ts';
import { logError } from './log.ts';

const TABLE = 'CREATE TABLE IF NOT EXISTS mirror (id INTEGER PRIMARY KEY, row_json TEXT NOT NULL)';

interface Kept extends Record<string, SqlStorageValue> {
  readonly id: number;
  readonly row_json: string;
}

/** The rows of one object; see above. */
export class MirrorQueue<Row> {
  readonly #sql: SqlStorage;
  readonly #drain: Drain<Kept>;

  /** Call only where the object's other tables are made too. */
  constructor(storage: DurableObjectStorage, deliver: (rows: readonly Row[]) => Promise<void>) {
    this.#sql = storage.sql;
    this.#sql.exec(TABLE);
    const source = {
      next: () => this.#next(RECORD_BATCH_MAX),
      deliver: (batch: readonly Kept[]) =>
        deliver(batch.map((item) => JSON.parse(item.row_json) as Row)),
      remove: (batch: readonly Kept[]) =>
        void this.#sql.exec('DELETE FROM mirror WHERE id <= ?', batch.at(-1)!.id),
      onFailure: (error: unknown) => logError('mirror.fail', error),
    };
    this.#drain = new Drain(source, this.#next(1).length > 0);
  }

  add(rows: readonly Row[]): void {
    this.#drain.fill();
    for (const row of rows) {
      this.#sql.exec('INSERT INTO mirror (row_json) VALUES (?)', JSON.stringify(row));
    }
  }

  /** When to drain again if nothing else does, or null when all rows have arrived. */
  nextAt(): number | null {
    return this.#drain.nextAt();
  }

  /** Sends all rows in order, or as many as the receiver takes; never rejects. */
  async drain(): Promise<void> {
    await this.#drain.run();
  }

  #next(count: number): Kept[] {
    return this.#sql
      .exec<Kept>('SELECT id, row_json FROM mirror ORDER BY id LIMIT ?', count)
      .toArray();
  }
}
