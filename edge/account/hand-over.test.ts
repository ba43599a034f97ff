import { describe, expect, it } from 'vitest';
import { JOBS_PER_BATCH_MAX, MESSAGE_CHARS_MAX, RECORD_BATCH_BYTES_MAX } from '#schema/limits.ts';
import type { JobOrder } from '#schema/record.ts';
import { ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import { pack, unpack } from '../rpc/packed.ts';
import type { Packed } from '../rpc/packed.ts';
import type { EnqueueOptions, Offered } from '../rpc/scheduler.ts';
import { makeAccountId } from '../io/id.ts';
import { newOrder } from '../test/world.ts';
import type { Books } from './books.ts';
import { HandOvers } from './hand-over.ts';
import { asCreated } from './order.ts';
import { NEW_LIFE } from './row.ts';

type Call = { pool: string; ids: string[]; options: EnqueueOptions };

/** Hand-overs of an account with these open jobs, to Schedulers that a test plays. */
function testWorld(orders: readonly JobOrder[], known: (open: Set<string>) => string[] = () => []) {
  const calls: Call[] = [];
  const late = new Set<string>();
  const checks = new Map<string, number>();
  const open = new Set(orders.map(({ id }) => id));
  const woken: number[] = [];
  const saved: number[] = [];
  let isAhead = false;
  let isAway = false;
  const getByName = (pool: string) => ({
    enqueueAll: async (packed: Packed<readonly JobOrder[]>, options: EnqueueOptions) => {
      const offered = unpack(packed);
      calls.push({ pool, ids: offered.map(({ id }) => id), options });
      if (isAway) throw new Error('away');
      return pack(
        offered.map((order): Offered => (late.has(order.id) ? null : ok(asCreated(order)))),
      );
    },
    known: async () => known(open),
  });
  const store = {
    dueJobs: () => orders.map((order) => ({ order, cancelled: false })),
    findHold: (id: string) => (open.has(id) ? { day: '2026-11-22', heldMillitokens: 1 } : null),
    checkLater: (id: string, at: number) => checks.set(id, at),
    isAhead: () => isAhead,
  };
  const handOvers = new HandOvers(
    { schedulers: { getByName } } as unknown as Env,
    { store, account: { life: NEW_LIFE }, save: () => saved.push(checks.size) } as unknown as Books,
    (at) => woken.push(at),
  );
  const leave = () => {
    isAway = true;
  };
  const goAhead = () => {
    isAhead = true;
  };
  return { handOvers, calls, woken, leave, late, checks, saved, goAhead };
}

const account = makeAccountId(0);
const order = (pool: string) => newOrder(pool, account);
const jobsOf = (orders: readonly JobOrder[]) =>
  orders.map((one) => ({ order: one, cancelled: false }));

describe('a hand-over', () => {
  it('is one call for each pool, answered for each job', async () => {
    const orders = [order('one'), order('two'), order('one')];
    const { handOvers, calls } = testWorld(orders);
    const answers = await handOvers.offer(jobsOf(orders), false);
    expect(calls.map(({ pool, ids }) => [pool, ids.length])).toEqual([
      ['one', 2],
      ['two', 1],
    ]);
    const ids = answers.map((answer) => answer?.ok && answer.value.record.id);
    expect(ids).toEqual(orders.map(({ id }) => id));
    expect(orders.some(({ id }) => handOvers.isUnderWay(id))).toBe(false);
  });

  it('that is not answered is null, and an alarm is set to repeat it', async () => {
    const orders = [order('one')];
    const { handOvers, woken, leave } = testWorld(orders);
    leave();
    expect(await handOvers.offer(jobsOf(orders), false)).toEqual([null]);
    expect(woken).toHaveLength(1);
    expect(handOvers.isUnderWay(orders[0]!.id)).toBe(false);
  });

  it('that leaves one job unanswered answers the others, and repeats that one', async () => {
    const orders = [order('one'), order('one'), order('one')];
    const { handOvers, woken, late, checks } = testWorld(orders);
    late.add(orders[1]!.id);
    const answers = await handOvers.offer(jobsOf(orders), true);
    expect(answers.map((answer) => answer?.ok ?? null)).toEqual([true, null, true]);
    expect(woken).toEqual([checks.get(orders[1]!.id)]);
    const looked = [checks.get(orders[0]!.id)!, checks.get(orders[2]!.id)!];
    expect(Math.min(...looked)).toBeGreaterThan(woken[0]!);
  });

  it('is several calls for jobs that are too large for one, or too many', async () => {
    const content = 'x'.repeat(MESSAGE_CHARS_MAX);
    const messages = Array.from({ length: 7 }, () => ({ role: 'user' as const, content }));
    const large = (one: JobOrder) => ({ ...one, spec: { ...one.spec, messages } }) as JobOrder;
    const orders = Array.from({ length: JOBS_PER_BATCH_MAX }, () => large(order('one')));
    const small = Array.from({ length: JOBS_PER_BATCH_MAX + 1 }, () => order('two'));
    const { handOvers, calls } = testWorld([...orders, ...small]);
    await handOvers.offer(jobsOf([...orders, ...small]), false);
    expect(calls.flatMap(({ ids }) => ids)).toEqual([...orders, ...small].map(({ id }) => id));
    const sizes = new Map(orders.map((one) => [one.id, JSON.stringify(one).length]));
    const sizeOf = (ids: readonly string[]) => ids.reduce((sum, id) => sum + sizes.get(id)!, 0);
    const largest = calls.filter(({ pool }) => pool === 'one').map(({ ids }) => sizeOf(ids));
    expect(Math.max(...largest)).toBeLessThanOrEqual(RECORD_BATCH_BYTES_MAX);
    expect(largest.length).toBe(
      Math.ceil(orders.length / Math.floor(RECORD_BATCH_BYTES_MAX / sizeOf([orders[0]!.id]))),
    );
    expect(calls.filter(({ pool }) => pool === 'two').map(({ ids }) => ids.length)).toEqual([
      JOBS_PER_BATCH_MAX,
      1,
    ]);
  });

  it('that is not answered is written first, where only its pool may have it on disk', async () => {
    const orders = [order('one')];
    const { handOvers, leave, saved, goAhead } = testWorld(orders);
    leave();
    await handOvers.offer(jobsOf(orders), false);
    expect(saved).toEqual([]);
    goAhead();
    await handOvers.offer(jobsOf(orders), false);
    expect(saved).toHaveLength(1);
  });

  it('is waited for by whoever asks while it is under way', async () => {
    const orders = [order('one')];
    const { handOvers } = testWorld(orders);
    const offered = handOvers.offer(jobsOf(orders), false);
    const outcome = handOvers.outcome(orders[0]!.id);
    expect(await outcome).toEqual((await offered)[0]);
    expect(await handOvers.outcome(orders[0]!.id)).toBeNull();
  });
});

describe('the look after open jobs', () => {
  it('offers what the Scheduler does not know, as jobs that have our word', async () => {
    const orders = [order('one'), order('one')];
    const { handOvers, calls } = testWorld(orders, () => [orders[0]!.id]);
    await handOvers.reconcile(0);
    const options = { accepted: true, cancelled: false };
    expect(calls).toEqual([{ pool: 'one', ids: [orders[1]!.id], options }]);
  });

  it('does not bring a job to life again that ended while it asked', async () => {
    const orders = [order('one')];
    const { handOvers, calls } = testWorld(orders, (open) => {
      open.clear();
      return [];
    });
    await handOvers.reconcile(0);
    expect(calls).toEqual([]);
  });
});
