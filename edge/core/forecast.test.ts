import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FORESEEN_MS_MAX } from '#schema/limits.ts';
import { TIERS } from '#schema/plan.ts';
import { LOAD_MS, START, TestPool, World, imageSpec, jobId, order } from './fixture.ts';
import type { Arrival } from './fixture.ts';
import { firstErrors, learnWait, lookAhead, rangeOf } from './forecast.ts';

const SERVICE_MS = 15_000;

/** Seeded numbers in [0, 1), by a linear congruence. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** About normal, of mean 0 and deviation 1: twelve uniform numbers. */
function normalOf(random: () => number): number {
  let sum = -6;
  for (let count = 0; count < 12; count += 1) sum += random();
  return sum;
}

describe('the range that is told', () => {
  it.each([
    ['of little spread', 0, 0.2, 60_000],
    ['that are far too short', 1.2, 0.5, 60_000],
    ['that are far too long', -1.5, 0.8, 600_000],
    ['of a wide spread', 0, 1.5, 2_000_000],
    ['of short waits', 0.5, 1, 3000],
  ])('holds in four of five cases after reckonings %s', (_, mean, deviation, foreseenMs) => {
    const random = randomOf(7);
    const errors = firstErrors();
    let inside = 0;
    const [taught, asked] = [3000, 4000];
    for (let count = 0; count < taught + asked; count += 1) {
      const realMs = foreseenMs * Math.exp(mean + deviation * normalOf(random));
      const { leastMs, mostMs } = rangeOf(errors, foreseenMs);
      if (count >= taught && leastMs <= realMs && realMs <= mostMs) inside += 1;
      learnWait(errors, foreseenMs, realMs);
    }
    expect(inside / asked).toBeGreaterThan(0.79);
    expect(inside / asked).toBeLessThan(0.9);
  });

  it('follows when the load changes', () => {
    const random = randomOf(3);
    const errors = firstErrors();
    const insideOf = (factor: number, count: number) => {
      let inside = 0;
      for (let index = 0; index < count; index += 1) {
        const realMs = 100_000 * factor * Math.exp(0.5 * normalOf(random));
        const { leastMs, mostMs } = rangeOf(errors, 100_000);
        if (leastMs <= realMs && realMs <= mostMs) inside += 1;
        learnWait(errors, 100_000, realMs);
      }
      return inside / count;
    };
    insideOf(1, 2000);
    // Just after, most are outside; a thousand starts later it holds again.
    expect(insideOf(6, 20)).toBeLessThan(0.6);
    insideOf(6, 1000);
    expect(insideOf(6, 3000)).toBeGreaterThan(0.79);
  });

  it('of one length teaches nothing of another', () => {
    const errors = firstErrors();
    for (let count = 0; count < 500; count += 1) learnWait(errors, 1000, 900_000);
    expect(rangeOf(errors, 1_000_000)).toEqual(rangeOf(firstErrors(), 1_000_000));
    expect(rangeOf(errors, 1000).mostMs).toBeGreaterThan(rangeOf(firstErrors(), 1000).mostMs);
  });

  it('is of times to come, the latest after the earliest, whatever was learned', () => {
    const ms = fc.nat(FORESEEN_MS_MAX);
    fc.assert(
      fc.property(fc.array(fc.tuple(ms, ms), { maxLength: 300 }), ms, (waits, foreseenMs) => {
        const errors = firstErrors();
        for (const [foreseen, real] of waits) learnWait(errors, foreseen, real);
        const { leastMs, mostMs } = rangeOf(errors, foreseenMs);
        expect(leastMs).toBeGreaterThanOrEqual(0);
        expect(mostMs).toBeGreaterThan(leastMs);
        expect(Number.isInteger(leastMs) && Number.isInteger(mostMs)).toBe(true);
      }),
    );
  });
});

/** A pool with an agent that can run all, and what waits in it. */
function poolWith(jobs: readonly { readonly model: string; readonly tier?: 'pro' | 'free' }[]) {
  const pool = new TestPool();
  const agent = pool.addAgent('agt_a', ['x', 'y', 'z']);
  for (const [index, { model, tier = 'free' }] of jobs.entries()) {
    const accountId = `acc_${index}`;
    pool.enqueue(order(index + 1, { tier, accountId, spec: imageSpec(model) }), START + index);
  }
  return { pool, agent };
}

const LAST = {
  accountId: 'acc_new',
  tier: 'free',
  model: 'x',
  millitokens: 1000,
  tag: START + 60_000,
  place: Infinity,
  deadlineAt: null,
} as const;

