/**
 * The state of one pool: its live jobs, the queues over them, and its agents. `evolve` is the
 * only function that alters it, one `Change` at a time; the same changes feed SQLite and the
 * simulator, so replaying all of them gives the state.
 *
 * A job's way: enqueued -> granted -> ended, with requeued and cancel_requested between.
 * It keeps its place from the first enqueue to its end, so a job handed back goes to the front.
 * The state is an index: bodies and results stay with the store.
 */
import type { Capabilities } from '#schema/agent-protocol.ts';
import type { Artifact } from '#schema/artifact.ts';
import { assert } from '#schema/assert.ts';
import type { JobStatus } from '#schema/job.ts';
import { isTerminal } from '#schema/job.ts';
import { TIERS } from '#schema/plan.ts';
import type { Tier } from '#schema/plan.ts';
import type { JobFailure, JobOrder } from '#schema/record.ts';
import type { Timings, Usage } from '#schema/usage.ts';
import { SortedNumbers } from './sorted.ts';

/** The right of one agent session to run one attempt. */
export interface Lease {
  readonly agentId: string;
  readonly sessionId: string;
  readonly expiresAt: number;
}

/** A job in the index: what choosing, leasing and expiry need of it. Times are epoch ms. */
export interface LiveEntry {
  readonly id: string;
  readonly accountId: string;
  readonly tier: Tier;
  readonly model: string;
  /** Order in the queue; unique, given once. */
  readonly place: number;
  readonly deadlineAt: number | null;
  readonly queuedAt: number;
  status: Exclude<JobStatus, 'created'>;
  sequence: number;
  /** Counted executions, the running one included. */
  attempt: number;
  /** The newest grant's token; 0 before the first. */
  fencingToken: number;
  lease: Lease | null;
  startedAt: number | null;
  cancelRequestedAt: number | null;
  /** Times a younger job went first for the sake of a loaded model. */
  bypassed: number;
}

/** An agent as the pool knows it. */
export interface AgentEntry {
  readonly id: string;
  readonly name: string;
  readonly secretHash: string;
  readonly createdAt: number;
  capabilities: Capabilities | null;
  models: ReadonlySet<string>;
  resident: readonly string[];
  sessionId: string | null;
  draining: boolean;
  revoked: boolean;
  lastSeenAt: number | null;
  /** Jobs it holds a lease on. */
  readonly leases: Set<string>;
}

/** How an attempt or a job ended, with what the store keeps of it. */
export interface Outcome {
  readonly status: 'completed' | 'failed' | 'cancelled';
  readonly settledMillitokens: number;
  readonly artifacts: readonly Artifact[];
  readonly usage: Usage;
  readonly timings: Timings | null;
  readonly error: JobFailure | null;
}

/** One thing that happened; the only input of `evolve` and of the store. */
export type Change =
  | {
      readonly kind: 'job_enqueued';
      readonly order: JobOrder;
      readonly place: number;
      readonly at: number;
    }
  | {
      readonly kind: 'job_granted';
      readonly jobId: string;
      readonly lease: Lease;
      readonly fencingToken: number;
      readonly attempt: number;
      readonly at: number;
      /** The queue's head that this grant passed over, or null. */
      readonly bypassedJobId: string | null;
    }
  | { readonly kind: 'lease_renewed'; readonly jobId: string; readonly lease: Lease }
  | {
      readonly kind: 'job_requeued';
      readonly jobId: string;
      readonly attempt: number;
      readonly at: number;
    }
  | { readonly kind: 'cancel_requested'; readonly jobId: string; readonly at: number }
  | {
      readonly kind: 'job_ended';
      readonly jobId: string;
      readonly outcome: Outcome;
      readonly at: number;
    }
  | { readonly kind: 'job_forgotten'; readonly jobId: string }
  | {
      readonly kind: 'agent_issued';
      readonly agentId: string;
      readonly name: string;
      readonly secretHash: string;
      readonly at: number;
    }
  | { readonly kind: 'agent_revoked'; readonly agentId: string; readonly at: number }
  | { readonly kind: 'agent_drained'; readonly agentId: string }
  | {
      readonly kind: 'agent_registered';
      readonly agentId: string;
      readonly sessionId: string;
      readonly capabilities: Capabilities;
      readonly at: number;
    }
  | {
      readonly kind: 'agent_seen';
      readonly agentId: string;
      readonly resident: readonly string[] | null;
      readonly at: number;
    };

