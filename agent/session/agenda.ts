/**
 * What time alone brings: every entry of the agenda is an instant and what is to be done then.
 * An entry that has been acted on must change the state so that it leaves the agenda or moves
 * into the future; `passTime` asserts that. The earliest entry is when the session is to be
 * woken, so that nothing is polled for and nothing is forgotten.
 */
import { assert } from '#schema/assert.ts';
import { PROGRESS_MS, UPLOAD_TICKET_MS } from '#schema/limits.ts';
import { ASK_SLACK_MS, LEAVE_MS, LENT_ASK_MS, TURN_STEPS_MAX } from '../limits.ts';
import { askFrom, busyMsAt, isFree } from './forecast.ts';
import { deliver, drainStopsAt, hasRoom, isLive, isTold, keep, lose, send, stop } from './lease.ts';
import { start } from './run.ts';
import type { Lease, Session, Turn } from './state.ts';
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
    ...state.leases.flatMap((lease) => lapseEntries(state, lease)),
    // First of what is to be done: the engine waits for nothing.
    ...engineEntries(state),
    ...state.leases.flatMap((lease) => deliveryEntries(state, lease)),
    ...drainEntries(state),
    ...callEntries(state),
  ];
}

/** An entry of a lease, which it still is when its time comes. */
function entryOf({ id }: Lease, at: number, act: (turn: Turn, lease: Lease) => void): Entry {
  return {
    at,
    act: (now) => {
      const mine = now.state.leases.find((other) => other.id === id);
      assert(mine, 'an entry of the agenda is of a lease in the state');
      act(now, mine);
    },
  };
}

function lapseEntries(state: Session, lease: Lease): Entry[] {
  const entries: Entry[] = [];
  const add = (at: number, act: (turn: Turn, lease: Lease) => void) =>
    entries.push(entryOf(lease, at, act));
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
  return entries;
}

function engineEntries(state: Session): Entry[] {
  const waiting = state.leases.find(({ phase }) => phase === 'waiting');
  return waiting && isFree(state) ? [entryOf(waiting, waiting.grantedAt, start)] : [];
}

function deliveryEntries(state: Session, lease: Lease): Entry[] {
  const tries = lease.phase === 'ending' && lease.trying === null && state.registered;
  const due = tries && lease.retryAt < lease.liveUntil;
  return due ? [entryOf(lease, lease.retryAt, deliverWhileLive)] : [];
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
  const idle = state.leases.length === 0 && state.run === null;
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
  const from = hasRoom(state, null) ? askFrom(state) : null;
  if (from !== null) entries.push({ at: Math.max(from, pace.acquire.notBefore), act: acquire });
  // The edge takes us for idle by it, and might bind a job for as long as another session runs.
  const idle = state.lent && state.calls.find((call) => call.verb === 'acquire' && !call.ahead);
  if (idle) entries.push({ at: idle.sentAt + LENT_ASK_MS, act: (turn) => abort(turn, idle.id) });
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
  const busyMs = busyMsAt(turn.state, turn.at);
  const ahead = busyMs > 0;
  const body = {
    sessionId,
    resident: [...resident],
    busyMs,
    holding: leases.map(refOf),
    // It ends by itself soon after its estimate is stale, and is made anew.
    waitMs: ahead ? Math.min(pollMs, busyMs + ASK_SLACK_MS) : pollMs,
  };
  send(turn, { verb: 'acquire', body }, { asks: true, ahead });
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
