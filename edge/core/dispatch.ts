/**
 * Which waiting job an idle agent gets: the one place that chooses.
 *
 * Tiers are strict, but for overdue jobs of lower tiers within their escape budget. In a tier,
 * lines (one per model) compete by urgency over cost: the waiting of their jobs, a convex
 * function of their ages, over the GPU time that serving them takes. Loading a model counts as
 * several loads and staying with a loaded one weighs more, so that agents do not flit between
 * models; a model that another agent holds counts for less, so that they do not all load it; and
 * jobs that another agent will start no later are left to it. Two bounds keep that honest: the
 * GPU time an agent spends before the head of the tier (its ledger), and how often a younger
 * model is loaded before an older line (its skips).
 *
 * Costs O(agents + models waiting), whatever the number of jobs.
 * The index is the generalised c-mu rule (Van Mieghem 1995) with hysteresis for the set-ups.
 */
import {
  BYPASS_AGE_SHARE,
  BYPASS_LOADS,
  BYPASS_MS_MAX,
  BYPASS_MS_MIN,
  ESCAPE_AFTER_MS,
  ESCAPE_BURST_MS,
  LEASES_PER_AGENT_MAX,
  SKIPS_MAX,
} from '#schema/limits.ts';
import { TIERS } from '#schema/plan.ts';
import type { Tier } from '#schema/plan.ts';
import { demandOf, loadMsOf, serviceMsOf } from './figures.ts';
import { busyHolders, isAbove, lastGranted, startedBy } from './holder.ts';
import type { Holder } from './holder.ts';
import { isBefore } from './line.ts';
import type { Line } from './line.ts';
import { escapeBudget, isOnline } from './online.ts';
import type { AgentEntry, LiveEntry, QueueState, Turn } from './state.ts';

/** An agent that asks for a job. */
export interface Asker {
  readonly agent: AgentEntry;
  /** Models it has loaded now, or will when its present run ends. */
  readonly resident: readonly string[];
}

/** What it is given. */
export interface Choice {
  readonly entry: LiveEntry;
  readonly isLoaded: boolean;
  /** How long it should take on this agent, and how much of that is the load. */
  readonly expectedMs: number;
  readonly loadMs: number;
  readonly turn: Turn;
}

/** A line that the agent may take the first job of. */
interface Candidate {
  readonly line: Line;
  readonly first: LiveEntry;
  readonly isLoaded: boolean;
  /** Jobs per GPU second, weighed by their urgency. */
  readonly index: number;
  readonly costMs: number;
}

/** A job counts twice when it has waited for this many times the mean of its tier's ages, */
const AGE_MEANS = 1.4;
/** and at least this long. */
const AGE_S_MIN = 90;
/** A load counts as this many loads, and as twice that where another agent has the model. */
const LOADS_PER_SWITCH = 4;
/** A line whose jobs have waited this many loads on average is left to no busy agent any more. */
const LEFT_LOADS_MAX = 40;
/** What staying with a loaded model weighs. */
const STAY_WEIGHT = 3;
/** Jobs at the front of a line that are looked through for one this agent has not failed. */
const FAILED_BY_MAX = 8;

/** The job for this agent, or null when nothing waits that it should start now. */
export function choose(state: QueueState, asker: Asker, now: number): Choice | null {
  const chooser = new Chooser(state, asker, now);
  return chooser.overdue() ?? chooser.inTurn();
}

/** One choice under way: what is looked up once for all tiers. */
class Chooser {
  readonly #state: QueueState;
  readonly #asker: Asker;
  readonly #now: number;
  readonly #loaded: ReadonlySet<string>;
  readonly #agesS: Partial<Record<Tier, number>> = {};
  #others: ReadonlyMap<string, readonly Holder[]> | null = null;

  constructor(state: QueueState, asker: Asker, now: number) {
    this.#state = state;
    this.#asker = asker;
    this.#now = now;
    this.#loaded = new Set(asker.resident);
  }

