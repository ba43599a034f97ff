import { Webhook } from 'standardwebhooks';
import { beforeEach, describe, expect, it } from 'vitest';
import { DAY_MS } from '#schema/limits.ts';
import {
  WEBHOOK_CALLS_MAX,
  WEBHOOK_DEAD_AFTER_FAILED,
  WEBHOOK_LOG_KEEP_MS,
  WEBHOOK_PENDING_MAX,
  WEBHOOK_TRIES_MAX,
} from '#schema/webhook-limits.ts';
import { makeWebhookSecret } from '../../io/signature.ts';
import type { Call } from '../../test/desk.ts';
import { DeskWorld, DOWN, endedJob, GONE, OK } from '../../test/desk.ts';
import { jobDelivery, quotaDelivery, testDelivery } from './message.ts';

let world: DeskWorld;
beforeEach(() => {
  world = new DeskWorld();
});

describe('an endpoint', () => {
  it('that answers 410 is sent nothing more, and its account is told', async () => {
    const jobs = Array.from({ length: 20 }, () => endedJob());
    await world.start(jobs);
    world.receiver = () => GONE;
    await world.pass(1);
    expect(world.calls.length).toBeLessThanOrEqual(WEBHOOK_CALLS_MAX);
    expect(world.told).toEqual([world.endpoint.id]);
    const log = await world.log();
    const dropped = log.filter(({ status }) => status === 'dropped');
    expect(dropped).toHaveLength(20 - world.calls.length);
    expect(dropped.every(({ dropReason }) => dropReason === 'endpoint_disabled')).toBe(true);
    expect(await world.wake((desk) => desk.endpoint!.disabled)).toMatchObject({ reason: 'gone' });
    await world.wake((desk) => desk.accept([jobDelivery(endedJob(), null)]));
    await world.pass(5);
    expect((await world.log())[0]).toMatchObject({ status: 'dropped' });
    expect(world.told).toHaveLength(1);
  });

  it('that was disabled is told of to its account until that has heard it', async () => {
    await world.start([endedJob()]);
    world.receiver = () => GONE;
    world.isAccountAway = true;
    await world.wake(async (desk) => {
      await desk.run();
      expect(world.told).toEqual([]);
      expect(desk.nextAt()).toBeGreaterThan(world.now);
    });
    world.isAccountAway = false;
    await world.wake(async (desk) => {
      await desk.run();
      expect(world.told).toEqual([world.endpoint.id]);
      expect(desk.nextAt()).toBeGreaterThan(world.now + DAY_MS);
    });
  });

  it('that took nothing for a day, though often tried, is disabled; enabled, it is tried', async () => {
    await world.start();
    world.receiver = () => DOWN;
    for (let count = 0; count < WEBHOOK_DEAD_AFTER_FAILED; count += 1) {
      expect(await world.wake((desk) => desk.endpoint!.disabled)).toBeNull();
      await world.wake((desk) => desk.accept([jobDelivery(endedJob(), null)]));
      await world.pass(WEBHOOK_TRIES_MAX);
      world.now += DAY_MS / 4;
    }
    expect(await world.wake((desk) => desk.endpoint!.disabled)).toMatchObject({
      reason: 'failing',
    });
    expect(world.told).toEqual([world.endpoint.id]);
    world.receiver = () => OK;
    await world.wake((desk) => {
      desk.enable();
      desk.accept([jobDelivery(endedJob(), null)]);
    });
    await world.pass(1);
    expect((await world.log())[0]).toMatchObject({ status: 'delivered' });
  });

  it('with more waiting than it may have loses the oldest, and the log says so', async () => {
    const jobs = Array.from({ length: WEBHOOK_PENDING_MAX + 3 }, () => endedJob());
    await world.start(jobs);
    expect(await world.wake((desk) => desk.pending)).toBe(WEBHOOK_PENDING_MAX);
    const log = await world.log();
    const dropped = log.filter(({ status }) => status === 'dropped');
    expect(dropped.map(({ jobId }) => jobId)).toEqual(
      jobs
        .slice(0, 3)
        .map(({ id }) => id)
        .toReversed(),
    );
    expect(dropped[0]).toMatchObject({ dropReason: 'queue_full', tryCount: 0 });
  });

  it('is called a few times at once, and one slow call holds up no other', async () => {
    let open = 0;
    let most = 0;
    let release = () => {};
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    world.receiver = async () => {
      open += 1;
      most = Math.max(most, open);
      if (world.calls.length === 1) await slow;
      else await Promise.resolve();
      open -= 1;
      if (world.calls.length === 41) release();
      return OK;
    };
    await world.start(Array.from({ length: 40 }, () => endedJob()));
    await world.wake(async (desk) => {
      const run = desk.run();
      // What comes meanwhile is made by the same run.
      desk.accept([jobDelivery(endedJob(), null)]);
      await run;
      expect(desk.pending).toBe(0);
    });
    expect(world.calls).toHaveLength(41);
    expect(most).toBe(WEBHOOK_CALLS_MAX);
  });

  it('signs with both secrets while a rotation overlaps, then with the new one', async () => {
    const fresh = makeWebhookSecret();
    const old = world.endpoint.secret;
    await world.start();
    await world.wake((desk) => {
      const former = { secret: old, until: world.now + 1000 };
      desk.setEndpoint({ ...world.endpoint, secret: fresh, former });
      desk.accept([jobDelivery(endedJob(), null)]);
    });
    await world.pass(1);
    world.now += 1000;
    await world.wake((desk) => desk.accept([jobDelivery(endedJob(), null)]));
    await world.pass(1);
    const [during, after] = world.calls;
    const verify = (secret: string, call: Call) => () =>
      new Webhook(secret).verify(call.body, { ...call.headers });
    expect(verify(old, during!)).not.toThrow();
    expect(verify(fresh, during!)).not.toThrow();
    expect(verify(fresh, after!)).not.toThrow();
    expect(verify(old, after!)).toThrow('No matching');
  });

  it('is told of the day’s tokens once for each news, and of tests', async () => {
    const notice = {
      id: `${world.endpoint.accountId}:2026-11-22:tokens.low`,
      type: 'tokens.low',
      at: world.now,
      accountId: world.endpoint.accountId,
      day: '2026-11-22',
      limitMillitokens: 300_000,
      spentMillitokens: 240_000,
      heldMillitokens: 10_000,
      renewsAt: world.now + 1000,
    } as const;
    await world.start();
    await world.wake((desk) => {
      desk.accept([quotaDelivery(notice), testDelivery(world.endpoint.id, world.now)]);
    });
    await world.wake((desk) => desk.accept([quotaDelivery(notice)]));
    await world.pass(1);
    const library = new Webhook(world.endpoint.secret);
    const messages = world.calls.map(({ body, headers }) => library.verify(body, { ...headers }));
    expect(messages).toMatchObject([
      { type: 'tokens.low', data: { limit: 300, spent: 240, held: 10, available: 50 } },
      { type: 'webhook.test', data: { webhook_id: world.endpoint.id } },
    ]);
  });
});

describe('the log', () => {
  it('forgets deliveries after a week, but none that waits', async () => {
    await world.start([endedJob()]);
    await world.pass(1);
    const again = await world.wake((desk) => desk.nextAt());
    expect(again).toBe((await world.log())[0]!.createdAt + WEBHOOK_LOG_KEEP_MS);
    world.now = again! - 1;
    await world.wake((desk) => desk.accept([jobDelivery(endedJob(), null)]));
    world.now += 1;
    world.receiver = () => DOWN;
    await world.pass(1);
    expect(await world.log()).toMatchObject([{ status: 'pending' }]);
  });

  it('has a delivery that was made again once, under its id, with all its tries', async () => {
    const job = endedJob();
    await world.start([job]);
    world.receiver = () => DOWN;
    await world.pass(50);
    world.receiver = () => OK;
    await world.wake((desk, store) => {
      const [entry] = store.page({ before: null, limit: 1 });
      desk.repeat(entry!.number, { kind: 'job', record: job });
    });
    await world.pass(1);
    const [entry, ...others] = await world.log();
    expect(others).toEqual([]);
    expect(entry).toMatchObject({ status: 'delivered', tryCount: WEBHOOK_TRIES_MAX + 1 });
    expect(new Set(world.calls.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  });
});
