/**
 * Stands in for the Feed object: keeps the newest record of its job on disk, as the real one
 * does, and tells the checkers how each watched job is said to stand.
 */
import type { JobRecord } from '#schema/record.ts';
import { DurableObject } from '../platform/workers.ts';
import { theSite } from '../site.ts';

export class Feed extends DurableObject<object> {
  readonly #sql: SqlStorage;

  constructor(ctx: DurableObjectState, env: object) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    this.#sql.exec('CREATE TABLE IF NOT EXISTS newest (one INTEGER PRIMARY KEY, record TEXT)');
  }

  /** Idempotent on the record's sequence. */
  async publish(record: JobRecord): Promise<void> {
    const known = this.#newest();
    if (known && known.sequence >= record.sequence) return;
    this.#sql.exec('INSERT OR REPLACE INTO newest VALUES (1, ?)', JSON.stringify(record));
    theSite().oracle.onPublished(record);
  }

  async progress(): Promise<void> {}

  async text(): Promise<boolean> {
    return true;
  }

  #newest(): JobRecord | null {
    const [row] = this.#sql.exec<{ record: string }>('SELECT record FROM newest').toArray();
    return row ? (JSON.parse(row.record) as JobRecord) : null;
  }
}
