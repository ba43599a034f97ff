import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fairTags } from './fair.ts';
import { START, TestPool, World, imageSpec, jobId, order } from './fixture.ts';
import type { Arrival } from './fixture.ts';

const MODEL = 'own-model';
const SPEC = imageSpec(MODEL);
const SERVICE_MS = 15_000;

/** Plays these on one agent; the order of their starts. */
function starts(arrivals: readonly Arrival[]): { world: World; ids: string[] } {
  const world = new World();
  world.addGpu('agt_a', [MODEL]);
  world.play(arrivals);
  const ids = [...world.startedAt].toSorted((one, other) => one[1] - other[1]).map(([id]) => id);
  return { world, ids };
}

describe('accounts with one job each', () => {
  it('are served in the order of arrival', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30_000), { minLength: 2, maxLength: 25 }), (gaps) => {
        let at = START;
        const arrivals = gaps.map((gap, index) => {
          at += gap;
          return { at, order: order(index + 1, { accountId: `acc_${index}`, spec: SPEC }) };
        });
        const { ids } = starts(arrivals);
        expect(ids).toEqual(arrivals.map(({ order: { id } }) => id));
      }),
      { numRuns: 50 },
    );
  });
});

/** A hundred jobs of one account at the start, whose runs are off by `factor`. */
function hundred(factor: number): Arrival[] {
  return Array.from({ length: 100 }, (_, index) => ({
    at: START,
    order: order(index + 1, { accountId: 'acc_many', spec: SPEC }),
    factor,
  }));
}

/** Jobs of the hundred that started between the arrival of another's and its start. */
function startedBetween(factor: number, afterMs: number, factorOfOne: number): number {
  const at = START + Math.round(afterMs);
  const single = order(101, { accountId: 'acc_one', spec: SPEC });
  const { world } = starts([...hundred(factor), { at, order: single, factor: factorOfOne }]);
  const startAt = world.startedAt.get(jobId(101))!;
  let count = 0;
  for (const [id, started] of world.startedAt) {
    if (id !== jobId(101) && started >= at && started < startAt) count += 1;
  }
  return count;
}

describe("one account's hundred jobs", () => {
  const moments = [0, 1, 7_500, 60_000, 200_000, 700_000, 1_400_000];
  const table = [0.5, 1, 2, 4, 6].flatMap((factor) => moments.map((ms) => [ms, factor] as const));

  it.each(table)(
    "delay another's, %i ms later, by at most one job, runs taking %f of what is foreseen",
    (afterMs, factor) => {
      expect(startedBetween(factor, afterMs * factor, 1)).toBeLessThanOrEqual(1);
    },
  );

  it('delay it no more when seven other agents cannot help, having other models', () => {
    const world = new World();
    world.addGpu('agt_a', [MODEL]);
    for (let index = 0; index < 7; index += 1) world.addGpu(`agt_${index}`, ['another-model']);
    const single = order(101, { accountId: 'acc_one', spec: SPEC });
    const at = START + 400_000;
    world.play([...hundred(1), { at, order: single, factor: 1 }]);
    const startAt = world.startedAt.get(jobId(101))!;
    const between = [...world.startedAt.values()].filter((time) => time >= at && time < startAt);
    expect(between.length).toBeLessThanOrEqual(1);
  });

  it('delay those of nine others by at most one job each', () => {
    const others = Array.from({ length: 9 }, (_, index) => ({
      at: START + 200_000,
      order: order(200 + index, { accountId: `acc_${index}`, spec: SPEC }),
    }));
    const { ids } = starts([...hundred(1), ...others]);
    const places = others.map(({ order: { id } }) => ids.indexOf(id));
    const first = Math.min(...places);
    expect(places.every((place) => place - first <= 10)).toBe(true);
    // 200 s are a load and twelve jobs; the thirteenth runs, the first of the others is next.
    expect(first).toBeLessThanOrEqual(14);
  });

  it('all run, in their order, while a steady stream of others takes most of the GPU', () => {
    const others = Array.from({ length: 300 }, (_, index) => ({
      at: START + index * Math.round(SERVICE_MS / 0.8),
      order: order(200 + index, { accountId: `acc_${index}`, spec: SPEC }),
    }));
    const { ids, world } = starts([...hundred(1), ...others]);
    expect(world.startedAt.size).toBe(400);
    const own = ids.filter((id) => id <= jobId(100));
    expect(own).toEqual(own.toSorted());
  });

  it('are not set back for ever: those that come later than twice its work let it go first', () => {
    // More comes than the GPU can serve, and all of it has arrived later than the hundred.
    const others = Array.from({ length: 600 }, (_, index) => ({
      at: START + 1000 + index * Math.round(SERVICE_MS / 1.2),
      order: order(200 + index, { accountId: `acc_${index}`, spec: SPEC }),
    }));
    const { ids } = starts([...hundred(1), ...others]);
    const last = ids.indexOf(jobId(100));
    const later = others.filter(({ at }) => at > START + 2 * 100 * SERVICE_MS);
    expect(later.length).toBeGreaterThan(100);
    for (const { order: ordered } of later) expect(ids.indexOf(ordered.id)).toBeGreaterThan(last);
  });
});

