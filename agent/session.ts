/**
 * The agent's side of the protocol as a pure state machine: `step(state, event)` gives the next
 * state and what is to be done. No IO, no clock, no randomness: both arrive with the event.
 *
 * The session registers, then asks for work by one parked `acquire`. A granted job goes
 *   waiting -> running -> ending -> gone
 * with `stopping` between running and ending when it is cancelled, times out or is drained.
 * Jobs that were granted together run together. Shortly before a run should end, the next job is
 * asked for, so that it waits here when the engine is free. While ending, a result is uploaded,
 * beside the next run, and the edge is told: complete, fail or return, which asks for the next
 * job in the same request when it is time and nothing else does. While a lease is held, `control`
 * is parked and heartbeats go out.
 *
 * Always: at most one request that may bring a job is in flight; an idle agent has just that one.
 * At most one grant waits for the engine. With several sessions on one engine, it may be `lent`.
 * A running job whose lease lapsed by our own clock, or by the edge's word, is stopped and
 * dropped, and nobody is told. A finished result whose lease lapsed is kept on disk and the edge
 * is asked; it is delivered only if the lease still holds. Every call may be repeated; an answer
 * to a call that is no longer in flight is ignored.
 */
import type { LeaseRef } from '#schema/agent-protocol.ts';
import { BACKOFF_MS_MIN, ENGINE_ERROR_CHARS_MAX, POLL_MS, PROGRESS_MS } from '#schema/limits.ts';
import { LEASE_RETRY_MS_MAX } from './limits.ts';
import { abort, passTime } from './session/agenda.ts';
import {
  accept,
  conclude,
  confirm,
  forget,
  isTold,
  keep,
  log,
  lose,
  stop,
} from './session/lease.ts';
import { backoffMs, measure, restAfter, slowDown } from './session/pace.ts';
import { endRun, watch } from './session/run.ts';
import type {
  Answered,
  AnswerOf,
  Call,
  CallFailure,
  Lease,
  Session,
  SessionAction,
  SessionEvent,
  Turn,
  UploadFailure,
  UploadOutcome,
} from './session/state.ts';
import { judge } from './session/verdict.ts';

export { wakeAt } from './session/agenda.ts';
export { createSession } from './session/origin.ts';
export type { Session, SessionAction, SessionEvent } from './session/state.ts';

/** What an event changes, and what is to be done about it; `before` is left as it was. */
export function step(
  before: Session,
  event: SessionEvent,
): { readonly state: Session; readonly actions: readonly SessionAction[] } {
  if (before.exited) return { state: before, actions: [] };
  const turn: Turn = { state: copy(before), at: event.at, random: event.random, actions: [] };
  // What lapsed before this event is over, whatever the event says: the process may have slept.
  passTime(turn);
  if (!turn.state.exited) handle(turn, event);
  passTime(turn);
  return { state: turn.state, actions: turn.actions };
}

function copy(state: Session): Session {
  const { register, acquire, control, renew } = state.pace;
  return {
    ...state,
    leases: state.leases.map((lease) => ({ ...lease })),
    calls: [...state.calls],
    pace: {
      register: { ...register },
      acquire: { ...acquire },
      control: { ...control },
      renew: { ...renew },
    },
  };
}

function handle(turn: Turn, event: SessionEvent): void {
  const { state } = turn;
  switch (event.type) {
    case 'tick':
      return;
    case 'answered':
    case 'unanswered': {
      const call = state.calls.find((other) => other.id === event.id);
      if (!call) return;
      state.calls = state.calls.filter((other) => other !== call);
      if (event.type === 'answered') onAnswer(turn, call, event);
      else onFailure(turn, call, event.failure);
      return;
    }
    case 'progressed': {
      const lease = state.leases.find((other) => other.id === event.lease);
      if (lease?.phase !== 'running') return;
      lease.usage = event.usage;
      lease.progress = event.progress ?? lease.progress;
      lease.preview = event.preview ?? lease.preview;
      lease.fresh = true;
      if (event.progress) watch(turn, lease);
      return;
    }
    case 'run_ended':
      endRun(turn, event.lease, event.outcome);
      return;
    case 'upload_ended': {
      const lease = state.leases.find((other) => other.id === event.lease);
      if (lease && lease.trying === event.trying) onUploadEnded(turn, lease, event.outcome);
      return;
    }
    case 'lease_refused': {
      const lease = state.leases.find((other) => other.id === event.lease);
      if (lease && !isTold(state, lease)) lose(turn, lease, 'refused');
      return;
    }
    case 'observed':
      state.resident = event.resident;
      state.health = event.health;
      return;
    case 'discovered':
      state.discovering = false;
      if (JSON.stringify(event.capabilities) === JSON.stringify(state.capabilities)) return;
      state.capabilities = event.capabilities;
      state.registered = false;
      return;
    case 'lent':
      if (state.lent && !event.lent) state.freeAt = turn.at;
      state.lent = event.lent;
      return;
    case 'drain':
      beginDrain(turn, false);
  }
}

