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
import { JOB_RUN_MS_MAX } from '#schema/limits.ts';
import type { JobRecord, LiveJob } from '#schema/record.ts';
import { heldBy, mayExtend } from '../core/lease.ts';
import { decide } from '../core/queue.ts';
import type { Caller, Command, QueueError } from '../core/queue.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import { evolve } from '../core/state.ts';
import type { Change, LiveEntry, QueueState } from '../core/state.ts';
import { describeWait } from '../core/wait.ts';
import { logInfo } from '../io/log.ts';
import type { EndedJob } from './deliver.ts';
import type { Outbox } from './outbox.ts';
import type { SchedulerStore, Undelivered } from './store.ts';

/** How an attempt ended, by the agent's word. */
export type AttemptVerdict =
  | Pick<Extract<Command, { kind: 'complete' }>, 'kind' | 'artifacts'>
  | Pick<Extract<Command, { kind: 'fail' }>, 'kind' | 'code' | 'retryable'>
  | { readonly kind: 'return' };

type Granted = Extract<Change, { kind: 'job_granted' }>;

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
  }

  /** Puts a job's change on the outbox. */
  #note(change: Change, changed: number): void {
    const jobId = changedJob(change);
    if (jobId === null) return;
    assert(this.#outbox, 'the outbox is attached before the first change');
    this.#outbox.add('postgres', jobId, changed);
    if (this.#store.isWatched(jobId)) this.#outbox.add('feed', jobId, changed);
    if (change.kind !== 'cancel_requested') this.#progress.delete(jobId);
    if (change.kind !== 'job_ended') return;
    this.#outbox.add('account', jobId, changed);
    logInfo('job.end', { jobId, status: change.outcome.status, code: change.outcome.error?.code });
  }

  /** Runs an acquire and answers it as far as that goes without waiting. */
  acquire(
    caller: Caller,
    ask: Pick<AcquireBody, 'resident' | 'holding'>,
    now: number,
  ): Result<AcquireAnswer, QueueError> {
    const { resident, holding } = ask;
    const result = this.run({ kind: 'acquire', caller, resident, holding }, now);
    if (!result.ok) return result;
    const granted = grantIn(result.value);
    const drain = this.state.agents.get(caller.agentId)!.draining;
    return ok({ job: granted ? this.#leasedJob(granted, now) : null, drain });
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

  /** The job for a parked poll, or null. A parked poll is no sign of life: only its grant counts. */
  acquireParked(
    caller: Caller,
    ask: Pick<AcquireBody, 'resident' | 'holding'>,
    now: number,
  ): LeasedJob | null {
    const { resident, holding } = ask;
    const decision = decide(this.state, now, { kind: 'acquire', caller, resident, holding });
    const granted = decision.ok && grantIn(decision.value);
    if (!granted) return null;
    this.commit([granted]);
    return this.#leasedJob(granted, now);
  }

  #leasedJob(granted: Granted, now: number): LeasedJob {
    const { jobId, fencingToken, attempt, lease } = granted;
    logInfo('job.grant', { jobId, fencingToken, attempt, agentId: lease.agentId });
    return {
      jobId,
      spec: this.#store.order(this.state.jobs.get(jobId)!).spec,
      fencingToken,
      attempt,
      leaseMs: lease.expiresAt - now,
      expiresAt: lease.expiresAt,
      runMsMax: JOB_RUN_MS_MAX,
      // The Worker adds it: it has the signing key.
      uploadTicket: '',
    };
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

function grantIn(changes: readonly Change[]): Granted | undefined {
  return changes.find((change) => change.kind === 'job_granted');
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
