/**
 * What time alone brings: every entry of the agenda is an instant and what is to be done then.
 * An entry that has been acted on must change the state so that it leaves the agenda or moves
 * into the future; `passTime` asserts that. The earliest entry is when the session is to be
 * woken, so that nothing is polled for and nothing is forgotten.
 */
import { assert } from '#schema/assert.ts';
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN, PROGRESS_MS, UPLOAD_TICKET_MS } from '#schema/limits.ts';
import { LEASE_RETRY_MS_MAX, LEAVE_MS, TURN_STEPS_MAX } from '../limits.ts';
import {
  deliver,
  drainStopsAt,
  isLive,
  isTold,
  keep,
  lose,
  send,
  start,
  stop,
  wantsJob,
} from './lease.ts';
import type { Lease, Paced, Session, Turn } from './state.ts';
import { refOf } from './state.ts';

interface Entry {
  readonly at: number;
  readonly act: (turn: Turn) => void;
}

/** Does all that is due by the turn's time. */
export function passTime(turn: Turn): void {
  for (let steps = 0; ; steps++) {
    assert(steps < TURN_STEPS_MAX, 'acting on an entry takes it off the agenda');
    const due = agenda(turn.state).find((entry) => entry.at <= turn.at);
    if (!due) return;
    due.act(turn);
  }
}

/** When the session is to be woken, or null when only an event can move it. */
export function wakeAt(state: Session): number | null {
  const entries = agenda(state);
  return entries.length === 0 ? null : Math.min(...entries.map((entry) => entry.at));
}

function agenda(state: Session): Entry[] {
  if (state.exited) return [];
  return [
    ...state.leases.flatMap((lease) => leaseEntries(state, lease)),
    ...drainEntries(state),
    ...callEntries(state),
  ];
}

function leaseEntries(state: Session, lease: Lease): Entry[] {
  const { id } = lease;
  const entries: Entry[] = [];
  const add = (at: number, act: (turn: Turn, lease: Lease) => void) =>
    entries.push({
      at,
      act: (now) => {
        const mine = now.state.leases.find((other) => other.id === id);
        assert(mine, 'an entry of the agenda is of a lease in the state');
        act(now, mine);
      },
    });
  const told = isTold(state, lease);
  // A finished result outlives our reckoning: the edge is asked whether the lease still holds.
  if (lease.end?.verb === 'complete') {
    if (!told) add(lease.grantedAt + UPLOAD_TICKET_MS, (now, mine) => lose(now, mine, 'expired'));
    if (!lease.kept) add(lease.liveUntil, keep);
  } else if (!told) {
    add(lease.liveUntil, (now, mine) => lose(now, mine, 'lapsed'));
  }
  if (lease.phase === 'running' && lease.startedAt !== null) {
    const at = lease.startedAt + lease.grant.runMsMax;
    add(at, (now, mine) => stop(now, mine, 'timeout'));
  }
  if (lease.phase === 'waiting' && state.busy === null) add(lease.grantedAt, start);
  const tries = lease.phase === 'ending' && lease.trying === null && state.registered;
  if (tries && lease.retryAt < lease.liveUntil) add(lease.retryAt, deliverWhileLive);
  return entries;
}

/** A lease that lapsed meanwhile waits for its confirmation: off the agenda until then. */
function deliverWhileLive(turn: Turn, lease: Lease): void {
  if (isLive(lease, turn.at)) deliver(turn, lease);
  else lease.retryAt = lease.liveUntil;
}

function drainEntries(state: Session): Entry[] {
  const { drain } = state;
  if (!drain) return [];
  const stopsAt = drainStopsAt(state, drain);
  const leave = (turn: Turn) => {
    for (const lease of turn.state.leases) keep(turn, lease);
    turn.state.exited = true;
    turn.actions.push({ do: 'exit', code: 0, reason: 'drained' });
  };
  const entries: Entry[] = [{ at: stopsAt + LEAVE_MS, act: leave }];
  const idle = state.leases.length === 0 && state.busy === null;
  if (idle && !state.calls.some((call) => call.asks)) entries.push({ at: drain.since, act: leave });
  for (const lease of state.leases) {
    if (lease.phase !== 'running') continue;
    entries.push({
      at: stopsAt,
      act: (turn) => {
        const running = turn.state.leases.find((other) => other.id === lease.id);
        if (running) stop(turn, running, 'drain');
      },
    });
  }
  return entries;
}

