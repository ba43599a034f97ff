/** Which agents are there, and what share of their time is set aside. */
import { AGENT_ONLINE_MS, AGENT_RECENT_MS, ESCAPE_BURST_MS, ESCAPE_SHARE } from '#schema/limits.ts';
import type { AgentEntry, QueueState } from './state.ts';

/** Whether an agent was heard of within AGENT_ONLINE_MS. */
export function isOnline(agent: AgentEntry, now: number): boolean {
  return isKnownSince(agent, now - AGENT_ONLINE_MS);
}

/** Whether an agent may come back soon: it was heard of within AGENT_RECENT_MS. */
export function isRecent(agent: AgentEntry, now: number): boolean {
  return isKnownSince(agent, now - AGENT_RECENT_MS);
}

function isKnownSince(agent: AgentEntry, since: number): boolean {
  return !agent.revoked && agent.lastSeenAt !== null && agent.lastSeenAt > since;
}

/** Agents that are online; at least 1, since it divides. */
export function onlineCount(state: QueueState, now: number): number {
  let count = 0;
  for (const agent of state.agents.values()) if (isOnline(agent, now)) count += 1;
  return Math.max(1, count);
}

/** GPU time at `now` that overdue jobs of lower tiers may take out of turn; below 0 after a long one. */
export function escapeBudget(state: QueueState, now: number): number {
  const { ms, at } = state.escape;
  const count = onlineCount(state, now);
  const earned = Math.max(0, now - at) * ESCAPE_SHARE * count;
  return Math.min(ms + earned, ESCAPE_BURST_MS * count);
}