describe('the fair start of a job', () => {
  it('is the present of its tier for an account without jobs, though another has many', () => {
    const pool = new TestPool();
    pool.addAgent('agt_a', [MODEL]);
    for (let number = 1; number <= 20; number += 1) pool.enqueue(order(number, { spec: SPEC }));
    const other = order(21, { accountId: 'acc_b', spec: SPEC });
    expect(fairTags(pool.state, other, START + 5).tag).toBe(pool.state.virtualTime.free);
  });

  it('is as far behind the one before as the account would take with half of the pool', () => {
    const pool = new TestPool();
    for (const id of ['agt_a', 'agt_b', 'agt_c', 'agt_d']) pool.addAgent(id, [MODEL]);
    pool.enqueue(order(1, { spec: SPEC }));
    expect(fairTags(pool.state, order(2, { spec: SPEC }), START).tag).toBe(SERVICE_MS / 2);
  });

  it('is never before what its tier was given, and other tiers count for themselves', () => {
    const pool = new TestPool();
    const agent = pool.addAgent('agt_a', [MODEL]);
    for (let number = 1; number <= 5; number += 1) pool.enqueue(order(number, { spec: SPEC }));
    for (let count = 0; count < 4; count += 1) pool.complete(agent, pool.acquire(agent)!);
    const other = order(6, { accountId: 'acc_b', spec: SPEC });
    expect(fairTags(pool.state, other, START).tag).toBe(pool.state.virtualTime.free);
    expect(pool.state.virtualTime.free).toBeGreaterThan(0);
    const pro = order(7, { accountId: 'acc_b', tier: 'pro', spec: SPEC });
    expect(fairTags(pool.state, pro, START).tag).toBe(0);
  });

  it('of a job handed back stays what it was', () => {
    const pool = new TestPool();
    const agent = pool.addAgent('agt_a', [MODEL]);
    for (let number = 1; number <= 3; number += 1) pool.enqueue(order(number, { spec: SPEC }));
    const lease = pool.acquire(agent)!;
    const entry = pool.state.jobs.get(lease.jobId)!;
    const { tag, place } = entry;
    pool.run({ kind: 'return', ...pool.attempt(agent, lease) }, START + 60_000);
    expect(entry).toMatchObject({ tag, place, status: 'queued' });
  });

  it('is given back by a last job that was cancelled before it ran', () => {
    const pool = new TestPool();
    for (const number of [1, 2, 3]) pool.enqueue(order(number, { spec: SPEC }));
    pool.run({ kind: 'cancel', jobId: jobId(3) });
    pool.run({ kind: 'cancel', jobId: jobId(2) });
    expect(fairTags(pool.state, order(4, { spec: SPEC }), START).tag).toBe(
      pool.state.jobs.get(jobId(2))!.tag,
    );
  });
});
