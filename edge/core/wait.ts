/**
 * What is said of a job before it runs: whether the pool takes it, how many go first, why it
 * waits and when it should start. Nobody is left to wait for what cannot come: a job that no
 * agent can run, or none in time, is refused when it is submitted.
 */
import {
  QUEUE_DEPTH_ACCOUNT_MAX,
  QUEUE_DEPTH_TIER_MAX,
  QUEUE_DEPTH_TOTAL_MAX,
} from '#schema/limits.ts';
import { TIERS } from '#schema/plan.ts';
import type { JobOrder, JobWaiting } from '#schema/record.ts';
import { fairTags } from './fair.ts';
import { lookAhead, rangeOf } from './forecast.ts';
import type { Outlook, Place } from './forecast.ts';
import { isOnline, isRecent } from './online.ts';
import { waitingTotal } from './state.ts';
import type { QueueState } from './state.ts';

/** Why a pool takes no such job now. */
export type EnqueueRefusal =
  | {
      readonly reason: 'queue_full';
      readonly scope: 'account' | 'tier' | 'total';
      readonly limit: number;
      readonly retryAfterMs: number;
    }
  | { readonly reason: 'no_agent'; readonly model: string; readonly online: readonly string[] }
  | {
      readonly reason: 'deadline_unreachable';
      readonly earliestStartAt: number;
      readonly retryAfterMs: number;
    };

/** Nobody is told to come back sooner, nor later than this while no start is foreseen. */
const RETRY_MS_MIN = 1000;
const RETRY_MS_BLIND = 60_000;

/** The place that a job would get which is not in the queue yet. */
export function placeOf(state: QueueState, order: JobOrder, now: number): Place {
  const { accountId, tier, deadlineAt, heldMillitokens: millitokens } = order;
  const { tag } = fairTags(state, order, now);
  return {
    accountId,
    tier,
    deadlineAt,
    millitokens,
    tag,
    model: order.spec.model,
    place: Infinity,
  };
}

/** Why the pool takes no such job now, or null when it does. */
export function refuse(state: QueueState, now: number, job: Place): EnqueueRefusal | null {
  const full = fullScope(state, job);
  if (!full && !hasRecentAgent(state, job.model, now)) {
    return { reason: 'no_agent', model: job.model, online: onlineModels(state, now) };
  }
  if (!full && job.deadlineAt === null) return null;
  const start = rangeAt(state, lookAhead(state, now, job), now);
  const earliestStartAt = start?.earliestAt ?? now + RETRY_MS_BLIND;
  const retryAfterMs = Math.max(RETRY_MS_MIN, earliestStartAt - now);
  if (full) return { reason: 'queue_full', ...full, retryAfterMs };
  if (!start || job.deadlineAt === null || earliestStartAt <= job.deadlineAt) return null;
  return { reason: 'deadline_unreachable', earliestStartAt, retryAfterMs };
}

function fullScope(
  state: QueueState,
  job: Place,
): { scope: 'account' | 'tier' | 'total'; limit: number } | null {
  if ((state.accounts.get(job.accountId)?.open ?? 0) >= QUEUE_DEPTH_ACCOUNT_MAX) {
    return { scope: 'account', limit: QUEUE_DEPTH_ACCOUNT_MAX };
  }
  if (state.waitingCount[job.tier] >= QUEUE_DEPTH_TIER_MAX) {
    return { scope: 'tier', limit: QUEUE_DEPTH_TIER_MAX };
  }
  if (waitingTotal(state) >= QUEUE_DEPTH_TOTAL_MAX) {
    return { scope: 'total', limit: QUEUE_DEPTH_TOTAL_MAX };
  }
  return null;
}

/** Where a job stands, or would. */
export function describeWait(state: QueueState, now: number, job: Place): JobWaiting {
  const outlook = lookAhead(state, now, job);
  const start = rangeAt(state, outlook, now);
  const { ahead, aheadMs, agents, modelState } = outlook;
  return {
    position: ahead[job.tier] + 1,
    ahead,
    aheadMs,
    modelState,
    agents: agents.length,
    reason: reasonToWait(job, outlook),
    earliestStartAt: start?.earliestAt ?? null,
    latestStartAt: start?.latestAt ?? null,
  };
}

function rangeAt(
  state: QueueState,
  { foreseenMs }: Outlook,
  now: number,
): { earliestAt: number; latestAt: number } | null {
  if (foreseenMs === null) return null;
  const { leastMs, mostMs } = rangeOf(state.errors, foreseenMs);
  return { earliestAt: now + leastMs, latestAt: now + mostMs };
}

function reasonToWait(job: Place, { ahead, agents, modelState }: Outlook): string {
  if (agents.length === 0) {
    return `No GPU that can run ${job.model} is online; the job starts when one returns.`;
  }
  const own = ahead[job.tier];
  const higher = TIERS.reduce((sum, tier) => sum + ahead[tier], 0) - own;
  if (own + higher > 0) {
    const parts = [];
    if (higher > 0) parts.push(`${higher} of higher plans`);
    if (own > 0) parts.push(`${own} of the same plan`);
    return `Jobs that go first: ${parts.join(' and ')}.`;
  }
  const isIdle = agents.some((agent) => agent.leases.size === 0);
  if (modelState === 'loading') return `It is next; a GPU is loading ${job.model}.`;
  if (!isIdle) return 'It is next; the GPU is busy with another job.';
  if (modelState === 'cold') return `It is next; ${job.model} has to be loaded first.`;
  return 'It is next and starts at once.';
}

function hasRecentAgent(state: QueueState, model: string, now: number): boolean {
  for (const agent of state.agents.values()) {
    if (!agent.draining && agent.models.has(model) && isRecent(agent, now)) return true;
  }
  return false;
}

function onlineModels(state: QueueState, now: number): string[] {
  const models = new Set<string>();
  for (const agent of state.agents.values()) {
    if (isOnline(agent, now)) for (const model of agent.models) models.add(model);
  }
  return [...models].sort();
}
