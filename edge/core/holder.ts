/**
 * Busy agents and what they will be good for: which model each will have when it is free, and
 * when that should be. A line may be left to one that has its model and is free before another
 * could have loaded it; one that overruns its estimate is not waited for.
 */
import { assert } from '#schema/assert.ts';
import { TIERS } from '#schema/plan.ts';
import type { Tier } from '#schema/plan.ts';
import { isOnline } from './online.ts';
import type { AgentEntry, LiveEntry, QueueState } from './state.ts';

/** A busy agent that has a line's model: when it should be free, and whom it serves. */
export interface Holder {
  readonly freeInMs: number;
  readonly tier: Tier;
}

/** An agent that overran its estimate by this factor is not waited for. */
const OVERRUN_MAX = 1.5;

/** Models an agent holds when it is free: those it reports, and that of its present run. */
export function willHold(
  state: QueueState,
  agent: AgentEntry,
  resident: readonly string[],
): readonly string[] {
  const last = agent.leases.size > 0 ? lastGranted(state, agent) : null;
  return last && !resident.includes(last.model) ? [last.model, ...resident] : resident;
}

/** Whether one tier goes before another. */
export function isAbove(tier: Tier, other: Tier): boolean {
  return TIERS.indexOf(tier) < TIERS.indexOf(other);
}

/** Jobs of a line that holders of its model will start before a load of it here is done. */
export function startedBy(
  holders: readonly Holder[],
  of: { readonly tier: Tier; readonly loadMs: number; readonly serviceMs: number },
): number {
  let count = 0;
  for (const { freeInMs, tier } of holders) {
    // One that serves a higher tier may well go on with that.
    if (isAbove(tier, of.tier)) continue;
    if (freeInMs < of.loadMs) count += 1 + (of.loadMs - freeInMs) / of.serviceMs;
  }
  return count;
}

/** The other busy agents by the model that they run last. */
export function busyHolders(
  state: QueueState,
  asking: AgentEntry,
  now: number,
): ReadonlyMap<string, readonly Holder[]> {
  const holders = new Map<string, Holder[]>();
  for (const agent of state.agents.values()) {
    if (agent === asking || agent.draining || agent.leases.size === 0) continue;
    const last = isOnline(agent, now) ? lastGranted(state, agent) : null;
    const freeInMs = last && freeIn(last, now);
    // One that lost the model since, with a new session, is not to have its jobs.
    if (!last || freeInMs === null || !agent.models.has(last.model)) continue;
    const holder = { freeInMs, tier: last.tier };
    const known = holders.get(last.model);
    if (known) known.push(holder);
    else holders.set(last.model, [holder]);
  }
  return holders;
}

/** The run that an agent was given last, or null when it has none. */
export function lastGranted(state: QueueState, agent: AgentEntry): LiveEntry | null {
  let last: LiveEntry | null = null;
  for (const jobId of agent.leases) {
    const entry = state.jobs.get(jobId);
    assert(entry, 'a lease is of a live job');
    if (!last || (entry.startedAt ?? 0) >= (last.startedAt ?? 0)) last = entry;
  }
  return last;
}

/** Until a run should end, or null when it has overrun so far that nothing is known. */
function freeIn(entry: LiveEntry, now: number): number | null {
  const { startedAt, expectedEndAt } = entry;
  if (startedAt === null || expectedEndAt === null) return null;
  const expectedMs = expectedEndAt - startedAt;
  if (now > startedAt + expectedMs * OVERRUN_MAX) return null;
  return Math.max(expectedEndAt - now, expectedMs / 10);
}

/**
 * When jobs that were left to busy agents have to be looked at anew, because one of these should
 * be free by then and is not; or null.
 */
export function lookAgainAt(state: QueueState, now: number): number | null {
  let next = Infinity;
  for (const jobId of state.running) {
    const { startedAt, expectedEndAt } = state.jobs.get(jobId)!;
    if (startedAt === null || expectedEndAt === null) continue;
    const at = startedAt + (expectedEndAt - startedAt) * OVERRUN_MAX + 1;
    if (at > now) next = Math.min(next, at);
  }
  return next === Infinity ? null : next;
}
