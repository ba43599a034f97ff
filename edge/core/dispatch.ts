/**
 * Which waiting job an idle agent gets: the one place that chooses.
 * Tiers are strict. Within a tier the oldest job goes first, except that a model the agent has
 * loaded may go before an older job of another model, at most BYPASS_MAX times for that job.
 * Costs O(models waiting in the tier), whatever the number of jobs. It does not share a tier's
 * time between accounts yet, nor give lower tiers an escape from a steady load above them.
 */
import { BYPASS_MAX } from '#schema/limits.ts';
import { TIERS } from '#schema/plan.ts';
import type { LiveEntry, QueueState } from './state.ts';

/** What a choice needs to know of the agent. */
export interface Candidate {
  readonly models: ReadonlySet<string>;
  readonly resident: readonly string[];
}

/** What an idle agent is given. */
export interface Choice {
  readonly entry: LiveEntry;
  /** The older job that is passed over, or null. */
  readonly bypassed: LiveEntry | null;
}

/** The job for this agent, or null when nothing waits that it can run. */
export function choose(state: QueueState, agent: Candidate): Choice | null {
  const resident = new Set(agent.resident);
  for (const tier of TIERS) {
    let head: number | undefined;
    let hot: number | undefined;
    for (const [model, places] of state.waiting[tier]) {
      if (!agent.models.has(model)) continue;
      const first = places.first()!;
      if (head === undefined || first < head) head = first;
      if (resident.has(model) && (hot === undefined || first < hot)) hot = first;
    }
    if (head === undefined) continue;
    const oldest = entryAt(state, head);
    if (hot === undefined || hot === head || oldest.bypassed >= BYPASS_MAX) {
      return { entry: oldest, bypassed: null };
    }
    return { entry: entryAt(state, hot), bypassed: oldest };
  }
  return null;
}

function entryAt(state: QueueState, place: number): LiveEntry {
  return state.jobs.get(state.idByPlace.get(place)!)!;
}
