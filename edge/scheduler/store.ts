/**
 * The Scheduler's truth in SQLite. Applies changes one for one as `evolve` does, and loads the
 * state back. A job is one row from its enqueue until everyone knows its end; its rowid is its
 * place in the queue, so a change writes one row and no index.
 * `changed` orders all changes of jobs; Postgres is behind by those after `postgres_cursor`.
 * Short extensions of a lease and most signs of life stay in memory; see `leaseEnd`.
 */
import { Capabilities } from '#schema/agent-protocol.ts';
import { assert } from '#schema/assert.ts';
import { AGENT_SEEN_WRITE_MS, LEASE_WRITE_MS, RECORD_BATCH_MAX } from '#schema/limits.ts';
import type { JobOrder, JobRecord } from '#schema/record.ts';
import { emptyState, insertEntry, modelsOf } from '../core/state.ts';
import type { Change, LiveEntry, Outcome, QueueState } from '../core/state.ts';
import type { Receiver } from './outbox.ts';
import { ENTRY_COLUMNS, TABLES, toEntry } from './row.ts';
import type { AgentRow, BodyRow, JobRow } from './row.ts';

/** What deliveries were still due when the object was last alive. */
export interface Undelivered {
  readonly receiver: Receiver;
  readonly jobId: string;
  /** Number of the job's newest change. */
  readonly changed: number;
}

/** Places set aside by one write. */
const PLACE_BLOCK = 1000;

