/**
 * From which life of an Account on its first offers are taken: an Account that has asked what the
 * life before it took must not meet another offer of that life, however long it was on its way.
 */
import { FENCE_KEEP_MS } from '#schema/limits.ts';

export const FENCE_TABLE = `
  CREATE TABLE IF NOT EXISTS fence (
    account_id TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL,
    raised_at INTEGER NOT NULL
  ) WITHOUT ROWID;
`;

interface Row extends Record<string, SqlStorageValue> {
  account_id: string;
  epoch: number;
}

/** The fences of one pool; see above. */
export class Fences {
  readonly #sql: SqlStorage;
  readonly #epochs: Map<string, number>;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(FENCE_TABLE);
    const rows = sql.exec<Row>('SELECT account_id, epoch FROM fence').toArray();
    this.#epochs = new Map(rows.map((row) => [row.account_id, row.epoch]));
  }

  /** Takes first offers of this account from this life on alone. */
  raise(accountId: string, epoch: number, now: number): void {
    const known = this.#epochs.get(accountId) ?? 0;
    const old = this.#sql.exec<Pick<Row, 'account_id'>>(
      'DELETE FROM fence WHERE raised_at < ? RETURNING account_id',
      now - FENCE_KEEP_MS,
    );
    for (const row of old) this.#epochs.delete(row.account_id);
    const kept = Math.max(known, epoch);
    this.#sql.exec(
      'INSERT OR REPLACE INTO fence (account_id, epoch, raised_at) VALUES (?, ?, ?)',
      accountId,
      kept,
      now,
    );
    this.#epochs.set(accountId, kept);
  }

  isPast(accountId: string, epoch: number | undefined): boolean {
    return epoch !== undefined && epoch < (this.#epochs.get(accountId) ?? 0);
  }
}