function callEntries(state: Session): Entry[] {
  const { pace } = state;
  const flies = (verb: string) => state.calls.some((call) => call.verb === verb);
  if (!state.registered) {
    return flies('register') ? [] : [{ at: pace.register.notBefore, act: register }];
  }
  const entries: Entry[] = [];
  if (wantsJob(state, null)) entries.push({ at: pace.acquire.notBefore, act: acquire });
  const parked = state.calls.find((call) => call.verb === 'control');
  if (wantsControl(state) && !parked) entries.push({ at: pace.control.notBefore, act: control });
  if (parked && state.leases.length === 0) {
    entries.push({ at: parked.sentAt, act: (turn) => abort(turn, parked.id) });
  }
  if (state.leases.length > 0 && !flies('renew')) {
    entries.push({ at: Math.max(pace.renew.notBefore, renewDueAt(state)), act: renew });
  }
  return entries;
}

/** A heartbeat is due one interval after the oldest confirmation, sooner when there is news. */
function renewDueAt(state: Session): number {
  const soonest = state.renewedAt + PROGRESS_MS;
  if (state.leases.some((lease) => lease.fresh)) return soonest;
  const confirmed = state.leases.map((lease) => lease.liveUntil - lease.grant.leaseMs);
  return Math.max(soonest, Math.min(...confirmed) + state.heartbeatMs);
}

/** A cancelled lease, or a drain ordered by the edge, would be answered at once, over and over. */
function wantsControl(state: Session): boolean {
  const answeredAtOnce = state.leases.some((lease) => lease.stopFor === 'cancelled');
  return state.leases.length > 0 && !answeredAtOnce && state.drain?.byEdge !== true;
}

function register(turn: Turn): void {
  const { state } = turn;
  const { sessionId, version, capabilities, leases } = state;
  const body = { sessionId, version, capabilities, holding: leases.map(refOf) };
  send(turn, { verb: 'register', body }, { covers: leases.map((lease) => lease.id) });
}

function acquire(turn: Turn): void {
  const { sessionId, resident, leases, pollMs } = turn.state;
  const body = {
    sessionId,
    resident: [...resident],
    holding: leases.map(refOf),
    waitMs: pollMs,
  };
  send(turn, { verb: 'acquire', body }, { asks: true });
}

function control(turn: Turn): void {
  const { sessionId, leases, pollMs } = turn.state;
  send(turn, { verb: 'control', body: { sessionId, holding: leases.map(refOf), waitMs: pollMs } });
}

function renew(turn: Turn): void {
  const { state } = turn;
  const { sessionId, resident, health } = state;
  const leases = state.leases.map((lease) => ({
    ...refOf(lease),
    progress: lease.progress,
    preview: lease.preview,
  }));
  for (const lease of state.leases) {
    lease.fresh = false;
    // Large, and of no use twice.
    lease.preview = null;
  }
  state.renewedAt = turn.at;
  const body = { sessionId, leases, resident: [...resident], health };
  send(turn, { verb: 'renew', body }, { covers: state.leases.map((lease) => lease.id) });
}

/** Gives a parked request up; its answer is not waited for. */
export function abort(turn: Turn, id: number): void {
  turn.state.calls = turn.state.calls.filter((call) => call.id !== id);
  turn.actions.push({ do: 'abort_call', id });
}

/** Pause after the n-th failure in a row: doubling, with jitter, within `maxMs`. */
export function backoffMs(failures: number, random: number, maxMs = BACKOFF_MS_MAX): number {
  const ms = Math.min(maxMs, BACKOFF_MS_MIN * 2 ** Math.min(failures - 1, 20));
  return ms * (0.5 + random / 2);
}

/** Slows a kind of request down after a failure; heartbeats never as far as to lose a lease. */
export function slowDown(turn: Turn, verb: Paced, retryAfterMs: number | null): void {
  const pace = turn.state.pace[verb];
  pace.failures++;
  const maxMs = verb === 'renew' ? LEASE_RETRY_MS_MAX : BACKOFF_MS_MAX;
  const pauseMs = Math.max(backoffMs(pace.failures, turn.random, maxMs), retryAfterMs ?? 0);
  pace.notBefore = turn.at + pauseMs;
}
