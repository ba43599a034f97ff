/**
 * A pool's state, its store and its outbox kept in step: every command is decided, written in
 * one transaction, evolved and noted for delivery, with nothing awaited between. What a caller
 * sees of the state goes through here too, so that no one else touches it.
 */
import type {
  AcquireAnswer,
  AcquireBody,
  CompleteBody,
  EndAnswer,
  FailBody,
  LeaseRef,
  LeasedJob,
  ReturnBody,
} from '#schema/agent-protocol.ts';
import type { Progress } from '#schema/api.ts';
import { assert } from '#schema/assert.ts';
import { isTerminal } from '#schema/job.ts';
import { JOB_RUN_MS_MAX, OFFER_MS_MAX, QUEUE_BYTES_MAX } from '#schema/limits.ts';
import type { JobOrder, JobRecord, JobWaiting, LiveJob } from '#schema/record.ts';
import { heldBy, mayExtend } from '../core/lease.ts';
import { bestAsker } from '../core/dispatch.ts';
import { decide } from '../core/queue.ts';
import type { Caller, Command, QueueError } from '../core/queue.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import { evolve } from '../core/evolve.ts';
import { waitingTotal } from '../core/state.ts';
import type { Change, LiveEntry, QueueState } from '../core/state.ts';
import { describeWait, placeOf, refuse } from '../core/wait.ts';
import type { EnqueueRefusal } from '../core/wait.ts';
import type { EnqueueOptions, Renewal } from '../rpc/scheduler.ts';
import { logError, logInfo } from '../io/log.ts';
import type { EndedJob } from './deliver.ts';
import type { Outbox } from './outbox.ts';
import type { SchedulerStore, Undelivered } from './store.ts';

/** How an attempt ended, by the agent's word. */
export type AttemptVerdict =
  | Pick<Extract<Command, { kind: 'complete' }>, 'kind' | 'artifacts'>
  | Pick<Extract<Command, { kind: 'fail' }>, 'kind' | 'code' | 'retryable'>
  | { readonly kind: 'return' };

/** Until a pool whose disk is full should have room. */
const DISK_RETRY_MS = 60_000;

type Granted = Extract<Change, { kind: 'job_granted' }>;

/** What an agent that asks for a job says of itself. */
type Ask = Pick<AcquireBody, 'resident' | 'holding' | 'busyMs'>;

/** State, store and outbox of one pool; see above. */
export class Pool {
  readonly state: QueueState;
  readonly undelivered: readonly Undelivered[];
  readonly #store: SchedulerStore;
  readonly #abort: (reason: string) => void;
  readonly #progress = new Map<string, Progress>();
  #outbox: Outbox | null = null;

  /** `abort` restarts the object, whatever it is doing. */
  constructor(store: SchedulerStore, abort: (reason: string) => void, now: number) {
    this.#store = store;
    this.#abort = abort;
    const { state, undelivered } = store.load(now);
    this.state = state;
    this.undelivered = undelivered;
  }

  /** Changes are noted here from now on, and first what was still due. */
  attach(outbox: Outbox): void {
    this.#outbox = outbox;
    for (const { receiver, jobId, changed } of this.undelivered) {
      outbox.add(receiver, jobId, changed);
    }
  }

  /**
   * Takes a job, once however often it is offered; or says why not. Throws for an offer that
   * comes too late: its Account may have given the job up, and looks before it offers again.
   */
  enqueue(order: JobOrder, options: EnqueueOptions, now: number): EnqueueRefusal | null {
    if (this.#store.shelf.find(order.id)) return null;
    if (!options.accepted && !this.state.jobs.has(order.id)) {
      if (this.#store.fences.isPast(order.accountId, options.epoch)) {
        throw new Error('the offer is of an earlier life of its account');
      }
      if (now - order.createdAt > OFFER_MS_MAX) throw new Error('the offer came too late');
      const refusal = this.refuse(order, now);
      if (refusal) return refusal;
    }
    this.run({ kind: 'enqueue', order, cancelled: options.cancelled }, now);
    return null;
  }

  /** Why the pool takes no such job now, or null. */
  refuse(order: JobOrder, now: number): EnqueueRefusal | null {
    if (this.#store.orderBytes >= QUEUE_BYTES_MAX) {
      const retryAfterMs = DISK_RETRY_MS;
      return { reason: 'queue_full', scope: 'total', limit: QUEUE_BYTES_MAX, retryAfterMs };
    }
    return refuse(this.state, now, placeOf(this.state, order, now));
  }

  /** When a job would start that is not in the queue yet. */
  foresee(order: JobOrder, now: number): JobWaiting {
    return describeWait(this.state, now, placeOf(this.state, order, now));
  }

  run(command: Command, now: number): Result<readonly Change[], QueueError> {
    const decision = decide(this.state, now, command);
    if (decision.ok) this.commit(decision.value);
    return decision;
  }

  commit(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    const numbers = this.#store.apply(this.state, changes);
    try {
      for (const [index, change] of changes.entries()) {
        evolve(this.state, change);
        this.#note(change, numbers[index]!);
      }
    } catch (error) {
      // Disk and memory differ now: only a fresh load makes them one again.
      this.#abort('the state could not follow its store');
      throw error;
    }
    const granted = changes.find((change) => change.kind === 'job_granted');
    if (granted) this.#saveMemory(granted.at);
  }

  /** No job depends on what was learned: that it cannot be written stops nothing. */
  #saveMemory(now: number): void {
    try {
      this.#store.saveMemory(this.state, now);
    } catch (error) {
      logError('memory.fail', error, {});
    }
  }

