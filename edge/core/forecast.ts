/**
 * When a job should start, as a range that holds in four of five cases or more. A plain reckoning
 * of the work ahead is off by what it cannot know (who comes next, which model is loaded next); by
 * how much is learned: for reckonings of about the same length, a low and a high percentile of
 * (real wait / reckoned wait), moved a little by each start (Robbins and Monro 1951), so that the
 * share of starts inside stays the same whatever the load.
 * Costs O(agents + models waiting).
 */
import { FORESEEN_MS_MAX } from '#schema/limits.ts';
import { TIERS } from '#schema/plan.ts';
import type { Tier } from '#schema/plan.ts';
import { loadMsOf, serviceMsOf } from './figures.ts';
import { isOnline } from './online.ts';
import type { AgentEntry, LiveEntry, QueueState } from './state.ts';

/** A job that is not in the queue yet, or is. */
export type Place = Pick<
  LiveEntry,
  'accountId' | 'tier' | 'model' | 'millitokens' | 'tag' | 'place' | 'deadlineAt'
>;

/** What lies before a job. */
export interface Outlook {
  /** Jobs that go first, and the GPU time they take, by tier. */
  readonly ahead: Readonly<Record<Tier, number>>;
  readonly aheadMs: Readonly<Record<Tier, number>>;
  /** Agents online that can run it. */
  readonly agents: readonly AgentEntry[];
  /** Of its model: on a GPU, being loaded by one, or on none. */
  readonly modelState: 'resident' | 'loading' | 'cold';
  /** The plain reckoning of its wait until the engine starts; null while no agent is online. */
  readonly foreseenMs: number | null;
}

/** Percentiles of ln(real wait / reckoned wait), by the length of the reckoned one. */
export interface Errors {
  readonly low: number[];
  readonly high: number[];
}

/** Share of starts before the range that is told, and after it: less than a tenth, since a backlog
 * of hours is learned of too late. */
const TAIL = 0.07;
const STEP = 0.03;
/** Waits within this of one another are the same to a user; also keeps logarithms finite. */
const GRAIN_MS = 5000;
/** Reckonings are told apart by powers of this. */
const BAND = 4;
const BANDS = 7;
const FIRST_GUESS = Math.log(2.5);

/** Nothing learned yet: a factor of two and a half either way. */
export function firstErrors(): Errors {
  return {
    low: Array.from({ length: BANDS }, () => -FIRST_GUESS),
    high: Array.from({ length: BANDS }, () => FIRST_GUESS),
  };
}

/** What lies before a job at `now`. */
export function lookAhead(state: QueueState, now: number, job: Place): Outlook {
  const ahead: Record<Tier, number> = { admin: 0, pro: 0, starter: 0, free: 0 };
  const aheadMs: Record<Tier, number> = { admin: 0, pro: 0, starter: 0, free: 0 };
  const agents = agentsFor(state, job.model, now);
  const warm = new Set<string>();
  const holders: AgentEntry[] = [];
  for (const agent of agents) {
    const models = modelsOn(state, agent);
    for (const model of models) warm.add(model);
    if (models.includes(job.model)) holders.push(agent);
  }
  let totalMs = 0;
  let ownLineMs = 0;
  for (const tier of TIERS) {
    for (const line of state.waiting[tier].values()) {
      const count = tier === job.tier ? line.countBefore(job) : line.size;
      if (count === 0) continue;
      const mean = { model: line.model, millitokens: line.meanMillitokens };
      const ms = count * serviceMsOf(state.figures, mean);
      ahead[tier] += count;
      aheadMs[tier] += ms;
      totalMs += ms + (warm.has(line.model) ? 0 : loadMsOf(state.figures, line.model));
      if (line.model === job.model) ownLineMs += ms;
    }
    if (tier === job.tier) break;
  }
  const foreseenMs = reckon(state, { now, job, agents, holders, totalMs, ownLineMs });
  const isResident = agents.some(({ resident }) => resident.includes(job.model));
  const modelState = isResident ? 'resident' : holders.length > 0 ? 'loading' : 'cold';
  return { ahead, aheadMs, agents, modelState, foreseenMs };
}

function reckon(
  state: QueueState,
  of: {
    readonly now: number;
    readonly job: Place;
    readonly agents: readonly AgentEntry[];
    readonly holders: readonly AgentEntry[];
    readonly totalMs: number;
    readonly ownLineMs: number;
  },
): number | null {
  const { now, job, agents, holders, totalMs, ownLineMs } = of;
  if (agents.length === 0) return null;
  const loadMs = loadMsOf(state.figures, job.model);
  const anyMs = soonest(state, agents, now) + totalMs / agents.length + loadMs;
  if (holders.length === 0) return Math.min(FORESEEN_MS_MAX, Math.round(anyMs));
  // Its model's own line goes on where the model is loaded; other lines may come between.
  const hotMs = soonest(state, holders, now) + ownLineMs / holders.length;
  return Math.min(FORESEEN_MS_MAX, Math.round(Math.min(anyMs, hotMs)));
}

/** Until the first of these agents should be free. */
function soonest(state: QueueState, agents: readonly AgentEntry[], now: number): number {
  let least = Infinity;
  for (const agent of agents) {
    let untilMs = 0;
    for (const jobId of agent.leases) {
      const { expectedEndAt } = state.jobs.get(jobId)!;
      if (expectedEndAt !== null) untilMs = Math.max(untilMs, expectedEndAt - now);
    }
    least = Math.min(least, untilMs);
  }
  return least;
}

/** Models that an agent has, or will have once its present run has loaded its own. */
function modelsOn(state: QueueState, agent: AgentEntry): readonly string[] {
  if (agent.leases.size === 0) return agent.resident;
  const running = [...agent.leases].map((jobId) => state.jobs.get(jobId)!.model);
  return [...running, ...agent.resident];
}

function agentsFor(state: QueueState, model: string, now: number): AgentEntry[] {
  const found: AgentEntry[] = [];
  for (const agent of state.agents.values()) {
    if (!agent.draining && agent.models.has(model) && isOnline(agent, now)) found.push(agent);
  }
  return found;
}

/** The range of a reckoned wait, in ms: four of five starts fall inside it. */
export function rangeOf(
  errors: Errors,
  foreseenMs: number,
): { readonly leastMs: number; readonly mostMs: number } {
  const band = bandOf(foreseenMs);
  const at = (error: number) =>
    Math.max(0, Math.round((foreseenMs + GRAIN_MS) * Math.exp(error) - GRAIN_MS));
  const leastMs = at(errors.low[band]!);
  return { leastMs, mostMs: Math.max(at(errors.high[band]!), leastMs + GRAIN_MS / 5) };
}

/** Takes in how long a job really waited that was reckoned to wait `foreseenMs`. */
export function learnWait(errors: Errors, foreseenMs: number, realMs: number): void {
  const band = bandOf(foreseenMs);
  const error = Math.log((Math.max(0, realMs) + GRAIN_MS) / (foreseenMs + GRAIN_MS));
  errors.low[band]! += STEP * (TAIL - (error < errors.low[band]! ? 1 : 0));
  errors.high[band]! += STEP * (1 - TAIL - (error < errors.high[band]! ? 1 : 0));
}

function bandOf(foreseenMs: number): number {
  const band = Math.floor(Math.log(1 + foreseenMs / GRAIN_MS) / Math.log(BAND));
  return Math.min(BANDS - 1, band);
}