function onAnswer(turn: Turn, call: Call, event: Answered): void {
  const { state } = turn;
  measure(state, call, turn.at);
  switch (event.verb) {
    case 'register':
      onRegistered(turn, call, event.answer);
      break;
    case 'acquire':
      recover(turn, 'acquire');
      onOffer(turn, event.answer, call);
      if (event.answer.job === null) restAfter(turn, 'acquire', call);
      break;
    case 'control':
      recover(turn, 'control');
      restAfter(turn, 'control', call);
      onWords(turn, event.answer);
      break;
    case 'renew':
      recover(turn, 'renew');
      for (const lease of state.leases) {
        const { held, cancel } = event.answer;
        // A cancelled lease gets no more time.
        const kept = names(held, lease) && !names(cancel, lease);
        if (kept && call.covers.includes(lease.id)) confirm(lease, call.sentAt);
      }
      onWords(turn, event.answer);
      break;
    case 'complete':
    case 'fail':
    case 'return':
      onEnded(turn, call, event);
      break;
  }
}

function onRegistered(turn: Turn, call: Call, answer: AnswerOf<'register'>): void {
  const { state } = turn;
  state.registered = true;
  state.heartbeatMs = Math.max(PROGRESS_MS, answer.heartbeatMs);
  state.pollMs = Math.min(POLL_MS, Math.max(0, answer.pollMs));
  // A register that is soon followed by `not_registered` again must not spin.
  state.pace.register.notBefore = turn.at + BACKOFF_MS_MIN;
  if (state.pace.register.failures > 0) logSession(turn, 'edge.back', {});
  state.pace.register.failures = 0;
  const held = state.leases.length;
  logSession(turn, 'session.register', { agentId: answer.agentId, held });
  for (const lease of state.leases) {
    if (!call.covers.includes(lease.id)) continue;
    if (!names(answer.lost, lease)) confirm(lease, call.sentAt);
  }
  onWords(turn, { ...answer, drain: false });
}

/** What an answer says of leases: gone, cancelled; and whether to drain. */
function onWords(
  turn: Turn,
  words: {
    readonly lost: readonly LeaseRef[];
    readonly cancel: readonly LeaseRef[];
    readonly drain: boolean;
  },
): void {
  for (const lease of turn.state.leases) {
    if (names(words.lost, lease)) {
      // The call that ends it may have come first: then its own answer tells how it ended.
      if (isTold(turn.state, lease)) lease.disowned = true;
      else lose(turn, lease, 'revoked');
    } else if (names(words.cancel, lease)) {
      stop(turn, lease, 'cancelled');
    }
  }
  if (words.drain) beginDrain(turn, true);
}

function onOffer(turn: Turn, offer: AnswerOf<'acquire'>, call: Call): void {
  if (offer.drain) beginDrain(turn, true);
  if (!offer.job) return;
  const batch = turn.state.sequence + 1;
  for (const job of [offer.job, ...offer.batch]) accept(turn, job, { call, batch });
}

function onEnded(
  turn: Turn,
  call: Call,
  event: Extract<Answered, { verb: 'complete' | 'fail' | 'return' }>,
): void {
  const lease = turn.state.leases.find((other) => other.id === call.leaseId);
  const { status, next } = event.answer;
  if (lease) {
    forget(turn, lease);
    const code = lease.end?.verb === 'fail' ? lease.end.code : null;
    const heldMs = turn.at - lease.grantedAt;
    const { serviceMs, loadMs } = lease;
    log(turn, lease, [`job.${event.verb}`, { status, code, heldMs, serviceMs, loadMs }]);
  }
  if (call.asks) recover(turn, 'acquire');
  if (next) onOffer(turn, next, call);
}

