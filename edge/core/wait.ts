/**
 * What can be said of a job before it runs: whether the pool takes it, how many go first, why
 * it waits and when it should start. Costs O(models waiting), never O(jobs).
 */
import {
  AGENT_ONLINE_MS,
  AGENT_RECENT_MS,
  QUEUE_DEPTH_ACCOUNT_MAX,
  QUEUE_DEPTH_TIER_MAX,
  QUEUE_DEPTH_TOTAL_MAX,
} from '#schema/limits.ts';
import { findModel } from '#schema/model.ts';
import { TIERS } from '#schema/plan.ts';
import type { Tier } from '#schema/plan.ts';
import type { JobOrder, JobWaiting } from '#schema/record.ts';
import { waitingTotal } from './state.ts';
import type { AgentEntry, QueueState } from './state.ts';

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

/** A job that is not in the queue yet, or is. */
export interface Place {
  readonly accountId: string;
  readonly tier: Tier;
  readonly model: string;
  /** Its place, or Infinity for the end of its tier. */
  readonly place: number;
}

/** The place a job would get that is not in the queue yet. */
export function atTheEnd(order: JobOrder): Place & { readonly deadlineAt: number | null } {
  const { accountId, tier, deadlineAt } = order;
  return { accountId, tier, deadlineAt, model: order.spec.model, place: Infinity };
}

/** Service time until an agent's own figures are learned. */
const SERVICE_MS = 15_000;

/** Whether an agent was heard of within AGENT_ONLINE_MS. */
export function isOnline(agent: AgentEntry, now: number): boolean {
  return !agent.revoked && agent.lastSeenAt !== null && now - agent.lastSeenAt < AGENT_ONLINE_MS;
}

/** Why the pool takes no such job now, or null when it does. */
export function refuse(
  state: QueueState,
  now: number,
  job: Place & { readonly deadlineAt: number | null },
): EnqueueRefusal | null {
  const waiting = describeWait(state, now, job);
  const retryAfterMs = Math.max(1000, (waiting.earliestStartAt ?? now + 60_000) - now);
  const scope = fullScope(state, job);
  if (scope) return { reason: 'queue_full', ...scope, retryAfterMs };
  if (agentsFor(state, job.model, now - AGENT_RECENT_MS).length === 0) {
    return { reason: 'no_agent', model: job.model, online: onlineModels(state, now) };
  }
  const start = waiting.earliestStartAt;
  if (job.deadlineAt !== null && start !== null && start > job.deadlineAt) {
    return { reason: 'deadline_unreachable', earliestStartAt: start, retryAfterMs };
  }
  return null;
}

function fullScope(
  state: QueueState,
  job: Place,
): { scope: 'account' | 'tier' | 'total'; limit: number } | null {
  if ((state.openByAccount.get(job.accountId) ?? 0) >= QUEUE_DEPTH_ACCOUNT_MAX) {
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
  const ahead: Record<Tier, number> = { admin: 0, pro: 0, starter: 0, free: 0 };
  let aheadMs = 0;
  for (const tier of TIERS) {
    for (const [model, places] of state.waiting[tier]) {
      const count = tier === job.tier ? places.countBelow(job.place) : places.size;
      ahead[tier] += count;
      aheadMs += count * serviceMs(model);
    }
    if (tier === job.tier) break;
  }
  const agents = agentsFor(state, job.model, now - AGENT_ONLINE_MS);
  const estimate = agents.length === 0 ? null : estimateStart(state, agents, { job, aheadMs, now });
  return {
    position: ahead[job.tier] + 1,
    ahead,
    reason: reasonToWait(job, ahead, agents),
    earliestStartAt: estimate?.earliestAt ?? null,
    latestStartAt: estimate?.latestAt ?? null,
  };
}

function estimateStart(
  state: QueueState,
  agents: readonly AgentEntry[],
  work: { job: Place; aheadMs: number; now: number },
): { earliestAt: number; latestAt: number } {
  let busyMs = Infinity;
  for (const agent of agents) busyMs = Math.min(busyMs, remainingMs(state, agent, work.now));
  const hot = agents.some((agent) => agent.resident.includes(work.job.model));
  const loadMs = hot ? 0 : (findModel(work.job.model)?.loadMs ?? 0);
  const expectedMs = busyMs + work.aheadMs / agents.length;
  return {
    earliestAt: Math.round(work.now + expectedMs / 2),
    latestAt: Math.round(work.now + expectedMs * 2 + loadMs),
  };
}

/** Until the agent should be through with what it runs. */
function remainingMs(state: QueueState, agent: AgentEntry, now: number): number {
  let ms = 0;
  for (const id of agent.leases) {
    const entry = state.jobs.get(id);
    if (!entry) continue;
    const age = now - (entry.startedAt ?? now);
    ms += Math.max(serviceMs(entry.model) - age, serviceMs(entry.model) / 10);
  }
  return ms;
}

function reasonToWait(
  job: Place,
  ahead: Readonly<Record<Tier, number>>,
  agents: readonly AgentEntry[],
): string {
  if (agents.length === 0) {
    return `No GPU that can run ${job.model} is online; the job starts when one returns.`;
  }
  const own = ahead[job.tier];
  const higher = TIERS.reduce((sum, tier) => sum + ahead[tier], 0) - own;
  if (own + higher > 0) {
    const parts = [];
    if (higher > 0) parts.push(`${higher} of higher plans`);
    if (own > 0) parts.push(`${own} that came earlier`);
    return `Jobs that go first: ${parts.join(' and ')}.`;
  }
  const idle = agents.some((agent) => agent.leases.size === 0);
  return idle ? 'It is next and starts at once.' : 'It is next; the GPU is busy with another job.';
}

function serviceMs(model: string): number {
  return findModel(model)?.serviceMs ?? SERVICE_MS;
}

/** Agents that have the model and were heard of after `since`. */
function agentsFor(state: QueueState, model: string, since: number): AgentEntry[] {
  const found: AgentEntry[] = [];
  for (const agent of state.agents.values()) {
    if (agent.revoked || agent.draining || agent.lastSeenAt === null) continue;
    if (agent.lastSeenAt > since && agent.models.has(model)) found.push(agent);
  }
  return found;
}

function onlineModels(state: QueueState, now: number): string[] {
  const models = new Set<string>();
  for (const agent of state.agents.values()) {
    if (isOnline(agent, now)) for (const model of agent.models) models.add(model);
  }
  return [...models].sort();
}