/** All of a pool that lives in memory. */
export interface QueueState {
  readonly jobs: Map<string, LiveEntry>;
  readonly idByPlace: Map<number, string>;
  /** Places of waiting jobs by tier and model. */
  readonly waiting: Readonly<Record<Tier, Map<string, SortedNumbers>>>;
  readonly waitingCount: Record<Tier, number>;
  /** Waiting and running jobs by account. */
  readonly openByAccount: Map<string, number>;
  readonly running: Set<string>;
  /** Waiting jobs with a deadline, by that time. */
  readonly deadlines: { readonly times: SortedNumbers; readonly jobsAt: Map<number, Set<string>> };
  readonly agents: Map<string, AgentEntry>;
  nextPlace: number;
}

/** A pool in which nothing has happened yet. */
export function emptyState(): QueueState {
  return {
    jobs: new Map(),
    idByPlace: new Map(),
    waiting: { admin: new Map(), pro: new Map(), starter: new Map(), free: new Map() },
    waitingCount: { admin: 0, pro: 0, starter: 0, free: 0 },
    openByAccount: new Map(),
    running: new Set(),
    deadlines: { times: new SortedNumbers(), jobsAt: new Map() },
    agents: new Map(),
    nextPlace: 1,
  };
}

/** The only function that alters a QueueState. */
export function evolve(state: QueueState, change: Change): void {
  switch (change.kind) {
    case 'job_enqueued':
      return enqueue(state, change);
    case 'job_granted':
      return grant(state, change);
    case 'lease_renewed': {
      const entry = live(state, change.jobId);
      assert(entry.status === 'running', 'only a running job has a lease to renew');
      entry.lease = change.lease;
      return;
    }
    case 'job_requeued': {
      const entry = live(state, change.jobId);
      assert(entry.status === 'running', 'only a running job is requeued');
      dropLease(state, entry);
      entry.status = 'queued';
      entry.startedAt = null;
      entry.attempt = change.attempt;
      entry.sequence += 1;
      return addWaiting(state, entry);
    }
    case 'cancel_requested': {
      const entry = live(state, change.jobId);
      entry.cancelRequestedAt = change.at;
      entry.sequence += 1;
      return;
    }
    case 'job_ended':
      return end(state, change);
    case 'job_forgotten': {
      const entry = live(state, change.jobId);
      assert(isTerminal(entry.status), 'only an ended job is forgotten');
      state.jobs.delete(entry.id);
      state.idByPlace.delete(entry.place);
      return;
    }
    case 'agent_issued':
      state.agents.set(change.agentId, newAgent(change));
      return;
    case 'agent_revoked':
      agent(state, change.agentId).revoked = true;
      return;
    case 'agent_drained':
      agent(state, change.agentId).draining = true;
      return;
    case 'agent_registered':
      return register(state, change);
    case 'agent_seen': {
      const entry = agent(state, change.agentId);
      entry.lastSeenAt = change.at;
      if (change.resident) entry.resident = change.resident;
    }
  }
}

function enqueue(state: QueueState, change: Extract<Change, { kind: 'job_enqueued' }>): void {
  const { order, place, at } = change;
  assert(!state.jobs.has(order.id), 'a job is enqueued once');
  assert(place >= state.nextPlace, 'places rise');
  const entry: LiveEntry = {
    id: order.id,
    accountId: order.accountId,
    tier: order.tier,
    model: order.spec.model,
    place,
    deadlineAt: order.deadlineAt,
    queuedAt: at,
    status: 'queued',
    // 1 is CREATED, in the Account.
    sequence: 2,
    attempt: 0,
    fencingToken: 0,
    lease: null,
    startedAt: null,
    cancelRequestedAt: null,
    bypassed: 0,
  };
  state.nextPlace = place + 1;
  insertEntry(state, entry);
}

/** Puts an entry and all that is derived from it into the state; also used to load a stored one. */
export function insertEntry(state: QueueState, entry: LiveEntry): void {
  state.jobs.set(entry.id, entry);
  state.idByPlace.set(entry.place, entry.id);
  state.nextPlace = Math.max(state.nextPlace, entry.place + 1);
  if (isTerminal(entry.status)) return;
  state.openByAccount.set(entry.accountId, (state.openByAccount.get(entry.accountId) ?? 0) + 1);
  if (entry.status === 'queued') return addWaiting(state, entry);
  state.running.add(entry.id);
  if (entry.lease) state.agents.get(entry.lease.agentId)?.leases.add(entry.id);
}

