/** The Scheduler's tables, and how a stored row becomes an entry of the state. */
import { LEASE_MS, LEASE_WRITE_MS, WAKE_LATE_MS } from '#schema/limits.ts';
import type { Tier } from '#schema/plan.ts';
import type { LiveEntry } from '../core/state.ts';

export const TABLES = `
  CREATE TABLE IF NOT EXISTS job (
    place INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    tier TEXT NOT NULL,
    model TEXT NOT NULL,
    batch_key TEXT NOT NULL,
    millitokens INTEGER NOT NULL,
    tag INTEGER NOT NULL,
    span_ms INTEGER NOT NULL,
    foreseen_ms INTEGER,
    deadline_at INTEGER,
    status TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    fencing_token INTEGER NOT NULL,
    expected_end_at INTEGER,
    failed_by TEXT,
    agent_id TEXT,
    session_id TEXT,
    lease_until INTEGER,
    queued_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    cancel_requested_at INTEGER,
    watched INTEGER NOT NULL,
    order_json TEXT NOT NULL,
    outcome_json TEXT
  );
  CREATE TABLE IF NOT EXISTS agent (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    session_id TEXT,
    capabilities_json TEXT,
    draining INTEGER NOT NULL,
    revoked INTEGER NOT NULL,
    last_seen_at INTEGER
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS memory (one INTEGER PRIMARY KEY, json TEXT NOT NULL);
`;

export interface JobRow extends Record<string, SqlStorageValue> {
  place: number;
  id: string;
  account_id: string;
  tier: Tier;
  model: string;
  batch_key: string;
  millitokens: number;
  tag: number;
  span_ms: number;
  foreseen_ms: number | null;
  deadline_at: number | null;
  status: LiveEntry['status'];
  sequence: number;
  changed: number;
  attempt: number;
  fencing_token: number;
  expected_end_at: number | null;
  failed_by: string | null;
  agent_id: string | null;
  session_id: string | null;
  lease_until: number | null;
  queued_at: number;
  started_at: number | null;
  finished_at: number | null;
  cancel_requested_at: number | null;
  watched: number;
}

export interface BodyRow extends JobRow {
  order_json: string;
  outcome_json: string | null;
}

export interface AgentRow extends Record<string, SqlStorageValue> {
  id: string;
  name: string;
  secret_hash: string;
  created_at: number;
  session_id: string | null;
  capabilities_json: string | null;
  draining: number;
  revoked: number;
  last_seen_at: number | null;
}

/** What the state needs of a job; the bodies stay on disk. */
export const ENTRY_COLUMNS = `place, id, account_id, tier, model, batch_key, millitokens, tag,
  span_ms, foreseen_ms, deadline_at, status, sequence, changed, attempt, fencing_token, expected_end_at,
  failed_by, agent_id, session_id, lease_until, queued_at, started_at,
  finished_at, cancel_requested_at, watched`;

/** The entry of a stored job; a lease is as `leaseEnd` says. */
export function toEntry(row: JobRow, now: number): LiveEntry {
  const held =
    row.status === 'running' &&
    row.agent_id !== null &&
    row.session_id !== null &&
    row.lease_until !== null;
  return {
    id: row.id,
    accountId: row.account_id,
    tier: row.tier,
    model: row.model,
    batchKey: row.batch_key,
    millitokens: row.millitokens,
    tag: row.tag,
    spanMs: row.span_ms,
    foreseenMs: row.foreseen_ms,
    place: row.place,
    deadlineAt: row.deadline_at,
    queuedAt: row.queued_at,
    status: row.status,
    sequence: row.sequence,
    attempt: row.attempt,
    fencingToken: row.fencing_token,
    lease: held
      ? {
          agentId: row.agent_id!,
          sessionId: row.session_id!,
          expiresAt: leaseEnd(row.lease_until!, now),
        }
      : null,
    startedAt: row.started_at,
    cancelRequestedAt: row.cancel_requested_at,
    expectedEndAt: row.status === 'running' ? row.expected_end_at : null,
    skipped: 0,
    failedBy: row.failed_by,
  };
}

/**
 * When a stored lease lapses. Extensions under LEASE_WRITE_MS are not written, so it may have
 * run that much longer. An object that was merely evicted wakes on time, by its alarm; one that
 * wakes late was away, its agents could not report, and they get one whole lease to do so.
 */
export function leaseEnd(leaseUntil: number, now: number): number {
  const latest = leaseUntil + LEASE_WRITE_MS;
  return now <= latest + WAKE_LATE_MS ? latest : now + LEASE_MS;
}
