/** Leases: who may speak for a running attempt, and when that right lapses. */
import type { LeaseRef } from '#schema/agent-protocol.ts';
import { JOB_RUN_MS_MAX, LEASE_MS } from '#schema/limits.ts';
import type { Lease, LiveEntry, QueueState } from './state.ts';

/** A lease from `now` on. */
export function newLease(agentId: string, sessionId: string, now: number): Lease {
  return { agentId, sessionId, expiresAt: now + LEASE_MS };
}

/** The running job that this session holds under exactly this token, or null. */
export function heldBy(
  state: QueueState,
  caller: { agentId: string; sessionId: string },
  ref: LeaseRef,
): LiveEntry | null {
  const entry = state.jobs.get(ref.jobId);
  if (!entry?.lease || entry.fencingToken !== ref.fencingToken) return null;
  const { lease } = entry;
  return lease.agentId === caller.agentId && lease.sessionId === caller.sessionId ? entry : null;
}

/**
 * Whether a heartbeat keeps the lease alive. A cancelled attempt, or one that has run too long,
 * gets no more time: its agent ends it, or the lease lapses.
 */
export function mayExtend(entry: LiveEntry, now: number): boolean {
  const ranMs = now - (entry.startedAt ?? now);
  return entry.cancelRequestedAt === null && ranMs <= JOB_RUN_MS_MAX;
}

/** Running jobs whose lease has lapsed at `now`. */
export function lapsed(state: QueueState, now: number): LiveEntry[] {
  const entries: LiveEntry[] = [];
  for (const id of state.running) {
    const entry = state.jobs.get(id);
    if (entry?.lease && entry.lease.expiresAt <= now) entries.push(entry);
  }
  return entries;
}

/** Waiting jobs whose deadline has passed at `now`; a deadline itself is still in time. */
export function overdue(state: QueueState, now: number): string[] {
  const { times, jobsAt } = state.deadlines;
  const passed: string[] = [];
  for (const time of times.upTo(now - 1)) passed.push(...(jobsAt.get(time) ?? []));
  return passed;
}

/** When the clock must next be looked at: the first lapse or deadline, or null. */
export function nextTickAt(state: QueueState): number | null {
  let next = Infinity;
  for (const id of state.running) {
    next = Math.min(next, state.jobs.get(id)?.lease?.expiresAt ?? Infinity);
  }
  next = Math.min(next, (state.deadlines.times.first() ?? Infinity) + 1);
  return next === Infinity ? null : next;
}
