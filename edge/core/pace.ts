/**
 * How fast a bot may call its platform. Each call passes gates (the whole bot, its chat, its
 * group), each a GCRA with a burst; a gate is also closed for a time by a platform that says so.
 * Thin calls, such as progress, leave a reserve of each burst to the others: near a limit they
 * stop first. A gate reopens counted from a call's end, so that two calls never reach the
 * platform closer together than they left here.
 */
import { gcra } from './gcra.ts';
import type { GcraLimit } from './gcra.ts';

/** A limit that a call has to keep. */
export interface Gate {
  readonly name: string;
  readonly limit: GcraLimit;
  /** Calls of the burst that thin ones leave alone. */
  readonly reserve: number;
}

interface GateState {
  tat: number;
  closedUntil: number;
}

/** What is known of each gate; one that is absent is fresh. */
export type Pace = Map<string, GateState>;

/** Gates that are remembered before those that say nothing any more are dropped. */
const GATES_PRUNE = 1000;

/** When a call may pass all gates; `now` or earlier means at once. */
export function opensAt(
  pace: Pace,
  gates: readonly Gate[],
  { now, thin }: { now: number; thin: boolean },
): number {
  let at = now;
  for (const { name, limit, reserve } of gates) {
    const state = pace.get(name);
    if (!state) continue;
    const burst = thin ? Math.max(1, limit.burst - reserve) : limit.burst;
    const { retryAfterMs } = gcra(state.tat, now, { ...limit, burst });
    at = Math.max(at, now + retryAfterMs, state.closedUntil);
  }
  return at;
}

/** Counts a call that passes now. */
export function passGates(pace: Pace, gates: readonly Gate[], now: number): void {
  if (pace.size > GATES_PRUNE) prune(pace, now);
  for (const { name, limit } of gates) {
    const state = stateOf(pace, name);
    state.tat = Math.max(state.tat, now) + limit.emissionIntervalMs;
  }
}

/** Counts what a call carried beside the one message it was counted as, such as an album's. */
export function countMore(pace: Pace, gates: readonly Gate[], count: number): void {
  for (const { name, limit } of gates) {
    if (limit.burst > 1) stateOf(pace, name).tat += limit.emissionIntervalMs * count;
  }
}

/** Notes the end of a call: where one may come at a time, the next is counted from here. */
export function leaveGates(pace: Pace, gates: readonly Gate[], now: number): void {
  for (const { name, limit } of gates) {
    if (limit.burst > 1) continue;
    const state = stateOf(pace, name);
    state.tat = Math.max(state.tat, now + limit.emissionIntervalMs);
  }
}

/** Lets nothing pass until then: the platform said so. */
export function closeGate(pace: Pace, name: string, until: number): void {
  const state = stateOf(pace, name);
  state.closedUntil = Math.max(state.closedUntil, until);
}

/**
 * Fills a gate, as after a start that does not know what passed before: the first calls come at
 * the gate's rate, with no burst.
 */
export function fillGate(pace: Pace, { name, limit }: Gate, now: number): void {
  stateOf(pace, name).tat = now + limit.emissionIntervalMs * limit.burst;
}

/** How much of a gate's burst is used: 0 when it is fresh, 1 when it lets nothing pass. */
export function loadOf(pace: Pace, { name, limit }: Gate, now: number): number {
  const state = pace.get(name);
  if (!state) return 0;
  if (state.closedUntil > now) return 1;
  const used = Math.max(0, state.tat - now) / (limit.emissionIntervalMs * limit.burst);
  return Math.min(1, used);
}

/** Until when the platform has closed a gate, or null. */
export function closedUntil(pace: Pace, name: string, now: number): number | null {
  const until = pace.get(name)?.closedUntil ?? 0;
  return until > now ? until : null;
}

function stateOf(pace: Pace, name: string): GateState {
  let state = pace.get(name);
  if (!state) {
    state = { tat: 0, closedUntil: 0 };
    pace.set(name, state);
  }
  return state;
}

function prune(pace: Pace, now: number): void {
  for (const [name, { tat, closedUntil: until }] of pace) {
    if (tat <= now && until <= now) pace.delete(name);
  }
}