  /** Drops ended jobs that everyone knows of, in one transaction. */
  forget(jobIds: readonly string[]): void {
    const changes = jobIds.filter((id) => this.#hasEnded(id)).map(toForgotten);
    this.commit(changes);
  }

  /** Drops ended jobs from memory alone; their rows go to the shelf. */
  shelve(jobIds: readonly string[]): void {
    const ended = jobIds.filter((id) => this.#hasEnded(id));
    this.#store.shelve(ended.map((id) => this.state.jobs.get(id)!));
    for (const id of ended) evolve(this.state, toForgotten(id));
  }

  /** Ended jobs that are still in memory. */
  endedCount(): number {
    return this.state.jobs.size - this.state.running.size - waitingTotal(this.state);
  }

  #hasEnded(jobId: string): boolean {
    const entry = this.state.jobs.get(jobId);
    return entry !== undefined && isTerminal(entry.status);
  }

  /** Puts a job's change on the outbox. */
  #note(change: Change, changed: number): void {
    const jobId = changedJob(change);
    if (jobId === null) return;
    assert(this.#outbox, 'the outbox is attached before the first change');
    this.#outbox.add('postgres', jobId, changed);
    const isEnd = change.kind === 'job_ended';
    for (const receiver of this.#store.audience.receivers(jobId, isEnd)) {
      this.#outbox.add(receiver, jobId, changed);
    }
    if (change.kind !== 'cancel_requested') this.#progress.delete(jobId);
    if (!isEnd) return;
    this.#outbox.add('account', jobId, changed);
    this.#logEnd(change);
  }

  /** The one line of a job; its submit is in the audit, with the same request id. */
  #logEnd({ jobId, outcome }: Extract<Change, { kind: 'job_ended' }>): void {
    const { record } = this.#store.record(this.state.jobs.get(jobId)!);
    logInfo('job.end', {
      job_id: jobId,
      request_id: record.requestId,
      account_id: record.accountId,
      model: record.spec.model,
      agent_id: record.agentId,
      attempt: record.attempt,
      status: outcome.status,
      code: outcome.error?.code,
      millitokens: outcome.settledMillitokens,
    });
  }

