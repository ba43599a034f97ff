/**
 * What may happen to one lease: it is accepted, confirmed, stopped, concluded (run.ts runs it),
 * delivered, and then forgotten exactly once: ended with the edge's consent, or lost.
 * These functions change the turn's own copy of the state and add actions. No clock, no IO.
 */
import type { LeasedJob } from '#schema/agent-protocol.ts';
import { POLL_MS, SPOOL_JOBS_MAX } from '#schema/limits.ts';
import { CALL_MS_MAX } from '../limits.ts';
import { askAheadMs, askFrom, busyMsAt } from './forecast.ts';
import type {
  Call,
  End,
  JobOperation,
  Lease,
  Request,
  Session,
  StopReason,
  Turn,
} from './state.ts';
import { newLease } from './origin.ts';
import { refOf } from './state.ts';

type Fields = Readonly<Record<string, string | number | boolean | null>>;

/** Whether the lease holds at `at` by our own reckoning. */
export function isLive(lease: Lease, at: number): boolean {
  return at < lease.liveUntil;
}

/** Takes a granted job, unless it is known, out of date, or lapsed on its way. */
export function accept(turn: Turn, job: LeasedJob, from: { call: Call; batch: number }): void {
  const { state, at } = turn;
  const { sentAt, ahead } = from.call;
  const liveUntil = sentAt + job.leaseMs;
  const known = state.leases.find((lease) => lease.grant.jobId === job.jobId);
  if (known && known.grant.fencingToken > job.fencingToken) return;
  if (known && known.grant.fencingToken === job.fencingToken) {
    known.liveUntil = Math.max(known.liveUntil, liveUntil);
    return;
  }
  // A newer token says that the older attempt is over: by its end, if that is on its way.
  if (known && isTold(state, known) && known.end && known.end.verb !== 'complete') {
    forget(turn, known);
    log(turn, known, [`job.${known.end.verb}`, { status: 'queued' }]);
  } else if (known) lose(turn, known, 'superseded');
  if (at >= liveUntil) return;
  const { spec, ...grant } = job;
  const waitedMs = at - sentAt;
  const lease: Lease = {
    ...newLease({ id: ++state.sequence, grant, at }),
    spec,
    liveUntil,
    batch: from.batch,
    hadFrom: waitedMs <= askAheadMs(state) ? sentAt : null,
  };
  state.leases.push(lease);
  const { type, model } = spec;
  log(turn, lease, ['job.acquire', { type, model, waitedMs, ahead }]);
  if (state.drain) conclude(lease, { verb: 'return', reason: 'drain' });
}

/** The edge said that it holds, to a request sent at `sentAt`. */
export function confirm(lease: Lease, sentAt: number): void {
  lease.liveUntil = Math.max(lease.liveUntil, sentAt + lease.grant.leaseMs);
}

/** Stops a job that is not to be finished here; the edge is told once the engine has stopped. */
export function stop(turn: Turn, lease: Lease, why: StopReason): void {
  if (why === 'cancelled' && lease.stopFor !== 'cancelled') log(turn, lease, ['job.cancel', {}]);
  switch (lease.phase) {
    case 'waiting':
      lease.stopFor = why;
      conclude(lease, { verb: 'return', reason: why === 'cancelled' ? 'cancelled' : 'drain' });
      return;
    case 'running':
      lease.phase = 'stopping';
      lease.stopFor = why;
      turn.actions.push({ do: 'stop', lease: lease.id });
      return;
    case 'stopping':
      if (why === 'cancelled') lease.stopFor = why;
      return;
    case 'ending':
      // Once a completion is on its way, the edge alone knows which came first.
      if (why !== 'cancelled' || isTold(turn.state, lease)) return;
      lease.stopFor = why;
      if (lease.end?.verb !== 'complete') return;
      turn.actions.push({ do: 'stop', lease: lease.id });
      conclude(lease, { verb: 'return', reason: 'cancelled' });
  }
}

/** From now on the edge is to be told of this end. */
export function conclude(lease: Lease, end: End): void {
  lease.phase = 'ending';
  lease.end = end;
  lease.trying = null;
  lease.retryAt = 0;
  lease.failures = 0;
  lease.progress = { fraction: 1, stage: 'uploading', step: null, steps: null };
  lease.preview = null;
  lease.fresh = false;
}

/** Whether a call that ends the lease is on its way. */
export function isTold(state: Session, lease: Lease): boolean {
  return state.calls.some((call) => call.id === lease.trying);
}

