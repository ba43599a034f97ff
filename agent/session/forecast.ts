/**
 * When the engine should be free, and from when on the next job is asked for: as late as two
 * round trips allow, since an early choice binds the edge. The end of a run is predicted from its
 * progress, corrected by how runs of its model ended before; as long as there is none, from what
 * they took; else it is unknown, and the next job is asked for when the engine is free. Pure functions of the state.
 */
import { JOB_RUN_MS_MAX } from '#schema/limits.ts';
import { ASK_AHEAD_MS_MAX, ASK_AHEAD_MS_MIN, ASK_MARGIN_MS, ROUND_TRIP_MS } from '../limits.ts';
import type { Run, Session } from './state.ts';

/** When the run of this session should end; null when it has none, or nothing tells. */
export function runEndsAt(state: Session): number | null {
  const { run } = state;
  if (!run) return null;
  // All of it is being stopped: it is over in a moment, and its end asks.
  const goesOn = state.leases.some(
    ({ id, phase }) => phase === 'running' && run.leases.includes(id),
  );
  if (!goesOn) return null;
  const learned = state.learned[run.model];
  const told = foretold(run);
  if (told) return told.from + told.ms * (learned?.stretch ?? 1);
  if (run.servedFrom === null || !learned) return null;
  return run.servedFrom + learned.ms * run.jobs;
}

/** How long a run takes by its progress alone, and from when on; null before there is any. */
export function foretold({ first, last }: Run): { from: number; ms: number } | null {
  if (!first || !last || last.done <= first.done) return null;
  const wholeMs = (last.at - first.at) / (last.done - first.done);
  return { from: first.at, ms: (1 - first.done) * wholeMs };
}

/** How long before the engine should be free the next job is asked for. */
export function askAheadMs(state: Session): number {
  const { ms, spreadMs } = state.roundTrip ?? { ms: ROUND_TRIP_MS, spreadMs: 0 };
  // An uplink full of results makes some calls much slower than others.
  const aheadMs = 2 * (ms + 2 * spreadMs) + ASK_MARGIN_MS;
  return Math.min(ASK_AHEAD_MS_MAX, Math.max(ASK_AHEAD_MS_MIN, aheadMs));
}

/** From when on the next job may be asked for; null when the engine has to become free first. */
export function askFrom(state: Session): number | null {
  if (isFree(state)) return state.freeAt;
  const endsAt = busyUntil(state);
  return endsAt === null ? null : endsAt - askAheadMs(state);
}

/** What an ask at `at` says of how long the engine is still busy; 0 when it is free. */
export function busyMsAt(state: Session, at: number): number {
  if (isFree(state)) return 0;
  const endsAt = busyUntil(state) ?? at;
  // Past its predicted end, a run may well go on for as long again.
  const ms = Math.ceil(Math.abs(endsAt - at));
  return Math.min(JOB_RUN_MS_MAX, Math.max(1, ms));
}

/** Whether the engine would take a job of this session now. */
export function isFree(state: Session): boolean {
  return state.run === null && state.lent === null;
}

function busyUntil(state: Session): number | null {
  return state.lent ? state.lent.freeAt : runEndsAt(state);
}
