import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { QUOTA_NEWS_MAX } from '#schema/limits.ts';
import type { WebhookEvent } from '#schema/webhook.ts';
import type { Env } from '../env.ts';
import type { EndpointChange } from '../rpc/account.ts';
import type { QuotaNotice } from '../rpc/courier.ts';
import {
  bindings,
  eventually,
  makeAccount,
  newPool,
  SPEC,
  stubOf,
  submitInput,
  submitTo,
  TestAgent,
} from '../test/world.ts';
import type { Surroundings } from './books.ts';
import { QuotaNews } from './news.ts';

const NOTICE: QuotaNotice = {
  ...{ id: 'n1', type: 'tokens.low', at: 5, accountId: 'acc_1', day: '2026-11-22', renewsAt: 9 },
  ...{ limitMillitokens: 20_000, spentMillitokens: 16_000, heldMillitokens: 0 },
};
const endpoint = (id: string, events: readonly WebhookEvent[]) => {
  return { id, url: 'https://example.com/', events, disabled: false, createdAt: 0 };
};
const CREATE: EndpointChange = {
  ...{ action: 'webhook.create', actor: 'test', requestId: 'req_test', reason: null },
};

/** Couriers that note what they are told; while `away`, they throw. */
class Couriers {
  away = false;
  readonly told: { courier: string; id: string }[] = [];

  getByName(courier: string) {
    const tell = async ({ id }: QuotaNotice) => {
      if (this.away) throw new Error('away');
      this.told.push({ courier, id });
    };
    return { tell, publish: () => Promise.resolve() };
  }
}

describe('news', () => {
  it('that could not be told is kept, and told after a restart', async () => {
    const couriers = new Couriers();
    const { object } = await makeAccount();
    await runInDurableObject(stubOf(object), async (_, ctx) => {
      const waits: Promise<unknown>[] = [];
      const around = {
        ctx: { storage: ctx.storage, waitUntil: (work: Promise<unknown>) => waits.push(work) },
        env: { webhookCouriers: couriers } as unknown as Env,
        wakeBy: () => {},
      } as unknown as Surroundings;
      couriers.away = true;
      const news = new QuotaNews(around);
      expect(news.nextAt()).toBeNull();
      news.add(['wh_1', 'wh_2'], NOTICE);
      await Promise.all(waits);
      expect(couriers.told).toEqual([]);
      expect(news.nextAt()).not.toBeNull();
      couriers.away = false;
      const restarted = new QuotaNews(around);
      expect(restarted.nextAt()).not.toBeNull();
      await restarted.drain();
      expect(couriers.told).toEqual([
        { courier: 'wh_1', id: 'n1' },
        { courier: 'wh_2', id: 'n1' },
      ]);
      expect(restarted.nextAt()).toBeNull();
      expect(new QuotaNews(around).nextAt()).toBeNull();
    });
  });

  it('is kept up to a bound, the newest of it', async () => {
    const couriers = new Couriers();
    couriers.away = true;
    const { object } = await makeAccount();
    await runInDurableObject(stubOf(object), async (_, ctx) => {
      const around = {
        ctx: { storage: ctx.storage, waitUntil: () => {} },
        env: { webhookCouriers: couriers } as unknown as Env,
        wakeBy: () => {},
      } as unknown as Surroundings;
      const news = new QuotaNews(around);
      for (let count = 0; count < QUOTA_NEWS_MAX + 7; count += 1) {
        news.add(['wh_1'], { ...NOTICE, id: `n${count}` });
      }
      const kept = ctx.storage.sql.exec<{ notice_json: string }>('SELECT * FROM news ORDER BY id');
      const ids = kept.toArray().map((row) => (JSON.parse(row.notice_json) as QuotaNotice).id);
      expect(ids).toHaveLength(QUOTA_NEWS_MAX);
      expect(ids.at(0)).toBe('n7');
    });
  });
});

describe("a day's tokens", () => {
  /** A Starter account with an endpoint for these events; pictures of 28 tokens of its 120. */
  async function world(events: readonly WebhookEvent[]) {
    const { object, caller } = await makeAccount('starter');
    const pool = newPool();
    await TestAgent.start(pool);
    await object.putEndpoint(endpoint('wh_1', events), CREATE);
    const spec = { ...SPEC, width: 1024, height: 1024, steps: 20 * 7, count: 4 };
    const submit = (more = {}) => submitTo(object, caller, submitInput(pool, { spec, ...more }));
    const told = () =>
      runInDurableObject(stubOf(object), (_, { storage }) => {
        const row = storage.sql.exec<{ told: string | null }>(
          'SELECT told_json AS told FROM account',
        );
        const { told: text } = row.one();
        return text === null ? null : (JSON.parse(text) as { event: string }).event;
      });
    return { object, submit, told };
  }

  it('are told once when they are low and once when they are used up', async () => {
    const { object, submit, told } = await world(['tokens.low', 'tokens.exhausted']);
    for (let count = 0; count < 3; count += 1) await submit();
    expect(await told()).toBeNull();
    await submit();
    expect(await told()).toBe('tokens.low');
    await evictDurableObject(stubOf(object));
    expect((await submit()).ok).toBe(false);
    expect(await told()).toBe('tokens.exhausted');
  });

  it('reach the courier of the endpoint, each news once', async () => {
    const { object, submit } = await world(['tokens.low', 'tokens.exhausted']);
    const courier = bindings.WEBHOOK_COURIER.getByName('wh_1');
    await courier.open({
      ...{ id: 'wh_1', accountId: 'acc_1', url: 'http://127.0.0.1:9/', description: null },
      secret: `whsec_${btoa('a secret of twenty-four bytes')}`,
      events: ['tokens.low', 'tokens.exhausted'],
      createdAt: Date.now(),
    });
    for (let count = 0; count < 6; count += 1) await submit();
    const deliveries = await eventually(async () => {
      const found = await courier.deliveries({ before: null, limit: 10 });
      return found.length >= 2 && found;
    });
    expect(deliveries.map(({ type }) => type).toSorted()).toEqual([
      'tokens.exhausted',
      'tokens.low',
    ]);
    const left = await runInDurableObject(stubOf(object), (_, { storage }) =>
      storage.sql.exec('SELECT * FROM news').toArray(),
    );
    expect(left).toEqual([]);
  });

  it('are not told to those who did not ask', async () => {
    const { submit, told } = await world(['job.completed']);
    for (let count = 0; count < 5; count += 1) await submit();
    expect(await told()).toBeNull();
  });
});
