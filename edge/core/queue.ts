/**
 * The pool's state machine: what each command changes. Pure: `decide` reads the state and the
 * given time and answers with changes; nothing happens until `evolve` applies them.
 * Time passing is a command too (`tick`), so that expiry has one code path. A command that was
 * already carried out changes nothing and is answered as before.
 */
import type { Capabilities, FailureCode, LeaseRef } from '#schema/agent-protocol.ts';
import type { Artifact } from '#schema/artifact.ts';
import { ERRORS } from '#schema/error.ts';
import { isTerminal } from '#schema/job.ts';
import { ATTEMPTS_MAX, LEASES_PER_AGENT_MAX, RETURNS_MAX } from '#schema/limits.ts';
import { settleMillitokens } from '#schema/price.ts';
import type { JobOrder } from '#schema/record.ts';
import type { Timings, Usage } from '#schema/usage.ts';
import { batchOf, choose } from './dispatch.ts';
import { fairTags } from './fair.ts';
import { lookAhead } from './forecast.ts';
import { willHold } from './holder.ts';
import { heldBy, lapsed, mayExtend, newLease, overdue } from './lease.ts';
import { fail, ok } from './result.ts';
import type { Result } from './result.ts';
import type { AgentEntry, Change, LiveEntry, QueueState } from './state.ts';
import { placeOf } from './wait.ts';

/** The agent session that a command speaks for. */
export interface Caller {
  readonly agentId: string;
  readonly sessionId: string;
}

interface AttemptEnd {
  readonly caller: Caller;
  readonly lease: LeaseRef;
  /** The job's order, from the store; prices the work done. */
  readonly order: JobOrder;
  readonly usage: Usage;
  readonly timings: Timings;
}

export type Command =
  /** `cancelled`: its user took it back before it came here. */
  | { readonly kind: 'enqueue'; readonly order: JobOrder; readonly cancelled: boolean }
  | { readonly kind: 'cancel'; readonly jobId: string }
  | { readonly kind: 'tick' }
  | { readonly kind: 'forget'; readonly jobId: string }
  | {
      readonly kind: 'register';
      readonly caller: Caller;
      readonly capabilities: Capabilities;
      readonly holding: readonly LeaseRef[];
    }
  | {
      readonly kind: 'acquire';
      readonly caller: Caller;
      readonly resident: readonly string[];
      /** Until its GPU should be free. */
      readonly busyMs: number;
      readonly holding: readonly LeaseRef[];
    }
  | {
      readonly kind: 'renew';
      readonly caller: Caller;
      readonly resident: readonly string[] | null;
      readonly leases: readonly LeaseRef[];
    }
  | ({ readonly kind: 'complete'; readonly artifacts: readonly Artifact[] } & AttemptEnd)
  | ({
      readonly kind: 'fail';
      readonly code: FailureCode;
      readonly retryable: boolean;
    } & AttemptEnd)
  | ({ readonly kind: 'return' } & AttemptEnd);

/** Why a command of an agent changes nothing. */
export type QueueError =
  | { readonly reason: 'not_registered' }
  | { readonly reason: 'lease_lost'; readonly lease: LeaseRef };

type Decision = Result<readonly Change[], QueueError>;

const NOTHING: readonly Change[] = [];

/** Decides what a command changes; reads `state`, never writes it. */
export function decide(state: QueueState, now: number, command: Command): Decision {
  switch (command.kind) {
    case 'enqueue':
      return ok(enqueue(state, now, command));
    case 'cancel':
      return ok(cancel(state, now, command.jobId));
    case 'tick':
      return ok(tick(state, now));
    case 'forget': {
      const entry = state.jobs.get(command.jobId);
      const ended = entry && isTerminal(entry.status);
      return ok(ended ? [{ kind: 'job_forgotten', jobId: entry.id }] : NOTHING);
    }
    case 'register':
      return ok(register(state, now, command));
    case 'acquire':
      return acquire(state, now, command);
    case 'renew':
      return renew(state, now, command);
    case 'complete':
    case 'fail':
    case 'return':
      return endAttempt(state, now, command);
  }
}

function enqueue(
  state: QueueState,
  now: number,
  command: Extract<Command, { kind: 'enqueue' }>,
): readonly Change[] {
  const { order } = command;
  if (state.jobs.has(order.id)) {
    return command.cancelled ? cancel(state, now, order.id) : NOTHING;
  }
  const tags = fairTags(state, order, now);
  const { foreseenMs } = lookAhead(state, now, placeOf(state, order, now));
  const enqueued: Change = {
    kind: 'job_enqueued',
    order,
    place: state.nextPlace,
    ...tags,
    foreseenMs,
    at: now,
  };
  return command.cancelled ? [enqueued, cancelled(order.id, now)] : [enqueued];
}

