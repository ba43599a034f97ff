/**
 * Remembers what was committed, promised and answered, apart from the code under test, and says
 * when the two part. Changes of a pool are judged as they are decided, and remembered once they
 * are durable: what a crash takes back did not happen.
 */
import { artifactKey } from '#schema/artifact.ts';
import { isTerminal } from '#schema/job.ts';
import { ATTEMPTS_MAX } from '#schema/limits.ts';
import type { JobOrder, JobRecord } from '#schema/record.ts';
import { violations } from '../../core/invariants.ts';
import type { Command, decide } from '../../core/queue.ts';
import type { Change, LiveEntry, QueueState } from '../../core/state.ts';
import type { Bucket } from '../doubles/bucket.ts';
import type { Instance } from '../platform/object.ts';
import type { World } from '../world.ts';
import { DispatchCheck } from './dispatch.ts';

/** A job as it is on disk. */
export interface JobTruth {
  readonly order: JobOrder;
  readonly place: number;
  /** The newest token of a grant. */
  token: number;
  end: { readonly status: string; readonly settledMillitokens: number } | null;
  isLive: boolean;
}

type Ended = Extract<Change, { kind: 'job_ended' }>;
type Granted = Extract<Change, { kind: 'job_granted' }>;

export class Oracle {
  readonly jobs = new Map<string, JobTruth>();
  /** Jobs whose user has our word. */
  readonly acknowledged = new Map<string, { readonly accountId: string }>();
  readonly refusedRequests = new Set<string>();
  readonly dispatch: DispatchCheck;
  open = 0;
  readonly #world: World;
  readonly #bucket: Bucket;
  readonly #byKey = new Map<string, { readonly jobId: string; readonly body: string }>();
  readonly #published = new Map<string, JobRecord>();

  constructor(world: World, bucket: Bucket, isCalm: boolean) {
    this.#world = world;
    this.#bucket = bucket;
    this.dispatch = new DispatchCheck(world, isCalm);
  }

  /** Judges what a pool decided on an agent's word about its attempt. */
  onDecided(state: QueueState, command: Command, decision: ReturnType<typeof decide>): void {
    if (command.kind === 'acquire' && command.busyMs === 0) {
      this.dispatch.onAsked(command.caller.agentId, this.#world.wallNow());
    }
    if (command.kind !== 'complete' && command.kind !== 'fail' && command.kind !== 'return') return;
    const { lease, caller } = command;
    const entry = state.jobs.get(lease.jobId);
    if (!entry || !decision.ok) return;
    const isCurrent = entry.fencingToken === lease.fencingToken;
    const detail = `${command.kind} of ${lease.jobId} by ${caller.agentId}`;
    this.#rule(isCurrent, 'a stale token changes nothing and is told so', detail);
    if (decision.value.length === 0) return;
    const holder = entry.lease;
    const isHeld = holder?.agentId === caller.agentId && holder.sessionId === caller.sessionId;
    this.#rule(isHeld, 'only the holder ends an attempt', detail);
  }

  /** Judges a change that is about to be applied; gives what is to be remembered of it. */
  before(instance: Instance, state: QueueState, change: Change): (() => void) | null {
    this.dispatch.before(state, change);
    switch (change.kind) {
      case 'job_enqueued':
        return () => this.#onEnqueued(change);
      case 'job_granted': {
        this.#judgeGrant(state, change);
        return () => this.#onGranted(change);
      }
      case 'job_requeued':
        this.#judgeRequeue(state, change.jobId);
        return null;
      case 'job_ended':
        this.#judgeEnd(state, change);
        return () => this.#onEnded(change);
      case 'job_forgotten':
        return () => {
          const truth = this.jobs.get(change.jobId);
          if (truth) truth.isLive = false;
        };
      case 'lease_renewed':
        this.#judgeRenewal(state, change);
        return null;
      default:
        return null;
    }
  }

  /** Judges the state that a change has made. */
  after(state: QueueState, change: Change): void {
    if (change.kind !== 'job_requeued') return;
    const entry = state.jobs.get(change.jobId);
    const place = this.jobs.get(change.jobId)?.place ?? entry?.place;
    this.#rule(entry?.place === place, 'a job handed back keeps its place', change.jobId);
  }

  /** Judges the whole state of a pool; called after each of its object's turns. */
  inspect(name: string, state: QueueState, isChanged: boolean): void {
    const broken = isChanged ? violations(state) : [];
    for (const one of broken) this.#world.violate('a pool is sound', one);
    for (const id of state.running) {
      const entry = state.jobs.get(id)!;
      const lateMs = this.#world.now - (entry.lease?.expiresAt ?? Infinity);
      this.#rule(lateMs < LAPSE_LATE_MS, 'a lease that lapsed ends its attempt', `${name} ${id}`);
    }
  }

  /** A user heard that a job is accepted. */
  acknowledge(job: { jobId: string; accountId: string; key: string | null; body: string }): void {
    const { jobId, accountId, key, body } = job;
    this.acknowledged.set(jobId, { accountId });
    if (key === null) return;
    const name = `${accountId} ${key}`;
    const known = this.#byKey.get(name);
    if (!known) this.#byKey.set(name, { jobId, body });
    this.#rule(!known || known.jobId === jobId, 'one idempotency key gives one job', name);
    this.#rule(!known || known.body === body, 'a key is not reused for another body', name);
  }

  /** A user heard what came of a cancel. */
  onCancelled(jobId: string, result: string): void {
    const status = this.jobs.get(jobId)?.end?.status;
    if (result === 'cancelled') {
      this.#rule(status === 'cancelled', 'a job said to be cancelled is', `${jobId} ${status}`);
    }
    if (result === 'already_finished') {
      this.#rule(status !== undefined, 'a job said to be finished is', jobId);
    }
  }

  /** A record that a reader may see. */
  onPublished(record: JobRecord): void {
    const known = this.#published.get(record.id);
    const isOver = known && isTerminal(known.status) && known.status !== record.status;
    this.#rule(!isOver, 'a job is shown to end once', record.id);
    if (!known || known.sequence < record.sequence) this.#published.set(record.id, record);
  }

  published(jobId: string): JobRecord | undefined {
    return this.#published.get(jobId);
  }

  #onEnqueued({ order, place }: Extract<Change, { kind: 'job_enqueued' }>): void {
    const known = this.jobs.get(order.id);
    this.#rule(!known?.end, 'a job that has ended never returns', order.id);
    this.#rule(!known?.isLive, 'a job is enqueued once', order.id);
    if (known) return;
    this.open += 1;
    this.jobs.set(order.id, { order, place, token: 0, end: null, isLive: true });
    this.#world.count('jobs');
    if (order.ahead) this.#world.count('jobs ahead of their account');
  }