/** The lease is not ours any more: stop, drop the result, tell nobody. */
export function lose(turn: Turn, lease: Lease, why: string): void {
  forget(turn, lease);
  log(turn, lease, ['job.lost', { reason: why, phase: lease.phase }]);
}

/** Ends what the agent knows of a lease; its run, if any, keeps the engine until it stops. */
export function forget(turn: Turn, lease: Lease): void {
  turn.state.leases = turn.state.leases.filter((other) => other !== lease);
  turn.actions.push({ do: 'drop', lease: lease.id });
}

/** Puts an undelivered result on disk, once. */
export function keep(turn: Turn, lease: Lease): void {
  if (lease.kept || lease.end?.verb !== 'complete') return;
  lease.kept = true;
  const { grant, usage, loadMs, serviceMs } = lease;
  turn.actions.push({ do: 'keep', lease: lease.id, grant, usage, loadMs, serviceMs });
  log(turn, lease, ['job.keep', { failures: lease.failures }]);
}

/** The next try to end a lease: the upload first, then the edge is told. */
export function deliver(turn: Turn, lease: Lease): void {
  const { end } = lease;
  if (!end) return;
  if (end.verb === 'complete' && end.artifacts === null) {
    lease.trying = ++turn.state.sequence;
    const { trying, grant } = lease;
    turn.actions.push({ do: 'upload', lease: lease.id, trying, grant });
    return;
  }
  lease.trying = sendEnd(turn, lease, end);
}

function sendEnd(turn: Turn, lease: Lease, end: End): number {
  const { state, at } = turn;
  const from = askFrom(state);
  const due = from !== null && at >= Math.max(from, state.pace.acquire.notBefore);
  const asks = due && hasRoom(state, lease);
  const busyMs = busyMsAt(state, at);
  const others = state.leases.filter((other) => other !== lease);
  const common = {
    sessionId: state.sessionId,
    lease: refOf(lease),
    usage: lease.usage,
    timings: {
      loadMs: Math.round(lease.loadMs),
      serviceMs: Math.round(lease.serviceMs),
      uploadMs: lease.runEndedAt === null ? 0 : Math.round(at - lease.runEndedAt),
    },
    next: asks ? { resident: [...state.resident], busyMs, holding: others.map(refOf) } : null,
  };
  const of = { leaseId: lease.id, asks, ahead: busyMs > 0, covers: [lease.id] };
  switch (end.verb) {
    case 'complete':
      return send(
        turn,
        { verb: 'complete', body: { ...common, artifacts: [...(end.artifacts ?? [])] } },
        of,
      );
    case 'fail': {
      const { code, retryable, detail } = end;
      return send(turn, { verb: 'fail', body: { ...common, code, retryable, detail } }, of);
    }
    case 'return':
      return send(turn, { verb: 'return', body: { ...common, reason: end.reason } }, of);
  }
}

/** Sends a request and remembers it until it is answered. */
export function send(
  turn: Turn,
  request: Request,
  of: { leaseId?: number; asks?: boolean; ahead?: boolean; covers?: readonly number[] } = {},
): number {
  const { state } = turn;
  const id = ++state.sequence;
  const parks = request.verb === 'acquire' || request.verb === 'control';
  state.calls.push({
    id,
    verb: request.verb,
    sentAt: turn.at,
    leaseId: of.leaseId ?? null,
    asks: of.asks ?? false,
    ahead: of.ahead ?? false,
    covers: of.covers ?? [],
  });
  const timeoutMs = CALL_MS_MAX + (parks ? POLL_MS : 0);
  turn.actions.push({ do: 'call', id, timeoutMs, ...request });
  return id;
}

/**
 * Whether the agent may take one more grant, should the engine be free in time: at most one waits,
 * and what is held fits the spool should the edge be away. `ending` is a lease that ends with the
 * very request that would ask.
 */
export function hasRoom(state: Session, ending: Lease | null): boolean {
  if (!state.registered || state.drain || state.discovering) return false;
  if (state.calls.some((call) => call.asks)) return false;
  const held = state.leases.filter((lease) => lease !== ending);
  return held.every((lease) => lease.phase !== 'waiting') && held.length < SPOOL_JOBS_MAX;
}

export function log(turn: Turn, lease: Lease, [op, fields]: readonly [JobOperation, Fields]): void {
  const { attempt } = lease.grant;
  turn.actions.push({ do: 'log', op, ref: refOf(lease), attempt, fields });
}

/** When a drain stops what still runs. */
export function drainStopsAt(state: Session, drain: { readonly since: number }): number {
  return drain.since + state.drainMs;
}
