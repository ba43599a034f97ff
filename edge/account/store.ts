/**
 * An Account's truth in SQLite: the account with its day's credit in one row, its keys, its open
 * jobs with their holds, and the idempotency keys of a day. An account that was never made has
 * no tables, so that a guess at an id writes nothing.
 */
import { IDEMPOTENCY_MS, RECONCILE_BATCH_MAX } from '#schema/limits.ts';
import type { PlanId } from '#schema/plan.ts';
import type { JobOrder } from '#schema/record.ts';
import type { Credit, Hold } from '../core/credit.ts';

const TABLES = `
  CREATE TABLE account (
    one INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    plan TEXT NOT NULL,
    blocked INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    day TEXT NOT NULL,
    spent INTEGER NOT NULL,
    held INTEGER NOT NULL,
    tat REAL NOT NULL
  );
  CREATE TABLE api_key (
    id TEXT PRIMARY KEY,
    secret_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
  ) WITHOUT ROWID;
  CREATE TABLE job (
    id TEXT PRIMARY KEY,
    day TEXT NOT NULL,
    held INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    order_json TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE idempotency (
    key TEXT PRIMARY KEY,
    body_hash TEXT NOT NULL,
    job_id TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) WITHOUT ROWID;
`;

/** What of an account stays in memory. */
export interface AccountRow {
  readonly id: string;
  readonly name: string;
  readonly plan: PlanId;
  readonly blocked: boolean;
  readonly createdAt: number;
  readonly credit: Credit;
  /** The rate limit's theoretical arrival time. */
  readonly tat: number;
}

/** A key; only the hash of its secret is kept. Times are epoch ms. */
export interface ApiKeyRow {
  readonly id: string;
  readonly secretHash: string;
  readonly createdAt: number;
  readonly revokedAt: number | null;
}

/** A job whose hold is still open. */
export interface OpenJob {
  readonly order: JobOrder;
  readonly cancelled: boolean;
}

/** The job that an idempotency key made. */
export interface Idempotent {
  /** Of its request. */
  readonly bodyHash: string;
  readonly jobId: string;
}

interface StoredAccount extends Record<string, SqlStorageValue> {
  id: string;
  name: string;
  plan: PlanId;
  blocked: number;
  created_at: number;
  day: string;
  spent: number;
  held: number;
  tat: number;
}

interface StoredJob extends Record<string, SqlStorageValue> {
  order_json: string;
  cancelled: number;
}

/** The tables of one account; see above. */
export class AccountStore {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;

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
    this.#storage.transactionSync(work);
  }

  makeTables(): void {
    this.#sql.exec(TABLES);
  }

  load(): { account: AccountRow; keys: ApiKeyRow[]; jobsOpen: number } {
    const row = this.#sql.exec<StoredAccount>('SELECT * FROM account').one();
    const keys = this.#sql
      .exec<{ id: string; secret_hash: string; created_at: number; revoked_at: number | null }>(
        'SELECT * FROM api_key',
      )
      .toArray();
    const { count } = this.#sql.exec<{ count: number }>('SELECT count(*) AS count FROM job').one();
    return {
      account: {
        id: row.id,
        name: row.name,
        plan: row.plan,
        blocked: row.blocked === 1,
        createdAt: row.created_at,
        credit: { day: row.day, spentMillitokens: row.spent, heldMillitokens: row.held },
        tat: row.tat,
      },
      keys: keys.map((key) => ({
        id: key.id,
        secretHash: key.secret_hash,
        createdAt: key.created_at,
        revokedAt: key.revoked_at,
      })),
      jobsOpen: count,
    };
  }

  saveAccount(account: AccountRow): void {
    const { credit } = account;
    this.#sql.exec(
      `INSERT OR REPLACE INTO account
        (one, id, name, plan, blocked, created_at, day, spent, held, tat)
       VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      account.id,
      account.name,
      account.plan,
      account.blocked ? 1 : 0,
      account.createdAt,
      credit.day,
      credit.spentMillitokens,
      credit.heldMillitokens,
      account.tat,
    );
  }

  saveKey(key: ApiKeyRow): void {
    this.#sql.exec(
      'INSERT OR REPLACE INTO api_key (id, secret_hash, created_at, revoked_at) VALUES (?, ?, ?, ?)',
      key.id,
      key.secretHash,
      key.createdAt,
      key.revokedAt,
    );
  }

  insertJob(order: JobOrder, checkAfter: number): void {
    this.#sql.exec(
      'INSERT INTO job (id, day, held, cancelled, checked_at, order_json) VALUES (?, ?, ?, 0, ?, ?)',
      order.id,
      order.day,
      order.heldMillitokens,
      checkAfter,
      JSON.stringify(order),
    );
  }

  /** The hold of an open job, or null when the job is not open. */
  findHold(jobId: string): Hold | null {
    const rows = this.#sql.exec<{ day: string; held: number }>(
      'SELECT day, held FROM job WHERE id = ?',
      jobId,
    );
    const row = rows.toArray()[0];
    return row ? { day: row.day, heldMillitokens: row.held } : null;
  }

  findJob(jobId: string): OpenJob | null {
    const rows = this.#sql.exec<StoredJob>(
      'SELECT order_json, cancelled FROM job WHERE id = ?',
      jobId,
    );
    const row = rows.toArray()[0];
    return row ? toOpenJob(row) : null;
  }

  deleteJob(jobId: string): void {
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
    this.#sql.exec('UPDATE job SET checked_at = ? WHERE id = ?', at, jobId);
  }

  /** When the next open job is due for a look, or null when none is open. */
  nextCheckAt(): number | null {
    return this.#sql.exec<{ at: number | null }>('SELECT min(checked_at) AS at FROM job').one().at;
  }

  findIdempotent(key: string, now: number): Idempotent | null {
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

function toOpenJob(row: StoredJob): OpenJob {
  return { order: JSON.parse(row.order_json) as JobOrder, cancelled: row.cancelled === 1 };
}
