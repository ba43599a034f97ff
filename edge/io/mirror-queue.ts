/**
 * Rows that an object owes Postgres (accounts, keys, agents, audit), kept in its own SQLite
 * until they arrived there. Few and small, unlike jobs, so each is written down as a message.
 * After a failure it waits, longer each time, whoever asks it to drain.
 */
import { DELIVERY_CHECK_MS, RECORD_BATCH_MAX } from '#schema/limits.ts';
import { backoffMs } from '../core/retry.ts';
import { logError } from './log.ts';

const TABLE = 'CREATE TABLE IF NOT EXISTS mirror (id INTEGER PRIMARY KEY, row_json TEXT NOT NULL)';

/** The rows of one object; see above. */
export class MirrorQueue<Row> {
  readonly #sql: SqlStorage;
  readonly #deliver: (rows: readonly Row[]) => Promise<void>;
  #busy = false;
  #failures = 0;
  #retryAt = 0;

  /** Call only where the object's other tables are made too. */
  constructor(storage: DurableObjectStorage, deliver: (rows: readonly Row[]) => Promise<void>) {
    this.#sql = storage.sql;
    this.#deliver = deliver;
    this.#sql.exec(TABLE);
  }

  add(rows: readonly Row[]): void {
    for (const row of rows) {
      this.#sql.exec('INSERT INTO mirror (row_json) VALUES (?)', JSON.stringify(row));
    }
  }

  /** When to drain again if nothing else does, or null when all rows have arrived. */
  nextAt(): number | null {
    if (this.#sql.exec('SELECT 1 FROM mirror LIMIT 1').toArray().length === 0) return null;
    return this.#failures > 0 ? this.#retryAt : Date.now() + DELIVERY_CHECK_MS;
  }

  /** Sends all rows in order, or as many as the receiver takes; never rejects. */
  async drain(): Promise<void> {
    if (this.#busy || Date.now() < this.#retryAt) return;
    this.#busy = true;
    try {
      for (let batch = this.#next(); batch.length > 0; batch = this.#next()) {
        await this.#deliver(batch.map((item) => JSON.parse(item.row_json) as Row));
        this.#sql.exec('DELETE FROM mirror WHERE id <= ?', batch.at(-1)!.id);
        this.#failures = 0;
      }
    } catch (error) {
      this.#failures += 1;
      this.#retryAt = Date.now() + backoffMs(this.#failures, Math.random());
      logError('mirror.fail', error);
    } finally {
      this.#busy = false;
    }
  }

  #next(): { id: number; row_json: string }[] {
    return this.#sql
      .exec<{ id: number; row_json: string }>(
        'SELECT id, row_json FROM mirror ORDER BY id LIMIT ?',
        RECORD_BATCH_MAX,
      )
      .toArray();
  }
}
