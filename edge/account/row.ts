/**
 * What an Account keeps: its tables, their rows in memory, and how one becomes the other. An
 * account that was made before some columns were gets them when it wakes.
 */
import type { PlanId } from '#schema/plan.ts';
import type { JobOrder } from '#schema/record.ts';
import type { WebhookEndpointRow } from '#schema/webhook.ts';
import type { Credit, Hold } from '../core/credit.ts';
import type { KeyPowers } from '../core/key.ts';
import type { QuotaTold } from '../core/quota.ts';

export const TABLES = `
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
    tat REAL NOT NULL,
    granted INTEGER NOT NULL DEFAULT 0,
    plan_until INTEGER,
    plan_after TEXT NOT NULL DEFAULT 'free',
    block_reason TEXT,
    told_json TEXT,
    uses_json TEXT NOT NULL DEFAULT '{}',
    life_json TEXT
  );
  CREATE TABLE api_key (
    id TEXT PRIMARY KEY,
    secret_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER,
    powers_json TEXT
  ) WITHOUT ROWID;
  CREATE TABLE endpoint (
    id TEXT PRIMARY KEY,
    row_json TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE job (
    id TEXT PRIMARY KEY,
    day TEXT NOT NULL,
    held INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    order_json TEXT NOT NULL,
    key_id TEXT
  ) WITHOUT ROWID;
  CREATE TABLE idempotency (
    key TEXT PRIMARY KEY,
    body_hash TEXT NOT NULL,
    job_id TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) WITHOUT ROWID;
`;

/** For an account that was made before a column was: what it lacks, by the first of its columns. */
export const UPGRADES: readonly { readonly column: string; readonly sql: string }[] = [
  {
    column: 'granted',
    sql: `
  ALTER TABLE account ADD COLUMN granted INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE account ADD COLUMN plan_until INTEGER;
  ALTER TABLE account ADD COLUMN plan_after TEXT NOT NULL DEFAULT 'free';
  ALTER TABLE account ADD COLUMN block_reason TEXT;
  ALTER TABLE account ADD COLUMN told_json TEXT;
  ALTER TABLE account ADD COLUMN uses_json TEXT NOT NULL DEFAULT '{}';
  ALTER TABLE api_key ADD COLUMN powers_json TEXT;
  ALTER TABLE job ADD COLUMN key_id TEXT;
  CREATE TABLE endpoint (id TEXT PRIMARY KEY, row_json TEXT NOT NULL) WITHOUT ROWID;
`,
  },
  { column: 'life_json', sql: 'ALTER TABLE account ADD COLUMN life_json TEXT' },
];

/** What of an account stays in memory. */
export interface AccountRow {
  readonly id: string;
  readonly name: string;
  readonly plan: PlanId;
  /** When `planAfter` takes the place of the plan, epoch ms; null for never. */
  readonly planUntil: number | null;
  readonly planAfter: PlanId;
  readonly blocked: boolean;
  readonly blockReason: string | null;
  readonly createdAt: number;
  readonly credit: Credit;
  /** The rate limit's theoretical arrival time. */
  readonly tat: number;
  readonly told: QuotaTold | null;
  /** By key id. In this row, so that a job's hold on both is one write. */
  readonly uses: Readonly<Record<string, KeyUse>>;
  readonly life: Life;
}

/** How this object's disk and its memory may differ; see ahead.ts. */
export interface Life {
  /** Rises with each life that had to ask what the one before it took. */
  readonly epoch: number;
  /** The pool in which jobs are taken without a write here, or null. */
  readonly aheadIn: string | null;
  /** Of the last job that was taken so: this row has its hold. */
  readonly ordinal: number;
}

export const NEW_LIFE: Life = { epoch: 0, aheadIn: null, ordinal: 0 };

/** How a key is used: changes with every request, unlike the key. */
export interface KeyUse {
  /** Of its budget; as it was made for a key that has none. */
  readonly credit: Credit;
  readonly tat: number;
  readonly usedAt: number | null;
}

/** A key; only hashes of its secrets are kept. Times are epoch ms. */
export interface ApiKeyRow extends KeyPowers {
  readonly id: string;
  readonly secretHash: string;
  readonly createdAt: number;
  readonly revokedAt: number | null;
  readonly name: string;
  readonly hint: string;
  /** Of the secret before the last rotation, and until when it works. */
  readonly previousHash: string | null;
  readonly overlapUntil: number | null;
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

/** A hold, and the key whose budget it is held on too. */
export interface KeptHold extends Hold {
  readonly keyId: string | null;
}

export interface StoredAccount extends Record<string, SqlStorageValue> {
  id: string;
  name: string;
  plan: PlanId;
  blocked: number;
  created_at: number;
  day: string;
  spent: number;
  held: number;
  tat: number;
  granted: number;
  plan_until: number | null;
  plan_after: PlanId;
  block_reason: string | null;
  told_json: string | null;
  uses_json: string;
  life_json: string | null;
}

export interface StoredKey extends Record<string, SqlStorageValue> {
  id: string;
  secret_hash: string;
  created_at: number;
  revoked_at: number | null;
  powers_json: string | null;
}

/** What of a key is kept as JSON. */
export type StoredPowers = Omit<ApiKeyRow, 'id' | 'secretHash' | 'createdAt' | 'revokedAt'>;

export const NO_LIMITS: StoredPowers = {
  name: 'default',
  hint: '',
  scopes: [],
  models: null,
  dailyMillitokens: null,
  requestsPerMinute: null,
  expiresAt: null,
  previousHash: null,
  overlapUntil: null,
};

export interface StoredJob extends Record<string, SqlStorageValue> {
  order_json: string;
  cancelled: number;
}

/** All that is loaded when the object wakes. */
export interface Stored {
  readonly account: AccountRow;
  readonly keys: readonly ApiKeyRow[];
  readonly endpoints: readonly WebhookEndpointRow[];
  readonly jobsOpen: number;
}

export function toOpenJob(row: StoredJob): OpenJob {
  return { order: JSON.parse(row.order_json) as JobOrder, cancelled: row.cancelled === 1 };
}

export function toAccount(row: StoredAccount): AccountRow {
  return {
    id: row.id,
    name: row.name,
    plan: row.plan,
    planUntil: row.plan_until,
    planAfter: row.plan_after,
    blocked: row.blocked === 1,
    blockReason: row.block_reason,
    createdAt: row.created_at,
    credit: {
      day: row.day,
      spentMillitokens: row.spent,
      heldMillitokens: row.held,
      grantedMillitokens: row.granted,
    },
    tat: row.tat,
    told: row.told_json === null ? null : (JSON.parse(row.told_json) as QuotaTold),
    uses: JSON.parse(row.uses_json) as AccountRow['uses'],
    life: row.life_json === null ? NEW_LIFE : (JSON.parse(row.life_json) as Life),
  };
}

export function toKey(row: StoredKey): ApiKeyRow {
  const powers = row.powers_json === null ? {} : (JSON.parse(row.powers_json) as StoredPowers);
  return {
    ...NO_LIMITS,
    ...powers,
    id: row.id,
    secretHash: row.secret_hash,
    createdAt: row.created_at,
    revokedAt: row.revoked_at,
  };
}