describe('what lies before a job', () => {
  it('are the older jobs of its tier and all of higher ones, by tier', () => {
    const { pool } = poolWith([
      { model: 'x' },
      { model: 'y', tier: 'pro' },
      { model: 'y' },
      { model: 'x' },
      { model: 'z', tier: 'pro' },
    ]);
    const third = pool.state.jobs.get(jobId(3))!;
    const { ahead, aheadMs } = lookAhead(pool.state, START, third);
    expect(ahead).toEqual({ admin: 0, pro: 2, starter: 0, free: 1 });
    expect(aheadMs.pro).toBe(2 * SERVICE_MS);
    expect(aheadMs.free).toBe(SERVICE_MS);
    const pro = lookAhead(pool.state, START, { ...LAST, tier: 'pro', tag: 0, place: 0 });
    expect(pro.ahead).toEqual({ admin: 0, pro: 0, starter: 0, free: 0 });
  });

  it.each([
    ['cold', 'a model that no agent has', 'y'],
    ['loading', 'the model of a run whose agent has not reported it', 'x'],
  ] as const)('says %s of %s', (expected, _, model) => {
    const { pool, agent } = poolWith([{ model: 'x' }]);
    pool.acquire(agent, START);
    expect(lookAhead(pool.state, START, { ...LAST, model }).modelState).toBe(expected);
    pool.run({ kind: 'renew', caller: agent, resident: [model], leases: pool.holding(agent) });
    expect(lookAhead(pool.state, START, { ...LAST, model }).modelState).toBe('resident');
  });

  it('is reckoned as nothing for the loaded model of an idle agent', () => {
    const { pool, agent } = poolWith([]);
    expect(lookAhead(pool.state, START, LAST).foreseenMs).toBe(LOAD_MS);
    pool.run({ kind: 'renew', caller: agent, resident: ['x'], leases: [] });
    expect(lookAhead(pool.state, START, LAST).foreseenMs).toBe(0);
  });

  it('counts the rest of the run, and not what it has done', () => {
    const { pool, agent } = poolWith([{ model: 'x' }]);
    pool.acquire(agent, START);
    const at = (ms: number) => lookAhead(pool.state, START + ms, LAST).foreseenMs;
    expect(at(0)).toBe(LOAD_MS + SERVICE_MS);
    expect(at(30_000)).toBe(LOAD_MS + SERVICE_MS - 30_000);
    expect(at(60_000)).toBe(0);
  });

  it('is nothing to be told while no agent is online', () => {
    const pool = new TestPool();
    expect(lookAhead(pool.state, START, LAST)).toMatchObject({ foreseenMs: null, agents: [] });
  });

  it('is never longer than the longest that is foreseen', () => {
    const { pool } = poolWith([]);
    for (let number = 1; number < 40; number += 1) {
      const accountId = `acc_${number}`;
      pool.enqueue(order(number, { accountId, heldMillitokens: 9e6, spec: imageSpec('y') }));
    }
    expect(lookAhead(pool.state, START, LAST).foreseenMs).toBe(FORESEEN_MS_MAX);
  });

  it('is reckoned no shorter for one more job before it', () => {
    const job = fc.record({
      model: fc.constantFrom('x', 'y', 'z'),
      tier: fc.constantFrom('pro' as const, 'free' as const),
    });
    fc.assert(
      fc.property(
        fc.array(job, { maxLength: 20 }),
        job,
        fc.constantFrom(...TIERS),
        (jobs, more, tier) => {
          const foreseen = (of: typeof jobs) =>
            lookAhead(poolWith(of).pool.state, START, { ...LAST, tier }).foreseenMs!;
          expect(foreseen([...jobs, more])).toBeGreaterThanOrEqual(foreseen(jobs));
        },
      ),
    );
  });
});

describe('a pool', () => {
  it('tells ranges that hold in four of five cases of a load it has seen for a while', () => {
    const random = randomOf(11);
    const models = ['x', 'x', 'x', 'y', 'y', 'z'];
    let at = START;
    const arrivals = Array.from({ length: 2500 }, (_, index): Arrival => {
      at += Math.round(-Math.log(1 - random()) * 13_000);
      const spec = imageSpec(models[Math.floor(random() * models.length)]!);
      const ordered = order(index, { accountId: `acc_${index % 40}`, spec });
      return { at, order: ordered, factor: 0.5 + random() };
    });
    const world = new World();
    for (const id of ['agt_a', 'agt_b']) world.addGpu(id, ['x', 'y', 'z']);
    const told = new Map<string, ReturnType<typeof rangeOf>>();
    let [inside, all] = [0, 0];
    world.play(arrivals, {
      enqueued: ({ id, foreseenMs }) => {
        told.set(id, rangeOf(world.pool.state.errors, foreseenMs!));
      },
    });
    for (const {
      at: cameAt,
      order: { id },
    } of arrivals.slice(1000)) {
      const waitMs = world.startedAt.get(id)! - cameAt;
      const { leastMs, mostMs } = told.get(id)!;
      all += 1;
      if (leastMs <= waitMs && waitMs <= mostMs) inside += 1;
    }
    expect(inside / all).toBeGreaterThan(0.74);
    expect(inside / all).toBeLessThan(0.92);
  });
});
