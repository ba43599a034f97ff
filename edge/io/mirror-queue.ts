/**
 * Rows that an object owes Postgres (accounts, keys, agents, audit), kept in its own SQLite
 * until they arrived there. Few and small, unlike jobs, so each is written down as a message.
 */
import { RECORD_BATCH_MAX } from '#schema/limits.ts';

const TABLE = 'CREATE TABLE IF NOT EXISTS mirror (id INTEGER PRIMARY KEY, row_json TEXT NOT NULL)';

export class MirrorQueue<Row> {
  readonly #sql: SqlStorage;
  #busy = false;

  /** Call only where the object's other tables are made too. */
  constructor(storage: DurableObjectStorage) {
    this.#sql = storage.sql;
    this.#sql.exec(TABLE);
  }

  add(rows: readonly Row[]): void {
    for (const row of rows) {
      this.#sql.exec('INSERT INTO mirror (row_json) VALUES (?)', JSON.stringify(row));
    }
  }

  get isEmpty(): boolean {
    return this.#sql.exec('SELECT 1 FROM mirror LIMIT 1').toArray().length === 0;
  }

  /** Sends all rows in order; rejects, keeping them, when the receiver does. */
  async drain(deliver: (rows: readonly Row[]) => Promise<void>): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let batch = this.#next(); batch.length > 0; batch = this.#next()) {
        await deliver(batch.map((item) => JSON.parse(item.row_json) as Row));
        this.#sql.exec('DELETE FROM mirror WHERE id <= ?', batch.at(-1)!.id);
      }
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
