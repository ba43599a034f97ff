/**
 * How fast requests follow one another: pauses after failures, and how long a round trip takes.
 * Changes the turn's own copy of the state only. No clock, no randomness of its own.
 */
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN } from '#schema/limits.ts';
import { LEASE_RETRY_MS_MAX } from '../limits.ts';
import type { Call, Paced, Session, Turn } from './state.ts';

/** Weight of the newest measure. */
const NEWEST = 0.3;

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

/** A poll that was answered sooner than it can have parked is not repeated at once. */
export function restAfter(turn: Turn, verb: 'acquire' | 'control', call: Call): void {
  turn.state.pace[verb].notBefore = Math.max(turn.at, call.sentAt + BACKOFF_MS_MIN);
}

/** A call that does not park was answered: that is what a round trip takes. */
export function measure(state: Session, call: Call, at: number): void {
  if (call.verb === 'acquire' || call.verb === 'control') return;
  const tookMs = at - call.sentAt;
  const { ms, spreadMs } = state.roundTrip ?? { ms: tookMs, spreadMs: 0 };
  const farMs = Math.abs(tookMs - ms);
  state.roundTrip = { ms: smooth(ms, tookMs), spreadMs: smooth(spreadMs, farMs) };
}

/** A running mean that follows the newest measures. */
export function smooth(before: number | undefined, newest: number): number {
  return before === undefined ? newest : before + (newest - before) * NEWEST;
}