  /** Runs an acquire and answers it as far as that goes without waiting. */
  acquire(caller: Caller, ask: Ask, now: number): Result<AcquireAnswer, QueueError> {
    const result = this.run({ kind: 'acquire', caller, ...asked(ask) }, now);
    if (!result.ok) return result;
    const { draining } = this.state.agents.get(caller.agentId)!;
    return ok({ ...this.#offer(grantsIn(result.value), now), drain: draining });
  }

  /** Ends an attempt and, where asked, gives the next job in the same answer. */
  endAttempt(
    caller: Caller,
    end: { body: CompleteBody | FailBody | ReturnBody; how: AttemptVerdict; now: number },
  ): Result<EndAnswer, QueueError> {
    const { body, how, now } = end;
    const { lease, usage, timings } = body;
    const entry = this.state.jobs.get(lease.jobId);
    if (!entry) return fail({ reason: 'lease_lost', lease });
    const attempt = { caller, lease, usage, timings, order: this.#store.order(entry) };
    const result = this.run({ ...how, ...attempt }, now);
    if (!result.ok) return result;
    const status = entry.status as EndAnswer['status'];
    const next = body.next && this.acquire(caller, body.next, now);
    return ok({ status, next: next?.ok ? next.value : null });
  }

  /** Which of these parked agents is to be given the next job, or null. */
  nextToServe(polls: Iterable<readonly [agentId: string, ask: Ask]>, now: number): string | null {
    const askers = [];
    for (const [agentId, { resident }] of polls) {
      const agent = this.state.agents.get(agentId);
      if (agent && !agent.draining) askers.push({ agent, resident });
    }
    return bestAsker(this.state, askers, now)?.agent.id ?? null;
  }

  /** The answer to a parked poll, or null. It is no sign of life: only its grants count. */
  acquireParked(caller: Caller, ask: Ask, now: number): AcquireAnswer | null {
    const decision = decide(this.state, now, { kind: 'acquire', caller, ...asked(ask) });
    const granted = decision.ok ? grantsIn(decision.value) : [];
    if (granted.length === 0) return null;
    this.commit(granted);
    return { ...this.#offer(granted, now), drain: false };
  }

  #offer(granted: readonly Granted[], now: number): Pick<AcquireAnswer, 'job' | 'batch'> {
    const [job, ...batch] = granted.map((grant) => this.#leasedJob(grant, now));
    return { job: job ?? null, batch };
  }

  #leasedJob(granted: Granted, now: number): LeasedJob {
    const { jobId, fencingToken, attempt, lease } = granted;
    return {
      jobId,
      spec: this.#store.order(this.state.jobs.get(jobId)!).spec,
      fencingToken,
      attempt,
      leaseMs: lease.expiresAt - now,
      expiresAt: lease.expiresAt,
      runMsMax: JOB_RUN_MS_MAX,
      // The Worker adds them: it has the signing key and sees the files.
      uploadTicket: '',
      inputs: [],
    };
  }

  /** Whether the job is in the index or on the shelf. */
  has(jobId: string): boolean {
    return this.state.jobs.has(jobId) || this.#store.shelf.find(jobId) !== null;
  }

  /** The account's job (null: anyone's) as it stands, from the index or the shelf, or null. */
  find(jobId: string, accountId: string | null, now: number): LiveJob | null {
    const entry = this.state.jobs.get(jobId);
    if (entry && (accountId ?? entry.accountId) === entry.accountId) return this.view(entry, now);
    const record = this.#store.shelf.find(jobId);
    if (!record || (accountId ?? record.accountId) !== record.accountId) return null;
    return { record, progress: null, waiting: null };
  }

  /** The account's job, or null when it is not live or not the account's. */
  owned(jobId: string, accountId: string): LiveEntry | null {
    const entry = this.state.jobs.get(jobId);
    return entry?.accountId === accountId ? entry : null;
  }

  /** The whole record of a job, or null when it is no longer live. */
  record(jobId: string): { record: JobRecord; bytes: number } | null {
    const entry = this.state.jobs.get(jobId);
    return entry ? this.#store.record(entry) : null;
  }

  /** What the Account of an ended job is told, or null when the job is no longer live. */
  settlement(jobId: string): EndedJob | null {
    const entry = this.state.jobs.get(jobId);
    if (!entry) return null;
    const { accountId, sequence } = entry;
    return {
      jobId,
      accountId,
      sequence,
      settledMillitokens: this.#store.settledMillitokens(entry),
    };
  }

  view(entry: LiveEntry, now: number): LiveJob {
    const waiting = entry.status === 'queued' ? describeWait(this.state, now, entry) : null;
    const progress = this.#progress.get(entry.id) ?? null;
    return { record: this.#store.record(entry).record, progress, waiting };
  }

  setProgress(jobId: string, progress: Progress): void {
    this.#progress.set(jobId, progress);
  }

  /** Of these held leases, those that a heartbeat at `now` extends; see `mayExtend`. */
  extended(held: readonly LeaseRef[], now: number): LeaseRef[] {
    return held.filter(({ jobId }) => mayExtend(this.state.jobs.get(jobId)!, now));
  }

  /** Who follows the progress of these jobs. */
  audienceOf(held: readonly LeaseRef[]): Pick<Renewal, 'watched' | 'chats'> {
    const { audience } = this.#store;
    const ids = held.map(({ jobId }) => jobId);
    const chats = ids.filter((jobId) => audience.isInChat(jobId));
    return {
      watched: ids.filter((jobId) => audience.isWatched(jobId)),
      chats: chats.flatMap((jobId) =>
        this.#store
          .order(this.state.jobs.get(jobId)!)
          .notices.filter(({ kind }) => kind === 'chat')
          .map(({ courier }) => ({ jobId, courier })),
      ),
    };
  }

  /** How each lease that an agent names really stands. */
  sort(
    caller: Caller,
    refs: readonly LeaseRef[],
  ): { held: LeaseRef[]; lost: LeaseRef[]; cancel: LeaseRef[] } {
    const sorted = { held: [] as LeaseRef[], lost: [] as LeaseRef[], cancel: [] as LeaseRef[] };
    for (const { jobId, fencingToken } of refs) {
      const ref = { jobId, fencingToken };
      const entry = heldBy(this.state, caller, ref);
      (entry ? sorted.held : sorted.lost).push(ref);
      if (entry && entry.cancelRequestedAt !== null) sorted.cancel.push(ref);
    }
    return sorted;
  }
}

function toForgotten(jobId: string): Change {
  return { kind: 'job_forgotten', jobId };
}

function grantsIn(changes: readonly Change[]): Granted[] {
  return changes.filter((change) => change.kind === 'job_granted');
}

function asked({ resident, holding, busyMs }: Ask): Ask {
  return { resident, holding, busyMs };
}

/** The job whose record a change alters, or null. */
function changedJob(change: Change): string | null {
  switch (change.kind) {
    case 'job_enqueued':
      return change.order.id;
    case 'job_granted':
    case 'job_requeued':
    case 'cancel_requested':
    case 'job_ended':
      return change.jobId;
    case 'lease_renewed':
    case 'job_forgotten':
    case 'agent_issued':
    case 'agent_revoked':
    case 'agent_drained':
    case 'agent_registered':
    case 'agent_seen':
      return null;
  }
}
