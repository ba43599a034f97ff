/**
 * Whether each grant from the queue is one that dispatch may make: no lower tier before a higher
 * one that this agent should start, unless by the escape budget; first come, first served within
 * account, tier and model; and no head passed over for longer, or more often, than its bound.
 */
import { ESCAPE_AFTER_MS, SKIPS_MAX } from '#schema/limits.ts';
import { TIERS } from '#schema/plan.ts';
import { bypassMsMax } from '../../core/dispatch.ts';
import { loadMsOf } from '../../core/figures.ts';
import type { AgentEntry, Change, LiveEntry, QueueState } from '../../core/state.ts';
import type { World } from '../world.ts';

type Granted = Extract<Change, { kind: 'job_granted' }>;

/** Lines that reached their bound at once are loaded one after another. */
const SKIPS_TOGETHER_MAX = 8;

/** Longer than a poll that is about to end, and so is passed over. */
const IDLE_MS_MAX = 5000;

export class DispatchCheck {
  readonly #world: World;
  readonly #isCalm: boolean;
  /** Since when each agent asks in vain. */
  readonly #askedAt = new Map<string, number>();

  constructor(world: World, isCalm: boolean) {
    this.#world = world;
    this.#isCalm = isCalm;
  }

  /** An agent asks, or its parked poll is looked at. */
  onAsked(agentId: string, now: number): void {
    if (!this.#askedAt.has(agentId)) this.#askedAt.set(agentId, now);
  }

  before(state: QueueState, change: Change): void {
    if (change.kind !== 'job_granted') return;
    const entry = state.jobs.get(change.jobId);
    const agent = state.agents.get(change.lease.agentId);
    if (entry?.status !== 'queued' || !agent) return;
    this.#judgeIdling(state, { change, entry });
    this.#judgeOrder(state, entry, agent);
    if (!change.turn) return;
    if (change.turn.escapeMs > 0) this.#judgeEscape(entry, change);
    else this.#judgeTiers(state, entry, agent);
    this.#judgeBypass(state, { change, entry, agent });
  }

  /** Without faults, and with no other agent to leave it to, a job starts when one asks for it. */
  #judgeIdling(state: QueueState, of: { change: Granted; entry: LiveEntry }): void {
    const { agentId } = of.change.lease;
    const askedAt = this.#askedAt.get(agentId) ?? of.change.at;
    this.#askedAt.delete(agentId);
    if (!this.#isCalm || state.agents.size > 1 || of.entry.attempt > 0) return;
    const idleMs = of.change.at - Math.max(askedAt, of.entry.queuedAt);
    if (idleMs <= IDLE_MS_MAX) return;
    this.#world.violate('an idle agent gets a waiting job', `${of.entry.id} after ${idleMs} ms`);
  }

  #judgeEscape(entry: LiveEntry, change: Granted): void {
    const waitedMs = change.at - entry.queuedAt;
    if (waitedMs > ESCAPE_AFTER_MS[entry.tier]) return;
    this.#world.violate('only who waits too long goes out of turn', `${entry.id} ${waitedMs} ms`);
  }

  #judgeTiers(state: QueueState, entry: LiveEntry, agent: AgentEntry): void {
    for (const tier of TIERS) {
      if (tier === entry.tier) return;
      for (const other of state.jobs.values()) {
        const waits = other.status === 'queued' && other.tier === tier;
        if (!waits || !agent.models.has(other.model) || isLeft(state, other, agent)) continue;
        const detail = `${entry.tier} ${entry.id} before ${tier} ${other.id}`;
        this.#world.violate('no lower tier goes before a higher one', detail);
      }
    }
  }

  #judgeOrder(state: QueueState, entry: LiveEntry, agent: AgentEntry): void {
    for (const other of state.jobs.values()) {
      const alike =
        other.status === 'queued' &&
        other.accountId === entry.accountId &&
        other.tier === entry.tier &&
        other.model === entry.model;
      if (!alike || other.place >= entry.place || other.failedBy === agent.id) continue;
      this.#world.violate('first come, first served', `${entry.id} before ${other.id}`);
    }
  }

  #judgeBypass(
    state: QueueState,
    { change, entry, agent }: { change: Granted; entry: LiveEntry; agent: AgentEntry },
  ): void {
    const { bypassed, skipped } = change.turn!;
    for (const jobId of skipped) {
      const times = (state.jobs.get(jobId)?.skipped ?? 0) + 1;
      if (times <= SKIPS_MAX + SKIPS_TOGETHER_MAX) continue;
      this.#world.violate('a model waits for its load within bounds', `${jobId} ${times} times`);
    }
    const head = bypassed && state.jobs.get(bypassed.jobId);
    if (!bypassed || !head) return;
    const debt = agent.ledger[entry.tier];
    const spentMs = (debt?.jobId === bypassed.jobId ? debt.ms : 0) + bypassed.ms;
    const loadMs = loadMsOf(state.figures, head.model, agent.id);
    // Lines that were skipped too often go first, whatever the ledger says.
    const forcedMs = SKIPS_MAX * bypassed.ms;
    const mostMs = bypassMsMax(loadMs, change.at - head.queuedAt) + forcedMs;
    if (spentMs <= mostMs) return;
    const detail = `${head.id} by ${agent.id}: ${spentMs} of ${mostMs} ms`;
    this.#world.violate('a head is passed over within its bound', detail);
  }
}

/** Whether a waiting job is rather for another agent: one that runs its model, or did not fail it. */
function isLeft(state: QueueState, job: LiveEntry, agent: AgentEntry): boolean {
  for (const other of state.agents.values()) {
    if (other === agent || other.draining || !other.models.has(job.model)) continue;
    if (job.failedBy === agent.id) return true;
    for (const id of other.leases) if (state.jobs.get(id)?.model === job.model) return true;
  }
  return false;
}