function onFailure(turn: Turn, call: Call, failure: CallFailure): void {
  const { state } = turn;
  const verdict = judge(failure);
  if (verdict === 'unauthorized') {
    // A result that is finished may still be delivered, once the token is mended.
    for (const lease of state.leases) keep(turn, lease);
    state.exited = true;
    turn.actions.push({ do: 'exit', code: 2, reason: 'unauthorized' });
    return;
  }
  if (verdict === 'unregistered') state.registered = false;
  switch (call.verb) {
    case 'register':
    case 'acquire':
    case 'control':
    case 'renew':
      if (verdict === 'unregistered' && call.verb !== 'register') return;
      slowDown(turn, call.verb, failure.retryAfterMs);
      if (state.pace[call.verb].failures === 1) {
        logSession(turn, 'edge.away', { verb: call.verb, detail: failure.detail });
      }
      return;
    case 'complete':
    case 'fail':
    case 'return': {
      const lease = state.leases.find((other) => other.id === call.leaseId);
      if (lease && lease.trying === call.id) onUndelivered(turn, lease, failure);
    }
  }
}

function onUploadEnded(turn: Turn, lease: Lease, outcome: UploadOutcome): void {
  if (!outcome.ok) {
    onUndelivered(turn, lease, outcome.failure);
    return;
  }
  const { artifacts } = outcome;
  lease.trying = null;
  lease.failures = 0;
  lease.end = { verb: 'complete', artifacts };
  const bytes = artifacts.reduce((sum, artifact) => sum + artifact.bytes, 0);
  const uploadMs = turn.at - (lease.runEndedAt ?? turn.at);
  log(turn, lease, ['job.upload', { artifacts: artifacts.length, bytes, uploadMs }]);
}

/** The upload or the call that was to end a lease failed. */
function onUndelivered(turn: Turn, lease: Lease, failure: UploadFailure): void {
  const { state, at } = turn;
  lease.trying = null;
  const verdict = lease.disowned ? 'lost' : judge(failure);
  switch (verdict) {
    case 'unregistered':
      state.registered = false;
      return;
    case 'lost':
      lose(turn, lease, 'refused');
      return;
    // Of an upload: its ticket. Were it our token, the next call would tell.
    case 'unauthorized':
    case 'permanent': {
      if (lease.end?.verb !== 'complete') {
        lose(turn, lease, 'rejected');
        return;
      }
      const detail = `result not delivered: ${failure.detail}`.slice(0, ENGINE_ERROR_CHARS_MAX);
      const tooLarge = failure.reason === 'refused' && failure.code === 'artifact_too_large';
      const code = tooLarge ? 'result_too_large' : 'job_failed';
      conclude(lease, { verb: 'fail', code, retryable: !tooLarge, detail });
      return;
    }
    case 'transient': {
      lease.failures++;
      const pause = backoffMs(lease.failures, turn.random, LEASE_RETRY_MS_MAX);
      lease.retryAt = at + Math.max(pause, failure.retryAfterMs ?? 0);
      keep(turn, lease);
    }
  }
}

function beginDrain(turn: Turn, byEdge: boolean): void {
  const { state } = turn;
  if (state.drain) return;
  state.drain = { since: turn.at, byEdge };
  const running = state.leases.filter((lease) => lease.phase === 'running').length;
  logSession(turn, 'session.drain', { byEdge, running });
  const parked = state.calls.find((call) => call.verb === 'acquire');
  if (parked) abort(turn, parked.id);
  for (const lease of state.leases) if (lease.phase === 'waiting') stop(turn, lease, 'drain');
}

function recover(turn: Turn, verb: 'acquire' | 'control' | 'renew'): void {
  const pace = turn.state.pace[verb];
  if (pace.failures > 0) logSession(turn, 'edge.back', { verb });
  pace.failures = 0;
  pace.notBefore = turn.at;
}

function names(refs: readonly LeaseRef[], lease: Lease): boolean {
  const { jobId, fencingToken } = lease.grant;
  return refs.some((ref) => ref.jobId === jobId && ref.fencingToken === fencingToken);
}

function logSession(
  turn: Turn,
  op: 'session.register' | 'session.drain' | 'edge.away' | 'edge.back',
  fields: Readonly<Record<string, string | number | boolean | null>>,
): void {
  turn.actions.push({ do: 'log', op, ref: null, fields });
}
