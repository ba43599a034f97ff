import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bypassMsMax, choose } from './dispatch.ts';
import { insertEntry, noDebts } from './evolve.ts';
import { fairTags } from './fair.ts';
import { demandOf } from './figures.ts';
import { LOAD_MS, START, TestPool, World, imageSpec, jobId, order } from './fixture.ts';
import type { Arrival } from './fixture.ts';
import { rangeOf } from './forecast.ts';
import { remember, toMemory } from './memory.ts';
import type { Memory } from './memory.ts';
import { escapeBudget } from './online.ts';
import { emptyState } from './state.ts';
import type { QueueState } from './state.ts';

const MODELS = ['x', 'y', 'z', 'w'];

function throughJson(state: QueueState): Memory {
  return JSON.parse(JSON.stringify(toMemory(state))) as Memory;
}

/** A state of the same jobs and agents, as a store has them, that has learned nothing. */
function reloaded(from: QueueState): QueueState {
  const state = emptyState();
  for (const agent of from.agents.values()) {
    state.agents.set(agent.id, { ...agent, leases: new Set(), ledger: noDebts() });
  }
  for (const entry of from.jobs.values()) insertEntry(state, { ...entry, skipped: 0 });
  return state;
}

/** Whom each agent would be given, now and later, with each model loaded or none. */
function choicesOf(state: QueueState, now: number) {
  return [...state.agents.values()].flatMap((agent) =>
    [[], ...MODELS.map((model) => [model])].flatMap((resident) =>
      [now, now + 20_000, now + 1_200_000].map((at) => {
        const choice = choose(state, { agent, resident }, at);
        const skipped = choice?.turn.skipped.toSorted();
        return choice && { ...choice, entry: choice.entry.id, turn: { ...choice.turn, skipped } };
      }),
    ),
  );
}

const job = fc.record({
  gapS: fc.nat(30),
  tier: fc.constantFrom('pro' as const, 'free' as const, 'free' as const, 'free' as const),
  account: fc.nat(5),
  model: fc.constantFrom(...MODELS, 'x', 'x', 'x'),
  size: fc.constantFrom(1000, 1000, 2000, 4000),
});

type Job = typeof job extends fc.Arbitrary<infer Of> ? Of : never;

/** A workload with whole seconds, of which all sums are exact. */
function workload(jobs: readonly Job[]) {
  let at = START;
  return jobs.map(({ gapS, tier, account, model, size }, index): Arrival => {
    at += gapS * 1000;
    const spec = imageSpec(model);
    const more = { tier, accountId: `acc_${account}`, spec, heldMillitokens: size };
    return { at, order: order(index, more) };
  });
}

/** After 90 s on one agent, a job alone of y was passed over by two bursts of other models. */
const PASSING: Job[] = [
  { model: 'x', gapS: 0, count: 1 },
  { model: 'y', gapS: 1, count: 1 },
  { model: 'z', gapS: 1, count: 4 },
  { model: 'w', gapS: 58, count: 4 },
].flatMap(({ model, gapS, count }, account) =>
  Array.from({ length: count }, (_, index) => {
    return { model, gapS: index === 0 ? gapS : 0, tier: 'free', account, size: 1000 };
  }),
);

