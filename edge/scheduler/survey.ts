/** What a pool says of its agents and its queue, for users and for the operator. */
import type { AgentView, Availability } from '#schema/api.ts';
import { isOnline, isRecent } from '../core/online.ts';
import type { AgentEntry, QueueState } from '../core/state.ts';
import type { PoolSurvey } from '../rpc/scheduler.ts';

/** Which models can be had now, and how many agents are there. */
export function surveyPool(state: QueueState, now: number): PoolSurvey {
  const models: Record<string, Availability> = {};
  const recent = new Set<string>();
  let agentsOnline = 0;
  let agentsKnown = 0;
  for (const agent of state.agents.values()) {
    if (agent.revoked) continue;
    agentsKnown += 1;
    if (isRecent(agent, now)) for (const model of agent.models) recent.add(model);
    if (!isOnline(agent, now)) continue;
    agentsOnline += 1;
    for (const model of agent.models) models[model] ??= 'installed';
    for (const model of agent.resident) if (agent.models.has(model)) models[model] = 'resident';
  }
  return { models, recent: [...recent], agentsOnline, agentsKnown };
}

/** An agent as the operator sees it. */
export function viewAgent(agent: AgentEntry, now: number): AgentView {
  return {
    id: agent.id,
    name: agent.name,
    online: isOnline(agent, now),
    draining: agent.draining,
    revoked: agent.revoked,
    last_seen_at: agent.lastSeenAt === null ? null : new Date(agent.lastSeenAt).toISOString(),
    gpu: agent.capabilities?.gpu?.name ?? null,
    models: [...agent.models],
    resident: [...agent.resident],
    jobs: [...agent.leases],
  };
}
