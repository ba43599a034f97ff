/**
 * The Scheduler's truth in SQLite. Applies changes one for one as `evolve` does, and loads the
 * state back. A job is one row from its enqueue until everyone knows its end; its rowid is its
 * place in the queue, so a change writes one row and no index.
 * `changed` orders all changes of jobs; Postgres is behind by those after `postgres_cursor`.
 * Short extensions of a lease stay in memory; see `leaseEnd`. Agents are agent.ts's.
 */
import { assert } from '#schema/assert.ts';
import { LEASE_WRITE_MS, MEMORY_WRITE_MS, RECORD_BATCH_MAX } from '#schema/limits.ts';
import type { JobOrder } from '#schema/record.ts';
import { batchKeyOf } from '../core/batch.ts';
import { insertEntry } from '../core/evolve.ts';
import { remember, toMemory } from '../core/memory.ts';
import type { Memory } from '../core/memory.ts';
import { emptyState } from '../core/state.ts';
import type { Change, LiveEntry, QueueState } from '../core/state.ts';
import { AgentRows } from './agent.ts';
import { Audience } from './audience.ts';
import { Bodies } from './body.ts';
import type { Recorded } from './body.ts';
import { Fences } from './fence.ts';
import type { Receiver } from './outbox.ts';
import { ENTRY_COLUMNS, TABLES, toEntry } from './row.ts';
import type { JobRow } from './row.ts';
import { Shelf } from './shelf.ts';

/** What deliveries were still due when the object was last alive. */
export interface Undelivered {
  readonly receiver: Receiver;
  readonly jobId: string;
  /** Number of the job's newest change. */
  readonly changed: number;
}

/** Changes that are written by one statement, or leave no harm when only the first was. */
const STATEMENTS_1: ReadonlySet<Change['kind']> = new Set([
  'job_enqueued',
  'job_granted',
  'job_ended',
  'job_requeued',
  'job_forgotten',
  'cancel_requested',
  'lease_renewed',
  'agent_seen',
] as const);
/** Places set aside by one write. */
const PLACE_BLOCK = 1000;

