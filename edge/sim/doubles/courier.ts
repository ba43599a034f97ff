/**
 * Stands in for the couriers of bots and of webhook endpoints: keeps the newest it was told of
 * each job on disk, as the real ones do, for the check that whoever asked to be told was.
 */
import type { JobRecord } from '#schema/record.ts';
import { DurableObject } from '../platform/workers.ts';

export class Courier extends DurableObject<object> {
  readonly #sql: SqlStorage;

  constructor(ctx: DurableObjectState, env: object) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    this.#sql.exec(
      'CREATE TABLE IF NOT EXISTS told (job_id TEXT PRIMARY KEY, sequence INTEGER, status TEXT)',
    );
  }

  /** Idempotent on the record's sequence. */
  async publish(records: readonly JobRecord[]): Promise<void> {
    for (const { id, sequence, status } of records) {
      this.#sql.exec(
        `INSERT INTO told VALUES (?, ?, ?) ON CONFLICT DO
         UPDATE SET sequence = excluded.sequence, status = excluded.status
         WHERE excluded.sequence > sequence`,
        id,
        sequence,
        status,
      );
    }
  }

  async progress(): Promise<void> {}
}
