/**
 * What a pool learns of its models: how long a load takes, how long the work of a millitoken
 * takes, and how often each is asked for. Exponentially weighted means, per agent and over all
 * agents; the catalog's figures stand in until the first job has ended.
 */
import { assert } from '#schema/assert.ts';
import { DEMAND_HALF_LIFE_MS, FIGURES_MAX } from '#schema/limits.ts';
import { findModel } from '#schema/model.ts';
import { standardMillitokens } from '#schema/price.ts';

/** Means of one model, on one agent or over all; null until learned. Milliseconds. */
interface Means {
  loadMs: number | null;
  msPerMillitoken: number | null;
}

interface ModelFigures extends Means {
  /** Jobs asked for, decaying by half every DEMAND_HALF_LIFE_MS; as of `demandAt`. */
  demand: number;
  demandAt: number;
  readonly agents: Map<string, Means>;
}

/** What is known of each model, by its id. */
export type Figures = Map<string, ModelFigures>;

/** What a job that ended tells. */
export interface Sample {
  readonly agentId: string;
  readonly model: string;
  readonly millitokens: number;
  /** 0 when nothing had to be loaded. */
  readonly loadMs: number;
  readonly serviceMs: number;
}

/** Weight of a new sample, and of the very first against what the catalog says. */
const WEIGHT = 0.1;
const FIRST_WEIGHT = 0.7;
/** A model that the catalog does not know. */
const DEFAULT_LOAD_MS = 20_000;
const DEFAULT_SERVICE_MS = 15_000;
const DEFAULT_MILLITOKENS = 1000;

/** How long the agent takes to load the model; without an agent, how long agents take. */
export function loadMsOf(figures: Figures, model: string, agentId?: string): number {
  const known = figures.get(model);
  const own = agentId === undefined ? undefined : known?.agents.get(agentId)?.loadMs;
  return own ?? known?.loadMs ?? findModel(model)?.loadMs ?? DEFAULT_LOAD_MS;
}

/** How long the agent takes for a job of this price, its model being loaded. */
export function serviceMsOf(
  figures: Figures,
  job: { readonly model: string; readonly millitokens: number },
  agentId?: string,
): number {
  const known = figures.get(job.model);
  const own = agentId === undefined ? undefined : known?.agents.get(agentId)?.msPerMillitoken;
  return (own ?? known?.msPerMillitoken ?? msPerMillitoken(job.model)) * job.millitokens;
}

function msPerMillitoken(model: string): number {
  const known = findModel(model);
  if (!known) return DEFAULT_SERVICE_MS / DEFAULT_MILLITOKENS;
  return known.serviceMs / standardMillitokens(known);
}

/** Takes in how long a job took. */
export function learn(figures: Figures, sample: Sample): void {
  const { agentId, model, millitokens, loadMs, serviceMs } = sample;
  assert(millitokens > 0, 'every job has a price');
  const known = figuresOf(figures, model);
  let own = known.agents.get(agentId);
  if (!own) {
    own = { loadMs: null, msPerMillitoken: null };
    if (known.agents.size < FIGURES_MAX) known.agents.set(agentId, own);
  }
  if (loadMs > 0) {
    const prior = loadMsOf(figures, model, agentId);
    own.loadMs = blend(own.loadMs, prior, loadMs);
    known.loadMs = blend(known.loadMs, prior, loadMs);
  }
  if (serviceMs <= 0) return;
  const rate = serviceMs / millitokens;
  const prior = known.msPerMillitoken ?? msPerMillitoken(model);
  own.msPerMillitoken = blend(own.msPerMillitoken, prior, rate);
  known.msPerMillitoken = blend(known.msPerMillitoken, prior, rate);
}

function blend(mean: number | null, prior: number, sample: number): number {
  return mean === null ? prior + FIRST_WEIGHT * (sample - prior) : mean + WEIGHT * (sample - mean);
}

/** Counts one job that is asked for. */
export function countDemand(figures: Figures, model: string, now: number): void {
  const known = figuresOf(figures, model);
  known.demand = decayed(known, now) + 1;
  known.demandAt = now;
}

/** How much a model is asked for: jobs of late, older ones counting less. */
export function demandOf(figures: Figures, model: string, now: number): number {
  const known = figures.get(model);
  return known ? decayed(known, now) : 0;
}

function decayed(known: ModelFigures, now: number): number {
  return known.demand * 2 ** (-Math.max(0, now - known.demandAt) / DEMAND_HALF_LIFE_MS);
}

function figuresOf(figures: Figures, model: string): ModelFigures {
  let known = figures.get(model);
  if (!known) {
    known = { loadMs: null, msPerMillitoken: null, demand: 0, demandAt: 0, agents: new Map() };
    // Model ids come from the catalog; the bound is for a catalog that changes for years.
    if (figures.size < FIGURES_MAX) figures.set(model, known);
  }
  return known;
}