/** The tables of one pool; see above. */
export class SchedulerStore {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  /** Who is told of which job. */
  readonly audience = new Audience();
  readonly #agents: AgentRows;
  /** Ends of leases as they are on disk, by job id. */
  readonly #leaseUntil = new Map<string, number>();
  readonly #bodies: Bodies;
  /** Ended jobs that left the index; see there. */
  readonly shelf: Shelf;
  readonly fences: Fences;
  #orderBytes = 0;
  #changed = 0;
  #cursor = 0;
  #placesTo = 0;
  #memoryWrittenAt = 0;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#sql.exec(TABLES);
    this.#agents = new AgentRows(this.#sql);
    this.fences = new Fences(this.#sql);
    this.#bodies = new Bodies(this.#sql);
    this.shelf = new Shelf(this.#sql, this.#bodies, (place) => this.#deleteJob(place));
  }

  /** Bytes of the orders of all jobs on disk. */
  get orderBytes(): number {
    return this.#orderBytes;
  }

  /** Number of the newest change of a job. */
  get changed(): number {
    return this.#changed;
  }

  /** The state as of the last change. */
  load(now: number): { state: QueueState; undelivered: readonly Undelivered[] } {
    const state = emptyState();
    this.#agents.load(state);
    const cursor = this.#meta('postgres_cursor');
    this.#cursor = cursor;
    const undelivered: Undelivered[] = [];
    const { bytes } = this.#sql
      .exec<{ bytes: number }>('SELECT total(octet_length(order_json)) AS bytes FROM job')
      .one();
    this.#orderBytes = bytes;
    const rows = this.#sql.exec<JobRow>(
      `SELECT ${ENTRY_COLUMNS} FROM job WHERE place NOT IN (SELECT place FROM shelf)
       ORDER BY changed`,
    );
    for (const row of rows) {
      const entry = toEntry(row, now);
      insertEntry(state, entry);
      if (entry.lease) this.#loadLease(entry, row.lease_until!);
      this.#changed = Math.max(this.#changed, row.changed);
      this.audience.set(row.id, row.watched);
      const { id: jobId, changed } = row;
      if (changed > cursor) undelivered.push({ receiver: 'postgres', jobId, changed });
      if (row.finished_at !== null) undelivered.push({ receiver: 'account', jobId, changed });
      for (const receiver of this.audience.receivers(jobId, row.finished_at !== null)) {
        undelivered.push({ receiver, jobId, changed });
      }
    }
    this.#changed = Math.max(this.#changed, cursor);
    const memory = this.#sql.exec<{ json: string }>('SELECT json FROM memory').toArray()[0];
    if (memory) remember(state, JSON.parse(memory.json) as Memory);
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

  /**
   * Writes changes in one transaction; `state` is as before them. Answers the number that each
   * change gave its job, in the same order.
   */
  apply(state: QueueState, changes: readonly Change[]): readonly number[] {
    const changed = this.#changed;
    const numbers: number[] = [];
    const orderBytes = this.#orderBytes;
    const write = () => {
      const places = new Map<string, number>();
      for (const change of changes) {
        this.#write(state, change, places);
        numbers.push(this.#changed);
      }
    };
    try {
      // One statement is whole by itself.
      if (changes.length === 1 && STATEMENTS_1.has(changes[0]!.kind)) write();
      else this.#storage.transactionSync(write);
      return numbers;
    } catch (error) {
      this.#bodies.clear();
      this.#orderBytes = orderBytes;
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
           attempt = ?, failed_by = coalesce(?, failed_by)`,
          ['queued', change.attempt, change.failedBy],
        );
      case 'cancel_requested':
        return this.#update(placeOf(change.jobId), 'cancel_requested_at = ?', [change.at]);
      case 'job_ended':
        return this.#writeEnd(state, placeOf(change.jobId), change);
      case 'job_forgotten':
        this.audience.drop(change.jobId);
        this.#leaseUntil.delete(change.jobId);
        return this.#deleteJob(placeOf(change.jobId));
      default:
        return this.#agents.write(change);
    }
  }

  #writeGrant(
    placeOf: (jobId: string) => number,
    change: Extract<Change, { kind: 'job_granted' }>,
  ): void {
    const { jobId, lease, fencingToken, attempt, at, expectedEndAt } = change;
    this.#update(
      placeOf(jobId),
      `status = ?, agent_id = ?, session_id = ?, lease_until = ?, fencing_token = ?, attempt = ?,
       started_at = ?, expected_end_at = ?`,
      [
        'running',
        lease.agentId,
        lease.sessionId,
        lease.expiresAt,
        fencingToken,
        attempt,
        at,
        expectedEndAt,
      ],
    );
    this.#leaseUntil.set(jobId, lease.expiresAt);
  }

  #writeEnd(
    state: QueueState,
    place: number,
    change: Extract<Change, { kind: 'job_ended' }>,
  ): void {
    const { jobId, outcome, at } = change;
    const json = JSON.stringify(outcome);
    const agentId = state.jobs.get(jobId)?.lease?.agentId ?? null;
    this.#bodies.keepEnd(place, { outcome, at, agentId }, json.length);
    this.#update(place, 'status = ?, finished_at = ?, outcome_json = ?', [
      outcome.status,
      at,
      json,
    ]);
  }

  #deleteJob(place: number): void {
    this.#bodies.drop(place);
    const { bytes } = this.#sql
      .exec<{ bytes: number }>(
        'DELETE FROM job WHERE place = ? RETURNING octet_length(order_json) AS bytes',
        place,
      )
      .one();
    this.#orderBytes -= bytes;
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
    const json = JSON.stringify(order);
    this.#bodies.keepOrder(place, order, json.length);
    const mark = Audience.markOf(order);
    this.audience.set(order.id, mark);
    const inserted = this.#sql.exec<{ bytes: number }>(
      `INSERT INTO job (place, id, account_id, tier, model, batch_key, millitokens, tag,
        span_ms, foreseen_ms, deadline_at, status, sequence, changed, attempt, fencing_token, queued_at,
        watched, order_json)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', 2, ?, 0, 0, ?, ?, ?)
       RETURNING octet_length(order_json) AS bytes`,
      place,
      order.id,
      order.accountId,
      order.tier,
      order.spec.model,
      batchKeyOf(order.spec),
      order.heldMillitokens,
      change.tag,
      change.spanMs,
      change.foreseenMs,
      order.deadlineAt,
      this.#changed,
      at,
      mark,
      json,
    );
    this.#orderBytes += inserted.one().bytes;
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
    return this.#bodies.order(entry.place);
  }

  /** The whole record of a live job. */
  record(entry: LiveEntry): Recorded {
    return this.#bodies.record(entry);
  }

  /** What an ended job cost; 0 for one that has not ended. */
  settledMillitokens(entry: LiveEntry): number {
    return this.#bodies.settledMillitokens(entry.place);
  }

  /** Puts ended jobs on the shelf, in one transaction. */
  shelve(entries: readonly LiveEntry[]): void {
    this.#storage.transactionSync(() => {
      for (const entry of entries) {
        this.audience.drop(entry.id);
        this.#leaseUntil.delete(entry.id);
        this.shelf.put(entry);
      }
    });
  }

  /** From now on the job's Feed is told of its changes. */
  watch(entry: LiveEntry): void {
    const mark = this.audience.watch(entry.id);
    if (mark === null) return;
    this.#sql.exec('UPDATE job SET watched = ? WHERE place = ?', mark, entry.place);
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

  /** Writes what the pool has learned, at most every MEMORY_WRITE_MS. */
  saveMemory(state: QueueState, now: number): void {
    if (now - this.#memoryWrittenAt < MEMORY_WRITE_MS) return;
    this.#memoryWrittenAt = now;
    const json = JSON.stringify(toMemory(state));
    this.#sql.exec('INSERT OR REPLACE INTO memory (one, json) VALUES (1, ?)', json);
  }

  #meta(key: string): number {
    const rows = this.#sql.exec<{ value: number }>('SELECT value FROM meta WHERE key = ?', key);
    return rows.toArray()[0]?.value ?? 0;
  }

  #setMeta(key: string, value: number): void {
    this.#sql.exec('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)', key, value);
  }
}
