/**
 * Whether a pool that started now from its disk would be the pool that lives: loads the store a
 * second time and compares. Not on disk, by design (scheduler/store.ts): short extensions of a
 * lease, an agent's last signs of life and what it has loaded.
 */
import { AGENT_SEEN_WRITE_MS, LEASE_MS, LEASE_WRITE_MS } from '#schema/limits.ts';
import { TIERS } from '#schema/plan.ts';
import type { AgentEntry, LiveEntry, QueueState } from '../../core/state.ts';
import { SchedulerStore } from '../../scheduler/store.ts';
import { makeStorage } from '../platform/disk.ts';
import type { Disk } from '../platform/disk.ts';
import type { World } from '../world.ts';

export function checkRestart(
  world: World,
  of: { readonly name: string; readonly disk: Disk; readonly now: number },
  state: QueueState,
): void {
  const { disk, name, now } = of;
  world.count('restarts compared');
  const loaded = disk.peek(() => new SchedulerStore(readOnly(disk)).load(now).state);
  const differ = (what: string) =>
    world.violate('a restart gives the same state', `${name}: ${what}`);
  compareKeys(loaded.jobs, state.jobs, differ);
  compareKeys(loaded.agents, state.agents, differ);
  for (const [id, entry] of state.jobs) {
    const other = loaded.jobs.get(id);
    if (other) compareJob(entry, other, differ);
  }
  for (const [id, agent] of state.agents) {
    const other = loaded.agents.get(id);
    if (other) compareAgent(agent, other, differ);
  }
  if (loaded.nextPlace < state.nextPlace) differ('a place would be given twice');
  if (String([...loaded.running].sort()) !== String([...state.running].sort())) differ('running');
  for (const tier of TIERS) {
    if (loaded.waitingCount[tier] !== state.waitingCount[tier]) differ(`${tier} waiting`);
    for (const [model, line] of state.waiting[tier]) {
      const was = [...line].map(({ id }) => id);
      const is = [...(loaded.waiting[tier].get(model) ?? [])].map(({ id }) => id);
      if (String(was) !== String(is)) differ(`the line of ${tier} ${model} is in another order`);
    }
  }
}

function readOnly(disk: Disk): DurableObjectStorage {
  return makeStorage(disk, { check: () => {}, sync: () => Promise.resolve() });
}

type Differ = (what: string) => void;

function compareKeys(a: ReadonlyMap<string, unknown>, b: typeof a, differ: Differ): void {
  const [left, right] = [[...a.keys()].sort(), [...b.keys()].sort()];
  if (String(left) !== String(right)) differ(`${String(left)} instead of ${String(right)}`);
}

function compareJob(live: LiveEntry, loaded: LiveEntry, differ: Differ): void {
  for (const key of Object.keys(live) as (keyof LiveEntry)[]) {
    if (key === 'lease' || MEMORY_ONLY.has(key)) continue;
    if (live[key] !== loaded[key]) {
      differ(`${live.id}.${key} is ${String(loaded[key])}, was ${String(live[key])}`);
    }
  }
  const [was, is] = [live.lease, loaded.lease];
  if (was?.agentId !== is?.agentId || was?.sessionId !== is?.sessionId) {
    differ(`${live.id} is held otherwise`);
  }
  if (!was || !is) return;
  // Never shorter, or an agent that reports in time would lose its job.
  if (is.expiresAt < was.expiresAt) differ(`the lease of ${live.id} lapses sooner`);
  if (is.expiresAt > was.expiresAt + LEASE_WRITE_MS + LEASE_MS) {
    differ(`the lease of ${live.id} lasts too long`);
  }
}

/** What dispatch reckons by, which a restart may forget. */
const MEMORY_ONLY: ReadonlySet<string> = new Set(['expectedEndAt', 'skipped']);

function compareAgent(live: AgentEntry, loaded: AgentEntry, differ: Differ): void {
  for (const key of ['name', 'secretHash', 'sessionId', 'draining', 'revoked'] as const) {
    if (live[key] !== loaded[key]) differ(`${live.id}.${key} is ${String(loaded[key])}`);
  }
  if (String([...live.models]) !== String([...loaded.models])) differ(`${live.id}.models`);
  if (String([...live.leases].sort()) !== String([...loaded.leases].sort())) {
    differ(`${live.id}.leases`);
  }
  const [was, is] = [live.lastSeenAt ?? 0, loaded.lastSeenAt ?? 0];
  if (Math.abs(was - is) > AGENT_SEEN_WRITE_MS) differ(`${live.id} was seen ${is}, not ${was}`);
}
