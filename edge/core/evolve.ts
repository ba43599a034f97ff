/**
 * How a change alters the state: `evolve`, and nothing else does. The same changes feed SQLite
 * and the simulator, so replaying all of them gives the state. Asserts what a change must find.
 */
import type { Capabilities } from '#schema/agent-protocol.ts';
import { assert } from '#schema/assert.ts';
import { isTerminal } from '#schema/job.ts';
import { batchKeyOf } from './batch.ts';
import { FAIR_SHARE } from './fair.ts';
import { countDemand, learn } from './figures.ts';
import { learnWait } from './forecast.ts';
import { Line } from './line.ts';
import { escapeBudget } from './online.ts';
import type { AccountEntry, AgentEntry, Change, LiveEntry, Outcome, QueueState } from './state.ts';

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
      entry.expectedEndAt = null;
      entry.attempt = change.attempt;
      entry.failedBy = change.failedBy ?? entry.failedBy;
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
  const { order, place, tag, spanMs, foreseenMs, at } = change;
  assert(!state.jobs.has(order.id), 'a job is enqueued once');
  assert(place >= state.nextPlace, 'places rise');
  const entry: LiveEntry = {
    id: order.id,
    accountId: order.accountId,
    tier: order.tier,
    model: order.spec.model,
    batchKey: batchKeyOf(order.spec),
    millitokens: order.heldMillitokens,
    place,
    tag,
    spanMs,
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
    expectedEndAt: null,
    skipped: 0,
    foreseenMs,
    failedBy: null,
  };
  countDemand(state.figures, entry.model, at);
  insertEntry(state, entry);
}

/** Puts an entry and all that is derived from it into the state; also used to load a stored one. */
export function insertEntry(state: QueueState, entry: LiveEntry): void {
  state.jobs.set(entry.id, entry);
  state.nextPlace = Math.max(state.nextPlace, entry.place + 1);
  if (isTerminal(entry.status)) return;
  const account = state.accounts.get(entry.accountId);
  state.accounts.set(entry.accountId, {
    open: (account?.open ?? 0) + 1,
    finishTag: Math.max(account?.finishTag ?? 0, entry.tag + entry.spanMs),
  });
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
  entry.expectedEndAt = change.expectedEndAt;
  // A job that was handed back says nothing of the queue.
  if (change.fencingToken === 1 && entry.foreseenMs !== null) {
    learnWait(state.errors, entry.foreseenMs, change.expectedStartAt - entry.queuedAt);
  }
  agent(state, change.lease.agentId).leases.add(entry.id);
  takeTurn(state, entry, change);
}

/** Who is owed what after this grant. */
function takeTurn(
  state: QueueState,
  entry: LiveEntry,
  change: Extract<Change, { kind: 'job_granted' }>,
): void {
  if (!change.turn) return;
  const { bypassed, skipped, escapeMs, headTag } = change.turn;
  const { tier } = entry;
  const { ledger } = agent(state, change.lease.agentId);
  if (bypassed) {
    const debt = ledger[tier]?.jobId === bypassed.jobId ? ledger[tier].ms : 0;
    ledger[tier] = { jobId: bypassed.jobId, ms: debt + bypassed.ms };
  } else if (escapeMs === 0) ledger[tier] = null;
  for (const jobId of skipped) live(state, jobId).skipped += 1;
  entry.skipped = 0;
  const served = Math.round(state.virtualTime[tier] + entry.spanMs * FAIR_SHARE);
  state.virtualTime[tier] = Math.max(served, Math.min(headTag, entry.tag));
  const budget = escapeBudget(state, change.at);
  state.escape = { ms: budget - escapeMs, at: change.at };
}

function end(state: QueueState, change: Extract<Change, { kind: 'job_ended' }>): void {
  const entry = live(state, change.jobId);
  assert(!isTerminal(entry.status), 'a terminal state is final');
  if (entry.status === 'queued') removeWaiting(state, entry);
  else {
    learnFrom(state, entry, change.outcome);
    dropLease(state, entry);
  }
  entry.status = change.outcome.status;
  entry.sequence += 1;
  const account = state.accounts.get(entry.accountId);
  assert(account, 'an open job is counted');
  const open = account.open - 1;
  if (open === 0) state.accounts.delete(entry.accountId);
  else state.accounts.set(entry.accountId, { open, finishTag: tagAfter(account, entry) });
}

/** The account's next tag: what its last job would have taken is given back if it never ran. */
function tagAfter({ finishTag }: AccountEntry, { startedAt, tag, spanMs }: LiveEntry): number {
  return startedAt === null && finishTag === tag + spanMs ? tag : finishTag;
}

function learnFrom(state: QueueState, entry: LiveEntry, { status, timings }: Outcome): void {
  if (status !== 'completed' || !timings || !entry.lease) return;
  const { model, millitokens } = entry;
  const { agentId } = entry.lease;
  learn(state.figures, { agentId, model, millitokens, ...timings });
}

function register(state: QueueState, change: Extract<Change, { kind: 'agent_registered' }>): void {
  const entry = agent(state, change.agentId);
  entry.sessionId = change.sessionId;
  entry.capabilities = change.capabilities;
  entry.models = modelsOf(change.capabilities);
  entry.batchMax = batchesOf(change.capabilities);
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
    batchMax: new Map(),
    resident: [],
    sessionId: null,
    draining: false,
    revoked: false,
    lastSeenAt: null,
    leases: new Set(),
    ledger: noDebts(),
  };
}

/** A ledger in which nobody is owed anything. */
export function noDebts(): AgentEntry['ledger'] {
  return { admin: null, pro: null, starter: null, free: null };
}

/** All models that an announcement names. */
export function modelsOf(capabilities: Capabilities): ReadonlySet<string> {
  return new Set(capabilities.engines.flatMap((engine) => engine.models));
}

/** How many jobs of each model run as one batch, where that is more than one. */
export function batchesOf(capabilities: Capabilities): ReadonlyMap<string, number> {
  const able = capabilities.engines.filter(({ batchMax }) => batchMax > 1);
  return new Map(able.flatMap(({ models, batchMax }) => models.map((model) => [model, batchMax])));
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
  const lines = state.waiting[entry.tier];
  let line = lines.get(entry.model);
  if (!line) {
    line = new Line(entry.model, entry.queuedAt);
    lines.set(entry.model, line);
  }
  // A hundred thousand jobs share the strings of a few models and keys.
  entry.model = line.model;
  line.add(entry);
  const keys = state.batchKeys[entry.tier];
  const known = keys.get(entry.batchKey) ?? { key: entry.batchKey, count: 0 };
  if (known.count === 0) keys.set(entry.batchKey, known);
  known.count += 1;
  entry.batchKey = known.key;
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
  const lines = state.waiting[entry.tier];
  const line = lines.get(entry.model);
  assert(line, 'a queued job waits in a line');
  line.remove(entry);
  if (line.size === 0) lines.delete(entry.model);
  const keys = state.batchKeys[entry.tier];
  const known = keys.get(entry.batchKey);
  assert(known, 'the key of a queued job is counted');
  known.count -= 1;
  if (known.count === 0) keys.delete(entry.batchKey);
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