function cancel(state: QueueState, now: number, jobId: string): readonly Change[] {
  const entry = state.jobs.get(jobId);
  if (!entry || isTerminal(entry.status) || entry.cancelRequestedAt !== null) return NOTHING;
  const requested: Change = { kind: 'cancel_requested', jobId, at: now };
  return entry.status === 'running' ? [requested] : [requested, cancelled(jobId, now)];
}

function tick(state: QueueState, now: number): readonly Change[] {
  const changes = lapsed(state, now).map((entry) => giveUpAttempt(entry, now));
  for (const jobId of overdue(state, now)) changes.push(failed(jobId, 'deadline_exceeded', now));
  return changes;
}

/** An attempt whose agent is gone: again while attempts are left, never after a cancel. */
function giveUpAttempt(entry: LiveEntry, now: number): Change {
  if (entry.cancelRequestedAt !== null) return cancelled(entry.id, now);
  if (entry.attempt >= ATTEMPTS_MAX) return failed(entry.id, 'attempts_exhausted', now);
  return requeue(entry, { attempt: entry.attempt, failedBy: null }, now);
}

/**
 * A new session takes over the leases it still has work for; the others of its agent ended with
 * the process before it, and count as attempts: the job itself may have killed it.
 */
function register(
  state: QueueState,
  now: number,
  command: Extract<Command, { kind: 'register' }>,
): readonly Change[] {
  const { caller, holding } = command;
  const changes: Change[] = [
    {
      kind: 'agent_registered',
      agentId: caller.agentId,
      sessionId: caller.sessionId,
      capabilities: command.capabilities,
      at: now,
    },
  ];
  for (const jobId of state.agents.get(caller.agentId)!.leases) {
    const entry = state.jobs.get(jobId)!;
    // A repeat by the same session: what it did not hear of, its next acquire brings again.
    if (entry.lease?.sessionId === caller.sessionId) continue;
    const kept = holding.some((ref) => isFor(ref, entry));
    const lease = newLease(caller.agentId, caller.sessionId, now);
    changes.push(kept ? { kind: 'lease_renewed', jobId, lease } : giveUpAttempt(entry, now));
  }
  return changes;
}

function acquire(
  state: QueueState,
  now: number,
  command: Extract<Command, { kind: 'acquire' }>,
): Decision {
  const { caller, holding, resident } = command;
  const agent = sessionOf(state, caller);
  if (!agent) return fail({ reason: 'not_registered' });
  const changes: Change[] = [{ kind: 'agent_seen', agentId: agent.id, resident, at: now }];
  const unheard = unheardLeases(state, agent, holding);
  const again: LiveEntry[] = [];
  for (const entry of unheard) {
    if (entry.cancelRequestedAt !== null) changes.push(cancelled(entry.id, now));
    else if (agent.models.has(entry.model)) again.push(entry);
    else changes.push(requeue(entry, { attempt: entry.attempt - 1, failedBy: null }, now));
  }
  if (again.length > 0) {
    // What was granted as one batch is given as one again.
    for (const entry of again) changes.push(grantAgain(entry, caller, now));
  } else if (!agent.draining && agent.leases.size < LEASES_PER_AGENT_MAX) {
    changes.push(...grantNext(state, now, command));
  }
  return ok(changes);
}

/** The grant of the next job, with those that run as one batch with it. */
function grantNext(
  state: QueueState,
  now: number,
  command: Extract<Command, { kind: 'acquire' }>,
): Change[] {
  const { caller, busyMs } = command;
  const agent = state.agents.get(caller.agentId)!;
  const resident = willHold(state, agent, command.resident);
  const choice = choose(state, { agent, resident }, now);
  if (!choice) return [];
  // What is asked ahead, or taken out of turn, is one job.
  const isAlone = busyMs > 0 || choice.turn.escapeMs > 0;
  const entries = isAlone ? [choice.entry] : batchOf(state, agent, choice.entry);
  const startAt = now + busyMs;
  const serviceMs = (choice.expectedMs - choice.loadMs) * entries.length;
  return entries.map((entry, index) => ({
    kind: 'job_granted',
    jobId: entry.id,
    lease: newLease(caller.agentId, caller.sessionId, now),
    fencingToken: entry.fencingToken + 1,
    attempt: entry.attempt + 1,
    expectedStartAt: Math.round(startAt + choice.loadMs),
    expectedEndAt: Math.round(startAt + choice.loadMs + serviceMs),
    turn: index === 0 ? choice.turn : null,
    at: now,
  }));
}

/** Leases whose grant never reached the agent: their answers were lost. */
function unheardLeases(
  state: QueueState,
  agent: AgentEntry,
  holding: readonly LeaseRef[],
): LiveEntry[] {
  return [...agent.leases]
    .map((jobId) => state.jobs.get(jobId)!)
    .filter((entry) => !holding.some((ref) => isFor(ref, entry)));
}

