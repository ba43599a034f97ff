/**
 * An Account's truth in SQLite: the account with its day's credit and how its keys are used in one
 * row, its keys, its webhook endpoints, its open jobs with their holds, and the idempotency keys
 * of a day. An account that was never made has no tables, so that a guess at an id writes nothing.
 * Jobs that are ahead of the disk (ahead.ts) are found here too, and written with the account.
 */
import { IDEMPOTENCY_MS, RECONCILE_BATCH_MAX } from '#schema/limits.ts';
import type { JobOrder } from '#schema/record.ts';
import type { WebhookEndpointRow } from '#schema/webhook.ts';
import { Ahead } from './ahead.ts';
import { TABLES, toAccount, toKey, toOpenJob, UPGRADES } from './row.ts';
import type {
  AccountRow,
  ApiKeyRow,
  Idempotent,
  KeptHold,
  OpenJob,
  Stored,
  StoredAccount,
  StoredJob,
  StoredKey,
  StoredPowers,
} from './row.ts';

/** The tables of one account; see above. */
export class AccountStore {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  readonly #ahead = new Ahead();

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
  }

  exists(): boolean {
    const rows = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'account'");
    return rows.toArray().length > 0;
  }

  /** Writes all of `work` or nothing. */
  transaction(work: () => void): void {
    const ahead = this.#ahead.copy();
    try {
      this.#storage.transactionSync(work);
    } catch (error) {
      this.#ahead.restore(ahead);
      throw error;
    }
  }

  makeTables(): void {
    this.#sql.exec(TABLES);
  }

  load(): Stored {
    this.#upgrade();
    const row = this.#sql.exec<StoredAccount>('SELECT * FROM account').one();
    const keys = this.#sql.exec<StoredKey>('SELECT * FROM api_key').toArray();
    const endpoints = this.#sql.exec<{ row_json: string }>('SELECT row_json FROM endpoint');
    const { count } = this.#sql.exec<{ count: number }>('SELECT count(*) AS count FROM job').one();
    return {
      account: toAccount(row),
      keys: keys.map(toKey),
      endpoints: endpoints.toArray().map((kept) => JSON.parse(kept.row_json) as WebhookEndpointRow),
      jobsOpen: count,
    };
  }

  #upgrade(): void {
    const info = this.#sql.exec<{ name: string }>("SELECT name FROM pragma_table_info('account')");
    const columns = new Set(info.toArray().map(({ name }) => name));
    const missing = UPGRADES.filter(({ column }) => !columns.has(column));
    if (missing.length === 0) return;
    this.transaction(() => {
      for (const { sql } of missing) this.#sql.exec(sql);
    });
  }

  /** Writes the account, and with it every job that its figures count. */
  saveAccount(account: AccountRow): void {
    // One statement is whole by itself.
    if (this.#ahead.size === 0) return this.#writeAccount(account);
    this.transaction(() => {
      for (const { order, checkAt } of this.#ahead.take()) this.insertJob(order, checkAt);
      this.#writeAccount(account);
    });
  }

  #writeAccount(account: AccountRow): void {
    const { credit } = account;
    this.#sql.exec(
      `INSERT OR REPLACE INTO account
        (one, id, name, plan, blocked, created_at, day, spent, held, tat,
         granted, plan_until, plan_after, block_reason, told_json, uses_json, life_json)
       VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      account.id,
      account.name,
      account.plan,
      account.blocked ? 1 : 0,
      account.createdAt,
      credit.day,
      credit.spentMillitokens,
      credit.heldMillitokens,
      account.tat,
      credit.grantedMillitokens,
      account.planUntil,
      account.planAfter,
      account.blockReason,
      account.told && JSON.stringify(account.told),
      JSON.stringify(account.uses),
      JSON.stringify(account.life),
    );
  }

  saveKey({ id, secretHash, createdAt, revokedAt, ...powers }: ApiKeyRow): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO api_key (id, secret_hash, created_at, revoked_at, powers_json)
       VALUES (?, ?, ?, ?, ?)`,
      id,
      secretHash,
      createdAt,
      revokedAt,
      JSON.stringify(powers satisfies StoredPowers),
    );
  }

  deleteKey(id: string): void {
    this.#sql.exec('DELETE FROM api_key WHERE id = ?', id);
  }

  saveEndpoint(endpoint: WebhookEndpointRow): void {
    this.#sql.exec(
      'INSERT OR REPLACE INTO endpoint (id, row_json) VALUES (?, ?)',
      endpoint.id,
      JSON.stringify(endpoint),
    );
  }

  deleteEndpoint(id: string): void {
    this.#sql.exec('DELETE FROM endpoint WHERE id = ?', id);
  }

  /** Whether its row is still to be written. */
  isAhead(jobId: string): boolean {
    return this.#ahead.find(jobId) !== null;
  }

  /** Keeps a job that is written with the account, later. */
  keepAhead(order: JobOrder, checkAt: number): void {
    this.#ahead.add(order, checkAt);
  }

  get aheadCount(): number {
    return this.#ahead.size;
  }

  /** Writes a job, and what its idempotency key is to be answered where the order says so. */
  insertJob(order: JobOrder, checkAfter: number): void {
    this.#saveMark(order);
    this.#sql.exec(
      `INSERT INTO job (id, day, held, cancelled, checked_at, order_json, key_id)
       VALUES (?, ?, ?, 0, ?, ?, ?)`,
      order.id,
      order.day,
      order.heldMillitokens,
      checkAfter,
      JSON.stringify(order),
      order.apiKeyId,
    );
  }

  #saveMark({ id: jobId, createdAt, ahead }: JobOrder): void {
    if (!ahead?.idempotency) return;
    const { key, bodyHash } = ahead.idempotency;
    this.saveIdempotent(key, { bodyHash, jobId }, createdAt);
  }

  /** The hold of an open job, or null when the job is not open. */
  findHold(jobId: string): KeptHold | null {
    const ahead = this.#ahead.hold(jobId);
    if (ahead) return ahead;
    const rows = this.#sql.exec<{ day: string; held: number; key_id: string | null }>(
      'SELECT day, held, key_id FROM job WHERE id = ?',
      jobId,
    );
    const row = rows.toArray()[0];
    return row ? { day: row.day, heldMillitokens: row.held, keyId: row.key_id } : null;
  }

  findJob(jobId: string): OpenJob | null {
    const ahead = this.#ahead.find(jobId);
    if (ahead) return ahead;
    const rows = this.#sql.exec<StoredJob>(
      'SELECT order_json, cancelled FROM job WHERE id = ?',
      jobId,
    );
    const row = rows.toArray()[0];
    return row ? toOpenJob(row) : null;
  }

  deleteJob(jobId: string): void {
    const ahead = this.#ahead.find(jobId);
    if (ahead) {
      this.#saveMark(ahead.order);
      this.#ahead.drop(jobId);
      return;
    }
    this.#sql.exec('DELETE FROM job WHERE id = ?', jobId);
  }

  markCancelled(jobId: string): void {
    this.#sql.exec('UPDATE job SET cancelled = 1 WHERE id = ?', jobId);
  }

  /** Open jobs whose look is due at `now`, those that waited longest first. */
  dueJobs(now: number): OpenJob[] {
    return this.#sql
      .exec<StoredJob>(
        'SELECT order_json, cancelled FROM job WHERE checked_at <= ? ORDER BY checked_at LIMIT ?',
        now,
        RECONCILE_BATCH_MAX,
      )
      .toArray()
      .map(toOpenJob);
  }

  /** Looks after a job again at this time. */
  checkLater(jobId: string, at: number): void {
    if (this.#ahead.checkLater(jobId, at)) return;
    this.#sql.exec('UPDATE job SET checked_at = ? WHERE id = ?', at, jobId);
  }

  /** When the next open job is due for a look, or null when none is open. */
  nextCheckAt(): number | null {
    return this.#sql.exec<{ at: number | null }>('SELECT min(checked_at) AS at FROM job').one().at;
  }

  findIdempotent(key: string, now: number): Idempotent | null {
    const ahead = this.#ahead.idempotent(key);
    if (ahead) return ahead;
    const rows = this.#sql.exec<{ body_hash: string; job_id: string; created_at: number }>(
      'SELECT body_hash, job_id, created_at FROM idempotency WHERE key = ?',
      key,
    );
    const row = rows.toArray()[0];
    if (!row || row.created_at <= now - IDEMPOTENCY_MS) return null;
    return { bodyHash: row.body_hash, jobId: row.job_id };
  }

  saveIdempotent(key: string, job: Idempotent, now: number): void {
    this.#sql.exec(
      'INSERT OR REPLACE INTO idempotency (key, body_hash, job_id, created_at) VALUES (?, ?, ?, ?)',
      key,
      job.bodyHash,
      job.jobId,
      now,
    );
  }

  deleteIdempotent(key: string): void {
    this.#sql.exec('DELETE FROM idempotency WHERE key = ?', key);
  }

  deleteOldIdempotent(now: number): void {
    this.#sql.exec('DELETE FROM idempotency WHERE created_at <= ?', now - IDEMPOTENCY_MS);
  }
}
