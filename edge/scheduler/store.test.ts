import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { OFFER_MS_MAX } from '#schema/limits.ts';
import { makeAccountId } from '../io/id.ts';
import { enqueueAt, newOrder, newPool, schedulerOf, stubOf, TestAgent } from '../test/world.ts';
import { SchedulerStore } from './store.ts';

const OFFER = { accepted: false, cancelled: false };
const OUR_WORD = { accepted: true, cancelled: false };
const CANCELLED = {
  status: 'cancelled',
  settledMillitokens: 0,
  artifacts: [],
  usage: {},
  timings: null,
  error: null,
} as const;

async function world() {
  const pool = newPool();
  const agent = await TestAgent.start(pool);
  const accountId = makeAccountId(Date.now());
  const object = schedulerOf(pool);
  return { pool, agent, object, order: (more = {}) => newOrder(pool, accountId, more) };
}

describe('an offer that comes too late', () => {
  it('is refused, since the job may be over and forgotten, unless its user has our word', async () => {
    const { object, order } = await world();
    const late = order({ createdAt: Date.now() - OFFER_MS_MAX - 1 });
    // Inside the object, where an error stays one.
    const refused = await runInDurableObject(stubOf(object), (instance) =>
      (instance as unknown as typeof object).enqueue(late, OFFER).then(
        () => null,
        (error: Error) => error.message,
      ),
    );
    expect(refused).toContain('too late');
    expect(await object.known([late.id])).toEqual([]);
    expect((await object.enqueue(late, OUR_WORD)).ok).toBe(true);
  });
});

describe('several offers in one call', () => {
  it('are taken or refused each by itself, once, and answered in their order', async () => {
    const { object, agent, order } = await world();
    const orders = [order(), order({ spec: { ...order().spec, model: 'other' } }), order()];
    const answers = await enqueueAt(object, orders, OFFER);
    expect(answers.map((answer) => answer && (answer.ok ? 'taken' : answer.error.reason))).toEqual([
      'taken',
      'no_agent',
      'taken',
    ]);
    await evictDurableObject(stubOf(object));
    await enqueueAt(object, [orders[0]!, orders[2]!], OUR_WORD);
    expect((await object.overview()).waiting.pro).toBe(2);
    expect((await agent.acquire()).job?.jobId).toBe(orders[0]!.id);
  });
});

describe('an offer that comes too late', () => {
  it('is left unanswered, and its neighbours are taken', async () => {
    const { object, order } = await world();
    const late = order({ createdAt: Date.now() - OFFER_MS_MAX - 1 });
    const orders = [order(), late, order()];
    const answers = await enqueueAt(object, orders, OFFER);
    expect(answers.map((answer) => answer && answer.ok)).toEqual([true, null, true]);
    expect(await object.known(orders.map(({ id }) => id))).toEqual([orders[0]!.id, orders[2]!.id]);
  });
});

describe('the bytes of orders', () => {
  it('are those on disk, after jobs have come and gone and after a restart', async () => {
    const { object, order } = await world();
    const orders = [order({ metadata: { name: 'Ærø 🏝' } }), order()];
    await enqueueAt(object, orders, OFFER);
    const counts = await runInDurableObject(stubOf(object), (_, { storage }) => {
      const store = new SchedulerStore(storage);
      const { state } = store.load(Date.now());
      const sizes = [store.orderBytes];
      const jobId = orders[1]!.id;
      store.apply(state, [{ kind: 'job_ended', jobId, outcome: CANCELLED, at: Date.now() }]);
      store.apply(state, [{ kind: 'job_forgotten', jobId }]);
      sizes.push(store.orderBytes);
      const again = new SchedulerStore(storage);
      again.load(Date.now());
      return [...sizes, again.orderBytes];
    });
    const [first, second] = orders.map(
      (one) => new TextEncoder().encode(JSON.stringify(one)).length,
    ) as [number, number];
    expect(counts).toEqual([first + second, first, first]);
    await evictDurableObject(stubOf(object));
  });
});