describe('a memory', () => {
  it('gives a pool that was loaded anew the choices it would have made', () => {
    let owed = 0;
    let skipped = 0;
    fc.assert(
      fc.property(
        fc.array(job, { minLength: 20, maxLength: 120 }),
        fc.integer({ min: 60, max: 1800 }),
        fc.boolean(),
        (jobs, playedS, isAlone) => {
          const world = new World();
          world.addGpu('agt_a', MODELS);
          if (!isAlone) world.addGpu('agt_b', MODELS.slice(0, 3));
          world.play(workload(jobs), {}, START + playedS * 1000);
          const { state } = world.pool;
          const again = reloaded(state);
          remember(again, throughJson(state));
          const now = START + playedS * 1000;
          expect(choicesOf(again, now)).toEqual(choicesOf(state, now));
          expect(escapeBudget(again, now)).toBe(escapeBudget(state, now));
          expect(again.virtualTime).toEqual(state.virtualTime);
          for (const model of MODELS) {
            expect(demandOf(again.figures, model, now)).toBe(demandOf(state.figures, model, now));
          }
          for (const ms of [0, 30_000, 900_000]) {
            expect(rangeOf(again.errors, ms)).toEqual(rangeOf(state.errors, ms));
          }
          const other = order(999, { accountId: 'acc_new', spec: imageSpec('x') });
          expect(fairTags(again, other, now)).toEqual(fairTags(state, other, now));
          owed += [...state.agents.values()].filter(({ ledger }) => ledger.free !== null).length;
          skipped += [...state.jobs.values()].filter((entry) => entry.skipped > 0).length;
        },
      ),
      { numRuns: 60, examples: [[PASSING, 90, true]] as [Job[], number, boolean][] },
    );
    // What is to be remembered was there.
    expect(owed).toBeGreaterThan(0);
    expect(skipped).toBeGreaterThan(0);
  });

  it.each<[string, (memory: Memory) => Memory]>([
    ['its ledgers', (memory) => ({ ...memory, ledgers: [] })],
    ['its skips', (memory) => ({ ...memory, skipped: [] })],
    ['its figures', (memory) => ({ ...memory, figures: [] })],
  ])('without %s would choose otherwise', (_, without) => {
    const pool = new TestPool();
    const agent = pool.addAgent('agt_a', MODELS);
    pool.enqueue(order(1, { accountId: 'acc_1', spec: imageSpec('y') }));
    pool.enqueue(order(2, { accountId: 'acc_2', spec: imageSpec('z') }), START + 1);
    for (let number = 3; number < 40; number += 1) {
      pool.enqueue(order(number, { spec: imageSpec('x') }), START + 2);
    }
    const entry = pool.agent(agent);
    entry.ledger.free = { jobId: jobId(1), ms: bypassMsMax(LOAD_MS, 0) - 1 };
    pool.state.jobs.get(jobId(2))!.skipped = 2;
    // Jobs of y take an hour: with nothing loaded, it would be the last.
    const known = pool.state.figures.get('y')!;
    known.msPerMillitoken = 3600;
    const chosenBy = (memory: Memory) => {
      const again = reloaded(pool.state);
      remember(again, memory);
      return choicesOf(again, START);
    };
    const memory = throughJson(pool.state);
    expect(chosenBy(memory)).toEqual(choicesOf(pool.state, START));
    expect(chosenBy(without(memory))).not.toEqual(choicesOf(pool.state, START));
  });

  it('keeps what overdue jobs have taken out of turn', () => {
    const pool = new TestPool();
    pool.addAgent('agt_a', ['x']);
    pool.state.escape = { ms: -5000, at: START };
    const again = reloaded(pool.state);
    expect(escapeBudget(again, START)).not.toBe(-5000);
    remember(again, throughJson(pool.state));
    expect(escapeBudget(again, START)).toBe(-5000);
  });

  it('of jobs and agents that are gone changes nothing', () => {
    const pool = new TestPool();
    const agent = pool.addAgent('agt_a', ['x']);
    pool.enqueue(order(1, { spec: imageSpec('x') }));
    pool.state.jobs.get(jobId(1))!.skipped = 1;
    pool.agent(agent).ledger.free = { jobId: jobId(1), ms: 5 };
    const empty = emptyState();
    remember(empty, throughJson(pool.state));
    expect(empty.jobs.size).toBe(0);
    expect(empty.agents.size).toBe(0);
    pool.acquire(agent);
    pool.state.jobs.get(jobId(1))!.skipped = 0;
    const again = reloaded(pool.state);
    remember(again, { ...throughJson(pool.state), skipped: [[jobId(1), 2]] });
    expect(again.jobs.get(jobId(1))!.skipped).toBe(0);
  });

  it('of an older writing never turns the virtual time back', () => {
    const pool = new TestPool();
    const memory = throughJson(pool.state);
    pool.state.virtualTime.free = START + 7;
    remember(pool.state, memory);
    expect(pool.state.virtualTime.free).toBe(START + 7);
  });
});
