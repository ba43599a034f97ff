/**
 * What always holds of a pool's state. `violations` names each rule that is broken; tests and
 * the simulation call it after every step.
 */
import { isTerminal } from '#schema/job.ts';
import { ATTEMPTS_MAX, LEASES_PER_AGENT_MAX } from '#schema/limits.ts';
import { TIERS } from '#schema/plan.ts';
import { isBefore } from './line.ts';
import type { Line } from './line.ts';
import type { LiveEntry, QueueState } from './state.ts';

/** Broken rules in words; empty when all hold. Walks the whole state: not for production. */
export function violations(state: QueueState): string[] {
  const broken: string[] = [];
  const rule = (holds: boolean, what: string) => {
    if (!holds) broken.push(what);
  };
  const open = new Map<string, number>();
  let waiting = 0;
  for (const entry of state.jobs.values()) {
    checkEntry(state, entry, rule);
    if (!isTerminal(entry.status)) {
      open.set(entry.accountId, (open.get(entry.accountId) ?? 0) + 1);
    }
    if (entry.status === 'queued') waiting += 1;
  }
  for (const [account, count] of open) {
    rule(state.accounts.get(account)?.open === count, `${account}: open jobs are counted`);
  }
  rule(open.size === state.accounts.size, 'only accounts with open jobs are counted');
  let queued = 0;
  for (const tier of TIERS) {
    let size = 0;
    for (const line of state.waiting[tier].values()) {
      size += line.size;
      checkLine(line, rule);
    }
    rule(size === state.waitingCount[tier], `${tier}: waiting jobs are counted`);
    queued += size;
  }
  rule(queued === waiting, 'every queued job waits in one queue, and no other does');
  for (const agent of state.agents.values()) {
    rule(agent.leases.size <= LEASES_PER_AGENT_MAX, `${agent.id}: few leases`);
    for (const id of agent.leases) {
      rule(state.jobs.get(id)?.lease?.agentId === agent.id, `${agent.id}: its leases are its own`);
    }
  }
  return broken;
}

function checkEntry(
  state: QueueState,
  entry: LiveEntry,
  rule: (holds: boolean, what: string) => void,
): void {
  const running = entry.status === 'running';
  rule((entry.lease !== null) === running, `${entry.id}: a lease exactly while running`);
  rule(state.running.has(entry.id) === running, `${entry.id}: listed exactly while running`);
  rule(entry.attempt >= 0 && entry.attempt <= ATTEMPTS_MAX, `${entry.id}: attempts are bounded`);
  rule(entry.fencingToken >= entry.attempt, `${entry.id}: a token per attempt`);
  const agent = entry.lease && state.agents.get(entry.lease.agentId);
  rule(!agent || agent.leases.has(entry.id), `${entry.id}: its holder knows`);
}

function checkLine(line: Line, rule: (holds: boolean, what: string) => void): void {
  let before: LiveEntry | null = null;
  for (const entry of line) {
    rule(entry.status === 'queued', `${entry.id}: only queued jobs wait`);
    rule(entry.model === line.model, `${entry.id}: waits in its model's line`);
    rule(!before || isBefore(before, entry), `${entry.id}: a line is in fair order`);
    before = entry;
  }
}