function grant(state: QueueState, change: Extract<Change, { kind: 'job_granted' }>): void {
  const entry = live(state, change.jobId);
  assert(change.fencingToken > entry.fencingToken, 'fencing tokens rise');
  assert(!isTerminal(entry.status), 'an ended job never runs again');
  if (entry.status === 'queued') removeWaiting(state, entry);
  else dropLease(state, entry);
  entry.status = 'running';
  entry.lease = change.lease;
  entry.fencingToken = change.fencingToken;
  entry.attempt = change.attempt;
  entry.startedAt = change.at;
  entry.sequence += 1;
  state.running.add(entry.id);
  agent(state, change.lease.agentId).leases.add(entry.id);
  if (change.bypassedJobId) live(state, change.bypassedJobId).bypassed += 1;
}

function end(state: QueueState, change: Extract<Change, { kind: 'job_ended' }>): void {
  const entry = live(state, change.jobId);
  assert(!isTerminal(entry.status), 'a terminal state is final');
  if (entry.status === 'queued') removeWaiting(state, entry);
  else dropLease(state, entry);
  entry.status = change.outcome.status;
  entry.sequence += 1;
  const open = (state.openByAccount.get(entry.accountId) ?? 0) - 1;
  assert(open >= 0, 'an open job is counted');
  if (open === 0) state.openByAccount.delete(entry.accountId);
  else state.openByAccount.set(entry.accountId, open);
}

function register(state: QueueState, change: Extract<Change, { kind: 'agent_registered' }>): void {
  const entry = agent(state, change.agentId);
  entry.sessionId = change.sessionId;
  entry.capabilities = change.capabilities;
  entry.models = modelsOf(change.capabilities);
  entry.resident = [];
  entry.draining = false;
  entry.lastSeenAt = change.at;
}

function newAgent(change: Extract<Change, { kind: 'agent_issued' }>): AgentEntry {
  return {
    id: change.agentId,
    name: change.name,
    secretHash: change.secretHash,
    createdAt: change.at,
    capabilities: null,
    models: new Set(),
    resident: [],
    sessionId: null,
    draining: false,
    revoked: false,
    lastSeenAt: null,
    leases: new Set(),
  };
}

/** All models that an announcement names. */
export function modelsOf(capabilities: Capabilities): ReadonlySet<string> {
  return new Set(capabilities.engines.flatMap((engine) => engine.models));
}

function live(state: QueueState, jobId: string): LiveEntry {
  const entry = state.jobs.get(jobId);
  assert(entry, 'a change names a live job');
  return entry;
}

function agent(state: QueueState, agentId: string): AgentEntry {
  const entry = state.agents.get(agentId);
  assert(entry, 'a change names a known agent');
  return entry;
}

function addWaiting(state: QueueState, entry: LiveEntry): void {
  const models = state.waiting[entry.tier];
  let places = models.get(entry.model);
  if (!places) {
    places = new SortedNumbers();
    models.set(entry.model, places);
  }
  places.add(entry.place);
  state.waitingCount[entry.tier] += 1;
  if (entry.deadlineAt === null) return;
  const due = state.deadlines.jobsAt.get(entry.deadlineAt);
  if (due) {
    due.add(entry.id);
    return;
  }
  state.deadlines.jobsAt.set(entry.deadlineAt, new Set([entry.id]));
  state.deadlines.times.add(entry.deadlineAt);
}

function removeWaiting(state: QueueState, entry: LiveEntry): void {
  const models = state.waiting[entry.tier];
  const places = models.get(entry.model);
  assert(places !== undefined, 'a queued job waits in a queue');
  assert(places.remove(entry.place), 'a queued job waits at its place');
  if (places.size === 0) models.delete(entry.model);
  state.waitingCount[entry.tier] -= 1;
  if (entry.deadlineAt === null) return;
  const due = state.deadlines.jobsAt.get(entry.deadlineAt);
  due?.delete(entry.id);
  if (due?.size === 0) {
    state.deadlines.jobsAt.delete(entry.deadlineAt);
    state.deadlines.times.remove(entry.deadlineAt);
  }
}

function dropLease(state: QueueState, entry: LiveEntry): void {
  assert(entry.lease, 'a running job has a lease');
  state.agents.get(entry.lease.agentId)?.leases.delete(entry.id);
  state.running.delete(entry.id);
  entry.lease = null;
}

/** Waiting jobs of all tiers. */
export function waitingTotal(state: QueueState): number {
  return TIERS.reduce((sum, tier) => sum + state.waitingCount[tier], 0);
}
