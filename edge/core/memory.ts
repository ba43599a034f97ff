/**
 * What a pool has learned and owes, as plain data: figures of its models, virtual times, the
 * escape budget, and what agents owe to the heads of tiers. Not needed for any job to be right:
 * it is written now and then, and what came after the last writing is forgiven at a restart.
 */
import { FIGURE_PAIRS_MAX } from '#schema/limits.ts';
import type { Tier } from '#schema/plan.ts';
import type { Figures } from './figures.ts';
import type { Errors } from './forecast.ts';
import type { AgentEntry, QueueState } from './state.ts';

type Means = readonly [loadMs: number | null, msPerMillitoken: number | null];
type Line<Value> = readonly (readonly [id: string, value: Value])[];

/** A pool's memory as JSON keeps it. */
export interface Memory {
  readonly virtualTime: Readonly<Record<Tier, number>>;
  readonly escape: QueueState['escape'];
  readonly figures: Line<{
    readonly means: Means;
    readonly demand: readonly [demand: number, at: number];
    readonly agents: Line<Means>;
  }>;
  readonly errors: Errors;
  readonly ledgers: Line<AgentEntry['ledger']>;
  readonly skipped: Line<number>;
}

/** The memory of a state. */
export function toMemory(state: QueueState): Memory {
  let pairs = 0;
  const figures = [...state.figures].map(([model, known]) => {
    const agents = [...known.agents]
      .filter(([id]) => state.agents.get(id)?.revoked === false && ++pairs <= FIGURE_PAIRS_MAX)
      .map(([id, own]) => [id, meansOf(own)] as const);
    const demand = [known.demand, known.demandAt] as const;
    return [model, { means: meansOf(known), demand, agents }] as const;
  });
  const firsts = Object.values(state.waiting).flatMap((lines) =>
    [...lines.values()].map((line) => line.at(0)!),
  );
  return {
    virtualTime: { ...state.virtualTime },
    escape: state.escape,
    figures,
    errors: state.errors,
    ledgers: [...state.agents.values()].map(({ id, ledger }) => [id, { ...ledger }]),
    skipped: firsts.filter(({ skipped }) => skipped > 0).map(({ id, skipped }) => [id, skipped]),
  };
}

/** Gives a state that was just loaded its memory back. */
export function remember(state: QueueState, memory: Memory): void {
  for (const tier of Object.keys(state.virtualTime) as Tier[]) {
    state.virtualTime[tier] = Math.max(state.virtualTime[tier], memory.virtualTime[tier]);
  }
  state.escape = memory.escape;
  for (const [model, known] of memory.figures) state.figures.set(model, toFigures(known));
  Object.assign(state.errors, memory.errors);
  for (const [id, ledger] of memory.ledgers) {
    const agent = state.agents.get(id);
    if (agent) Object.assign(agent.ledger, ledger);
  }
  for (const [id, skipped] of memory.skipped) {
    const entry = state.jobs.get(id);
    if (entry?.status === 'queued') entry.skipped = skipped;
  }
}

function toFigures(known: Memory['figures'][number][1]) {
  const [loadMs, msPerMillitoken] = known.means;
  const [demand, demandAt] = known.demand;
  const agents = new Map(
    known.agents.map(([id, [load, rate]]) => [id, { loadMs: load, msPerMillitoken: rate }]),
  );
  return { loadMs, msPerMillitoken, demand, demandAt, agents };
}

function meansOf(of: Pick<FiguresOfModel, 'loadMs' | 'msPerMillitoken'>): Means {
  const rate = of.msPerMillitoken;
  return [
    of.loadMs === null ? null : Math.round(of.loadMs),
    rate === null ? null : Number(rate.toPrecision(4)),
  ];
}

type FiguresOfModel = Figures extends Map<string, infer Value> ? Value : never;