  /** The head of a lower tier that waits for too long while higher ones go first, or null. */
  overdue(): Choice | null {
    let isHigherWaiting = false;
    for (const tier of TIERS) {
      if (isHigherWaiting && ESCAPE_AFTER_MS[tier] < Infinity) {
        const head = this.#head(tier);
        // One that is dearer than the budget saves up: no lower tier may spend it before.
        if (head && this.#now - head.queuedAt > ESCAPE_AFTER_MS[tier]) return this.#escaping(head);
      }
      isHigherWaiting ||= this.#head(tier) !== null;
    }
    return null;
  }

  #escaping(head: LiveEntry): Choice | null {
    const isLoaded = this.#loaded.has(head.model);
    const expectedMs = this.#costMs(head, isLoaded);
    // One that costs more than was ever saved goes when the budget is full, and leaves a debt.
    const budget = escapeBudget(this.#state, this.#now);
    if (budget < Math.min(expectedMs, ESCAPE_BURST_MS)) return null;
    const loadMs = this.#loadMs(head.model, isLoaded);
    return {
      entry: head,
      isLoaded,
      expectedMs,
      loadMs,
      turn: { bypassed: null, skipped: [], headTag: head.tag, escapeMs: expectedMs },
    };
  }

  inTurn(): Choice | null {
    for (const tier of TIERS) {
      const choice = this.#inTier(tier);
      if (choice) return choice;
    }
    return null;
  }

  #inTier(tier: Tier): Choice | null {
    const head = this.#head(tier);
    if (!head) return null;
    const candidates = this.#candidates(tier);
    let pick = best(candidates);
    if (!pick) return null;
    const ofHead = candidates.find(({ line }) => line.model === head.model);
    if (ofHead && ofHead !== pick && this.#isOwed(tier, ofHead, pick)) pick = ofHead;
    if (!pick.isLoaded) pick = mostSkipped(candidates) ?? pick;
    const { first, isLoaded, costMs } = pick;
    const isBypass = ofHead !== undefined && ofHead !== pick;
    return {
      entry: first,
      isLoaded,
      expectedMs: costMs,
      loadMs: this.#loadMs(first.model, isLoaded),
      turn: {
        // A head that was left to another agent is still owed what it was.
        bypassed: first === head ? null : { jobId: head.id, ms: isBypass ? costMs : 0 },
        skipped: isLoaded ? [] : skippedBy(candidates, pick),
        headTag: head.tag,
        escapeMs: 0,
      },
    };
  }

  /** Whether the pick would take more time before the head than this agent may. */
  #isOwed(tier: Tier, { first }: Candidate, pick: Candidate): boolean {
    const debt = this.#asker.agent.ledger[tier];
    const spentMs = debt?.jobId === first.id ? debt.ms : 0;
    const loadMs = loadMsOf(this.#state.figures, first.model, this.#asker.agent.id);
    return spentMs + pick.costMs > bypassMsMax(loadMs, this.#now - first.queuedAt);
  }

  /** The first job of the tier that this agent can run. */
  #head(tier: Tier): LiveEntry | null {
    let head: LiveEntry | null = null;
    for (const line of this.#state.waiting[tier].values()) {
      const first = this.#firstOf(line);
      if (first && (!head || isBefore(first, head))) head = first;
    }
    return head;
  }

  /** The first job of a line that is for this agent: not one it has failed and another can run. */
  #firstOf(line: Line): LiveEntry | null {
    const { agent } = this.#asker;
    if (!agent.models.has(line.model)) return null;
    for (let skip = 0; skip < FAILED_BY_MAX; skip += 1) {
      const entry = line.at(skip);
      if (!entry) return null;
      if (entry.failedBy !== agent.id || !this.#hasOther(entry)) return entry;
    }
    return null;
  }

  /** Whether another agent can be expected to take a job of this line. */
  #hasOther({ model, tier }: LiveEntry): boolean {
    for (const agent of this.#state.agents.values()) {
      const isOther = agent !== this.#asker.agent && !agent.draining && agent.models.has(model);
      if (!isOther || !isOnline(agent, this.#now)) continue;
      const last = lastGranted(this.#state, agent);
      // One that serves a higher tier may go on with that for ever.
      if (!last || !isAbove(last.tier, tier)) return true;
    }
    return false;
  }

  /** Jobs of the model that wait in higher tiers: agents that hold it start these first. */
  #waitingAbove(tier: Tier, model: string): number {
    let count = 0;
    for (const higher of TIERS) {
      if (higher === tier) break;
      count += this.#state.waiting[higher].get(model)?.size ?? 0;
    }
    return count;
  }

  #candidates(tier: Tier): Candidate[] {
    const candidates: Candidate[] = [];
    for (const line of this.#state.waiting[tier].values()) {
      const first = this.#firstOf(line);
      const candidate = first && this.#candidate(line, first);
      if (candidate) candidates.push(candidate);
    }
    return candidates;
  }

  /** The line with its index, or null when other agents will start all of it no later. */
  #candidate(line: Line, first: LiveEntry): Candidate | null {
    const { figures } = this.#state;
    const { model, size } = line;
    const agentId = this.#asker.agent.id;
    const serviceMs = serviceMsOf(figures, { model, millitokens: line.meanMillitokens }, agentId);
    const ageS = this.#ageS(first.tier);
    const ages = line.ages(this.#now);
    const urgency = size + ages.squares / (ageS * ageS);
    const isLoaded = this.#loaded.has(model);
    const costMs = this.#costMs(first, isLoaded);
    if (isLoaded) {
      const index = (STAY_WEIGHT * urgency) / (size * serviceMs);
      return { line, first, isLoaded, index, costMs };
    }
    const loadMs = loadMsOf(figures, model, agentId);
    const others = this.#holders(model);
    const started = startedBy(others, { tier: first.tier, loadMs, serviceMs });
    const left = size - Math.max(0, started - this.#waitingAbove(first.tier, model));
    // Nothing is left to others for long: they may have been given something better meanwhile.
    const isLate = ages.sum > size * LEFT_LOADS_MAX * (loadMs / 1000);
    const isOwed = isLate || first.failedBy !== null || first.skipped >= SKIPS_MAX;
    if (left <= 0 && !isOwed) return null;
    const share = (left > 0 ? left : 1) / (1 + others.length);
    const switches = others.length > 0 ? 2 * LOADS_PER_SWITCH : LOADS_PER_SWITCH;
    const index = (urgency * (share / size)) / (switches * loadMs + share * serviceMs);
    return { line, first, isLoaded, index, costMs };
  }

  /**
   * The age at which a job of the tier counts twice. In proportion to the ages there are, so that
   * the old come first alike in a burst of minutes and in a backlog of hours.
   */
  #ageS(tier: Tier): number {
    const known = this.#agesS[tier];
    if (known !== undefined) return known;
    let sumS = 0;
    for (const line of this.#state.waiting[tier].values()) sumS += line.ages(this.#now).sum;
    const meanS = sumS / this.#state.waitingCount[tier];
    return (this.#agesS[tier] = Math.max(AGE_S_MIN, AGE_MEANS * meanS));
  }

  #costMs({ model, millitokens }: LiveEntry, isLoaded: boolean): number {
    const { figures } = this.#state;
    const { id } = this.#asker.agent;
    const serviceMs = serviceMsOf(figures, { model, millitokens }, id);
    return serviceMs + this.#loadMs(model, isLoaded);
  }

  #loadMs(model: string, isLoaded: boolean): number {
    return isLoaded ? 0 : loadMsOf(this.#state.figures, model, this.#asker.agent.id);
  }

  /** The other busy agents that hold a model. */
  #holders(model: string): readonly Holder[] {
    this.#others ??= busyHolders(this.#state, this.#asker.agent, this.#now);
    return this.#others.get(model) ?? [];
  }
}

/**
 * Of idle agents, the one that is to be given the next job: the first that has its model loaded,
 * otherwise the one whose loaded models will be missed least. Null when no job is for any.
 */
export function bestAsker(state: QueueState, askers: readonly Asker[], now: number): Asker | null {
  let pick: Asker | null = null;
  let least = Infinity;
  const holders = countHolders(state);
  for (const asker of askers) {
    const choice = choose(state, asker, now);
    if (!choice) continue;
    if (choice.isLoaded) return asker;
    const missed = missedBy(state, asker, { holders, now });
    if (missed < least) {
      least = missed;
      pick = asker;
    }
  }
  return pick;
}

/** How many agents have each model loaded. */
function countHolders(state: QueueState): ReadonlyMap<string, number> {
  const holders = new Map<string, number>();
  for (const { resident } of state.agents.values()) {
    for (const model of resident) holders.set(model, (holders.get(model) ?? 0) + 1);
  }
  return holders;
}

/** How much the models that an agent has loaded are asked for, shared among all that have them. */
function missedBy(
  { figures }: QueueState,
  { resident }: Asker,
  { holders, now }: { readonly holders: ReadonlyMap<string, number>; readonly now: number },
): number {
  let sum = 0;
  for (const model of resident) sum += demandOf(figures, model, now) / (holders.get(model) ?? 1);
  return sum;
}

/**
 * The chosen job with those that run as one batch with it: like jobs, when nothing of another
 * kind waits in its tier, as many as the agent's engine takes. They follow it in its line.
 */
export function batchOf(
  state: QueueState,
  agent: AgentEntry,
  entry: LiveEntry,
): readonly LiveEntry[] {
  const free = LEASES_PER_AGENT_MAX - agent.leases.size;
  const most = Math.min(agent.batchMax.get(entry.model) ?? 1, free);
  const keys = state.batchKeys[entry.tier];
  if (most <= 1 || entry.batchKey === '' || keys.size > 1) return [entry];
  const batch = [entry];
  for (const other of state.waiting[entry.tier].get(entry.model) ?? []) {
    if (batch.length >= most) break;
    if (other !== entry && other.failedBy !== agent.id) batch.push(other);
  }
  return batch;
}

/** GPU time that an agent may spend before a head that has waited for `ageMs`. */
export function bypassMsMax(loadMs: number, ageMs: number): number {
  const least = Math.min(Math.max(BYPASS_LOADS * loadMs, BYPASS_MS_MIN), BYPASS_MS_MAX);
  return Math.min(BYPASS_MS_MAX, Math.max(least, BYPASS_AGE_SHARE * ageMs));
}

function best(candidates: readonly Candidate[]): Candidate | null {
  let pick: Candidate | null = null;
  for (const candidate of candidates) {
    const isEqual = candidate.index === pick?.index;
    const isBetter = !pick || candidate.index > pick.index;
    if (isBetter || (isEqual && isBefore(candidate.first, pick!.first))) pick = candidate;
  }
  return pick;
}

/** Of the models to load, the one whose line was passed over too often; the oldest of them. */
function mostSkipped(candidates: readonly Candidate[]): Candidate | null {
  let pick: Candidate | null = null;
  for (const candidate of candidates) {
    if (candidate.isLoaded || candidate.first.skipped < SKIPS_MAX) continue;
    if (!pick || isBefore(candidate.first, pick.first)) pick = candidate;
  }
  return pick;
}

function skippedBy(candidates: readonly Candidate[], pick: Candidate): string[] {
  return candidates
    .filter(({ isLoaded, first }) => !isLoaded && isBefore(first, pick.first))
    .map(({ first }) => first.id);
}