function isFor(ref: LeaseRef, entry: LiveEntry): boolean {
  return ref.jobId === entry.id && ref.fencingToken === entry.fencingToken;
}

/** The same attempt under a new token: whoever has the older one may not write any more. */
function grantAgain(entry: LiveEntry, caller: Caller, now: number): Change {
  return {
    kind: 'job_granted',
    jobId: entry.id,
    lease: newLease(caller.agentId, caller.sessionId, now),
    fencingToken: entry.fencingToken + 1,
    attempt: entry.attempt,
    expectedStartAt: now,
    expectedEndAt: entry.expectedEndAt ?? now,
    turn: null,
    at: now,
  };
}

function renew(
  state: QueueState,
  now: number,
  command: Extract<Command, { kind: 'renew' }>,
): Decision {
  const { caller, resident, leases } = command;
  const agent = sessionOf(state, caller);
  if (!agent) return fail({ reason: 'not_registered' });
  const changes: Change[] = [{ kind: 'agent_seen', agentId: agent.id, resident, at: now }];
  const lease = newLease(caller.agentId, caller.sessionId, now);
  for (const ref of leases) {
    const entry = heldBy(state, caller, ref);
    if (entry && mayExtend(entry, now)) {
      changes.push({ kind: 'lease_renewed', jobId: entry.id, lease });
    }
  }
  return ok(changes);
}

function endAttempt(
  state: QueueState,
  now: number,
  command: Extract<Command, { kind: 'complete' | 'fail' | 'return' }>,
): Decision {
  const { caller, lease } = command;
  if (!sessionOf(state, caller)) return fail({ reason: 'not_registered' });
  const entry = heldBy(state, caller, lease);
  if (!entry) {
    const repeated = endedUnder(state, lease);
    return repeated ? ok(NOTHING) : fail({ reason: 'lease_lost', lease });
  }
  if (entry.cancelRequestedAt !== null)
    return ok([end(entry, command, { status: 'cancelled', at: now })]);
  switch (command.kind) {
    case 'complete':
      return ok([end(entry, command, { status: 'completed', at: now })]);
    case 'fail': {
      const again = command.retryable && entry.attempt < ATTEMPTS_MAX;
      const { attempt } = entry;
      return ok([
        again
          ? requeue(entry, { attempt, failedBy: caller.agentId }, now)
          : end(entry, command, { status: 'failed', at: now }),
      ]);
    }
    case 'return': {
      const returns = entry.fencingToken - entry.attempt;
      if (returns < RETURNS_MAX) {
        return ok([requeue(entry, { attempt: entry.attempt - 1, failedBy: null }, now)]);
      }
      return ok([giveUpAttempt(entry, now)]);
    }
  }
}

/** Whether the job ended under this very token: the answer was lost, not the lease. */
function endedUnder(state: QueueState, lease: LeaseRef): boolean {
  const entry = state.jobs.get(lease.jobId);
  return entry?.fencingToken === lease.fencingToken && isTerminal(entry.status);
}

function requeue(
  entry: LiveEntry,
  to: { attempt: number; failedBy: string | null },
  now: number,
): Change {
  return { kind: 'job_requeued', jobId: entry.id, ...to, at: now };
}

function end(
  entry: LiveEntry,
  command: Extract<Command, { kind: 'complete' | 'fail' | 'return' }>,
  how: { status: 'completed' | 'failed' | 'cancelled'; at: number },
): Change {
  const { order, usage, timings } = command;
  const { status, at } = how;
  const error =
    status === 'failed' && command.kind === 'fail'
      ? { code: command.code, message: ERRORS[command.code].help }
      : null;
  return {
    kind: 'job_ended',
    jobId: entry.id,
    outcome: {
      status,
      settledMillitokens: settleMillitokens(order, status, usage),
      artifacts: status === 'completed' && command.kind === 'complete' ? command.artifacts : [],
      usage,
      timings,
      error,
    },
    at,
  };
}

const UNRUN = { settledMillitokens: 0, artifacts: [], usage: {}, timings: null } as const;

function cancelled(jobId: string, at: number): Change {
  return { kind: 'job_ended', jobId, outcome: { ...UNRUN, status: 'cancelled', error: null }, at };
}

function failed(
  jobId: string,
  code: 'deadline_exceeded' | 'attempts_exhausted',
  at: number,
): Change {
  const error = { code, message: ERRORS[code].help };
  return { kind: 'job_ended', jobId, outcome: { ...UNRUN, status: 'failed', error }, at };
}

/** The agent, when this is its present session. */
function sessionOf(state: QueueState, caller: Caller): AgentEntry | null {
  const agent = state.agents.get(caller.agentId);
  return agent && !agent.revoked && agent.sessionId === caller.sessionId ? agent : null;
}
