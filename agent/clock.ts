/**
 * The agent's time: milliseconds that only rise and that count the machine's sleep too, so that
 * a lease is known to have lapsed after a suspend. The monotonic clock stands still while a
 * machine sleeps, the wall clock does not: a leap of the wall clock ahead of it is taken as sleep.
 */
import { SLEEP_MS_MIN } from './limits.ts';

export interface Clock {
  now(): number;
  /** Epoch milliseconds; for names, files and logs only. */
  wall(): number;
  /** Calls `act` once after `ms`; the answer cancels it. */
  after(ms: number, act: () => void): () => void;
}

/** Longest delay that `setTimeout` takes. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The real clock; sources can be given for tests. */
export function createClock(
  sources: { readonly monotonic: () => number; readonly wall: () => number } = {
    monotonic: () => performance.now(),
    wall: () => Date.now(),
  },
): Clock {
  let lastMonotonic = sources.monotonic();
  let lastWall = sources.wall();
  let sleptMs = 0;
  return {
    now() {
      const monotonic = sources.monotonic();
      const wall = sources.wall();
      const ahead = wall - lastWall - (monotonic - lastMonotonic);
      if (ahead >= SLEEP_MS_MIN) sleptMs += ahead;
      lastMonotonic = monotonic;
      lastWall = wall;
      return monotonic + sleptMs;
    },
    wall: sources.wall,
    after(ms, act) {
      const timer = setTimeout(act, Math.min(Math.max(0, ms), TIMER_MS_MAX));
      return () => clearTimeout(timer);
    },
  };
}