/** The tables of one pool; see above. */
export class SchedulerStore {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  readonly #watched = new Set<string>();
  readonly #seenWrittenAt = new Map<string, number>();
  /** Ends of leases as they are on disk, by job id. */
  readonly #leaseUntil = new Map<string, number>();
  #changed = 0;
  #cursor = 0;
  #placesTo = 0;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#sql.exec(TABLES);
  }

  /** Number of the newest change of a job. */
  get changed(): number {
    return this.#changed;
  }

  isWatched(jobId: string): boolean {
    return this.#watched.has(jobId);
  }

  /** The state as of the last change. */
  load(now: number): { state: QueueState; undelivered: readonly Undelivered[] } {
    const state = emptyState();
    for (const row of this.#sql.exec<AgentRow>('SELECT * FROM agent')) this.#loadAgent(state, row);
    const cursor = this.#meta('postgres_cursor');
    this.#cursor = cursor;
    const undelivered: Undelivered[] = [];
    const rows = this.#sql.exec<JobRow>(`SELECT ${ENTRY_COLUMNS} FROM job ORDER BY changed`);
    for (const row of rows) {
      const entry = toEntry(row, now);
      insertEntry(state, entry);
      if (entry.lease) this.#loadLease(entry, row.lease_until!);
      this.#changed = Math.max(this.#changed, row.changed);
      if (row.watched) this.#watched.add(row.id);
      const { id: jobId, changed } = row;
      if (changed > cursor) undelivered.push({ receiver: 'postgres', jobId, changed });
      if (row.finished_at !== null) undelivered.push({ receiver: 'account', jobId, changed });
      if (row.watched) undelivered.push({ receiver: 'feed', jobId, changed });
    }
    this.#changed = Math.max(this.#changed, cursor);
    this.#placesTo = this.#meta('next_place');
    state.nextPlace = Math.max(state.nextPlace, this.#placesTo);
    return { state, undelivered };
  }

  /** Remembers what is on disk; a grace is written, so that the next wake does not give another. */
  #loadLease(entry: LiveEntry, leaseUntil: number): void {
    const granted = entry.lease!.expiresAt - LEASE_WRITE_MS;
    this.#leaseUntil.set(entry.id, granted);
    if (granted === leaseUntil) return;
    this.#sql.exec('UPDATE job SET lease_until = ? WHERE place = ?', granted, entry.place);
  }

  #loadAgent(state: QueueState, row: AgentRow): void {
    const capabilities = row.capabilities_json
      ? Capabilities.parse(JSON.parse(row.capabilities_json))
      : null;
    state.agents.set(row.id, {
      id: row.id,
      name: row.name,
      secretHash: row.secret_hash,
      createdAt: row.created_at,
      capabilities,
      models: capabilities ? modelsOf(capabilities) : new Set(),
      resident: [],
      sessionId: row.session_id,
      draining: row.draining === 1,
      revoked: row.revoked === 1,
      lastSeenAt: row.last_seen_at,
      leases: new Set(),
    });
    if (row.last_seen_at !== null) this.#seenWrittenAt.set(row.id, row.last_seen_at);
  }

  /**
   * Writes changes in one transaction; `state` is as before them. Answers the number that each
   * change gave its job, in the same order.
   */
  apply(state: QueueState, changes: readonly Change[]): readonly number[] {
    const changed = this.#changed;
    const numbers: number[] = [];
    try {
      this.#storage.transactionSync(() => {
        const places = new Map<string, number>();
        for (const change of changes) {
          this.#write(state, change, places);
          numbers.push(this.#changed);
        }
      });
      return numbers;
    } catch (error) {
      this.#changed = changed;
      this.#placesTo = this.#meta('next_place');
      throw error;
    }
  }

  #write(state: QueueState, change: Change, places: Map<string, number>): void {
    const placeOf = (jobId: string): number => {
      const place = places.get(jobId) ?? state.jobs.get(jobId)?.place;
      assert(place !== undefined, 'a change names a live job');
      return place;
    };
    switch (change.kind) {
      case 'job_enqueued':
        places.set(change.order.id, change.place);
        return this.#insertJob(change);
      case 'job_granted':
        return this.#writeGrant(placeOf, change);
      case 'lease_renewed':
        return this.#writeRenewal(state, placeOf(change.jobId), change);
      case 'job_requeued':
        return this.#update(
          placeOf(change.jobId),
          `status = ?, agent_id = NULL, session_id = NULL, lease_until = NULL, started_at = NULL,
           attempt = ?`,
          ['queued', change.attempt],
        );
      case 'cancel_requested':
        return this.#update(placeOf(change.jobId), 'cancel_requested_at = ?', [change.at]);
      case 'job_ended':
        return this.#update(
          placeOf(change.jobId),
          'status = ?, finished_at = ?, outcome_json = ?',
          [change.outcome.status, change.at, JSON.stringify(change.outcome)],
        );
      case 'job_forgotten':
        this.#watched.delete(change.jobId);
        this.#leaseUntil.delete(change.jobId);
        this.#sql.exec('DELETE FROM job WHERE place = ?', placeOf(change.jobId));
        return;
      default:
        return this.#writeAgent(change);
    }
  }

  #writeGrant(
    placeOf: (jobId: string) => number,
    change: Extract<Change, { kind: 'job_granted' }>,
  ): void {
    const { jobId, lease, fencingToken, attempt, at, bypassedJobId } = change;
    this.#leaseUntil.set(jobId, lease.expiresAt);
    this.#update(
      placeOf(jobId),
      `status = ?, agent_id = ?, session_id = ?, lease_until = ?, fencing_token = ?, attempt = ?,
       started_at = ?`,
      ['running', lease.agentId, lease.sessionId, lease.expiresAt, fencingToken, attempt, at],
    );
    if (bypassedJobId === null) return;
    this.#sql.exec(
      'UPDATE job SET bypassed = bypassed + 1 WHERE place = ?',
      placeOf(bypassedJobId),
    );
  }

  #writeRenewal(
    state: QueueState,
    place: number,
    change: Extract<Change, { kind: 'lease_renewed' }>,
  ): void {
    const { agentId, sessionId, expiresAt } = change.lease;
    const isTakeover = state.jobs.get(change.jobId)?.lease?.sessionId !== sessionId;
    const extendedMs = expiresAt - (this.#leaseUntil.get(change.jobId) ?? 0);
    if (!isTakeover && extendedMs < LEASE_WRITE_MS) return;
    this.#leaseUntil.set(change.jobId, expiresAt);
    this.#sql.exec(
      'UPDATE job SET agent_id = ?, session_id = ?, lease_until = ? WHERE place = ?',
      agentId,
      sessionId,
      expiresAt,
      place,
    );
  }

  #writeAgent(change: Extract<Change, { agentId: string }>): void {
    switch (change.kind) {
      case 'agent_issued':
        this.#sql.exec(
          `INSERT INTO agent (id, name, secret_hash, created_at, draining, revoked)
           VALUES (?, ?, ?, ?, 0, 0)`,
          change.agentId,
          change.name,
          change.secretHash,
          change.at,
        );
        return;
      case 'agent_revoked':
        this.#sql.exec('UPDATE agent SET revoked = 1 WHERE id = ?', change.agentId);
        return;
      case 'agent_drained':
        this.#sql.exec('UPDATE agent SET draining = 1 WHERE id = ?', change.agentId);
        return;
      case 'agent_registered':
        this.#seenWrittenAt.set(change.agentId, change.at);
        this.#sql.exec(
          `UPDATE agent SET session_id = ?, capabilities_json = ?, draining = 0, last_seen_at = ?
           WHERE id = ?`,
          change.sessionId,
          JSON.stringify(change.capabilities),
          change.at,
          change.agentId,
        );
        return;
      case 'agent_seen': {
        const writtenAt = this.#seenWrittenAt.get(change.agentId) ?? 0;
        if (change.at - writtenAt < AGENT_SEEN_WRITE_MS) return;
        this.#seenWrittenAt.set(change.agentId, change.at);
        this.#sql.exec('UPDATE agent SET last_seen_at = ? WHERE id = ?', change.at, change.agentId);
      }
    }
  }

  /** A place is never given twice, also after a restart: they are set aside by the block. */
  #reservePlace(place: number): void {
    if (place < this.#placesTo) return;
    this.#placesTo = place + PLACE_BLOCK;
    this.#setMeta('next_place', this.#placesTo);
  }

  #insertJob(change: Extract<Change, { kind: 'job_enqueued' }>): void {
    const { order, place, at } = change;
    this.#reservePlace(place);
    this.#changed += 1;
    this.#sql.exec(
      `INSERT INTO job (place, id, account_id, tier, model, deadline_at, status, sequence, changed,
        attempt, fencing_token, bypassed, queued_at, watched, order_json)
       VALUES (?, ?, ?, ?, ?, ?, 'queued', 2, ?, 0, 0, 0, ?, 0, ?)`,
      place,
      order.id,
      order.accountId,
      order.tier,
      order.spec.model,
      order.deadlineAt,
      this.#changed,
      at,
      JSON.stringify(order),
    );
  }

  #update(place: number, assignments: string, values: readonly SqlStorageValue[]): void {
    this.#changed += 1;
    this.#sql.exec(
      `UPDATE job SET ${assignments}, sequence = sequence + 1, changed = ? WHERE place = ?`,
      ...values,
      this.#changed,
      place,
    );
  }

  /** What was ordered; the job must be live. */
  order(entry: LiveEntry): JobOrder {
    const row = this.#sql
      .exec<{ order_json: string }>('SELECT order_json FROM job WHERE place = ?', entry.place)
      .one();
    return JSON.parse(row.order_json) as JobOrder;
  }

  /** The whole record of a live job. */
  record(entry: LiveEntry): { record: JobRecord; bytes: number } {
    const row = this.#sql.exec<BodyRow>('SELECT * FROM job WHERE place = ?', entry.place).one();
    const order = JSON.parse(row.order_json) as JobOrder;
    const outcome = row.outcome_json ? (JSON.parse(row.outcome_json) as Outcome) : null;
    const bytes = row.order_json.length + (row.outcome_json?.length ?? 0);
    const record = {
      ...order,
      status: row.status,
      sequence: row.sequence,
      attempt: row.attempt,
      agentId: row.agent_id,
      queuedAt: row.queued_at,
      startedAt: row.started_at,
      finishedAt: row.finished_at,
      cancelRequestedAt: row.cancel_requested_at,
      settledMillitokens: outcome?.settledMillitokens ?? null,
      artifacts: outcome?.artifacts ?? [],
      usage: outcome?.usage ?? {},
      timings: outcome?.timings ?? null,
      error: outcome?.error ?? null,
    };
    return { record, bytes };
  }

  /** What an ended job cost; 0 for one that has not ended. */
  settledMillitokens(entry: LiveEntry): number {
    const row = this.#sql
      .exec<{ outcome_json: string | null }>(
        'SELECT outcome_json FROM job WHERE place = ?',
        entry.place,
      )
      .one();
    if (row.outcome_json === null) return 0;
    return (JSON.parse(row.outcome_json) as Outcome).settledMillitokens;
  }

  /** From now on the job's Feed is told of its changes. */
  watch(entry: LiveEntry): void {
    if (this.#watched.has(entry.id)) return;
    this.#watched.add(entry.id);
    this.#sql.exec('UPDATE job SET watched = 1 WHERE place = ?', entry.place);
  }

  /**
   * Postgres has every change up to this number. Written now and then: what is told twice
   * after a restart does no harm, and a row per delivery would cost more.
   */
  setPostgresCursor(changed: number): void {
    if (changed - this.#cursor < RECORD_BATCH_MAX) return;
    this.#cursor = changed;
    this.#setMeta('postgres_cursor', changed);
  }

  #meta(key: string): number {
    const rows = this.#sql.exec<{ value: number }>('SELECT value FROM meta WHERE key = ?', key);
    return rows.toArray()[0]?.value ?? 0;
  }

  #setMeta(key: string, value: number): void {
    this.#sql.exec('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)', key, value);
  }
}