  #onGranted({ jobId, fencingToken }: Granted): void {
    const truth = this.jobs.get(jobId);
    this.#rule(truth !== undefined, 'only an enqueued job is granted', jobId);
    if (!truth) return;
    this.#rule(fencingToken > truth.token, 'fencing tokens rise', `${jobId} ${fencingToken}`);
    this.#rule(truth.end === null, 'a job that has ended never runs again', jobId);
    truth.token = fencingToken;
    this.#world.count('grants');
  }

  #onEnded({ jobId, outcome }: Ended): void {
    const truth = this.jobs.get(jobId);
    if (!truth) return;
    this.#rule(truth.end === null, 'a terminal state is final', jobId);
    if (truth.end) return;
    const { status, settledMillitokens, error } = outcome;
    truth.end = { status, settledMillitokens };
    this.open -= 1;
    this.#world.count(`ended ${error ? `${status}: ${error.code}` : status}`);
  }

  #judgeGrant(state: QueueState, change: Granted): void {
    const { jobId, lease } = change;
    const entry = state.jobs.get(jobId);
    if (!entry) return;
    const same = entry.lease?.agentId === lease.agentId;
    this.#rule(!entry.lease || same, 'a job has one live lease', jobId);
    this.#rule(entry.cancelRequestedAt === null, 'a cancelled job never runs again', jobId);
    this.#rule(!isTerminal(entry.status), 'a job that has ended never runs again', jobId);
    const agent = state.agents.get(lease.agentId);
    const may = agent && !agent.revoked && agent.sessionId === lease.sessionId;
    this.#rule(may === true, 'a job is granted to a session in force', jobId);
    const isNew = entry.lease === null;
    const fits = agent?.models.has(entry.model) === true;
    this.#rule(!isNew || fits, 'an agent gets what it can run', jobId);
    this.#rule(!isNew || agent?.draining !== true, 'a draining agent gets no job', jobId);
  }

  #judgeRequeue(state: QueueState, jobId: string): void {
    const entry = state.jobs.get(jobId);
    this.#rule(entry?.cancelRequestedAt === null, 'a cancelled job never runs again', jobId);
  }

  #judgeRenewal(state: QueueState, change: Extract<Change, { kind: 'lease_renewed' }>): void {
    const entry = state.jobs.get(change.jobId);
    const { agentId, sessionId } = change.lease;
    this.#rule(entry?.lease?.agentId === agentId, 'a lease is renewed by its agent', change.jobId);
    const inForce = state.agents.get(agentId)?.sessionId === sessionId;
    this.#rule(inForce, 'a lease is renewed by a session in force', change.jobId);
  }

  #judgeEnd(state: QueueState, { jobId, outcome }: Ended): void {
    const entry = state.jobs.get(jobId);
    if (!entry) return;
    this.#rule(!isTerminal(entry.status), 'a terminal state is final', jobId);
    const held = this.jobs.get(jobId)?.order.heldMillitokens ?? Infinity;
    const { status, settledMillitokens: settled, artifacts, error } = outcome;
    this.#rule(settled >= 0 && settled <= held, 'a settlement is within its hold', jobId);
    this.#rule(status !== 'failed' || settled === 0, 'a failure costs nothing', jobId);
    if (error?.code === 'attempts_exhausted') {
      this.#rule(entry.attempt >= ATTEMPTS_MAX, 'a job has all its attempts', jobId);
    }
    if (status !== 'completed') {
      this.#rule(artifacts.length === 0, 'only a completed job has a result', jobId);
      return;
    }
    this.#judgeResult(entry, artifacts);
  }

  #judgeResult(entry: LiveEntry, artifacts: Ended['outcome']['artifacts']): void {
    const { id: jobId, fencingToken } = entry;
    this.#rule(entry.lease !== null, 'a result comes under a lease', jobId);
    this.#rule(entry.cancelRequestedAt === null, 'a cancelled job delivers no result', jobId);
    this.#rule(artifacts.length > 0, 'a completed job has a result', jobId);
    for (const { index, key, contentType, sha256 } of artifacts) {
      const own = artifactKey({ jobId, fencingToken, index, role: 'result', contentType });
      this.#rule(key === own, 'a result is of the attempt in force', `${key} for ${fencingToken}`);
      const stored = this.#bucket.objects.get(key);
      this.#rule(stored?.sha256 === sha256, 'a result that is named is stored', key);
    }
  }

  #rule(holds: boolean, rule: string, detail: string): void {
    if (!holds) this.#world.violate(rule, detail);
  }
}

/** Later than any alarm of a world rings. */
const LAPSE_LATE_MS = 150_000;
