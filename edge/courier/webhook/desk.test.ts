import { Webhook } from 'standardwebhooks';
import { beforeEach, describe, expect, it } from 'vitest';
import { WEBHOOK_TRIES_MAX } from '#schema/webhook-limits.ts';
import { HEALTHY } from '../../core/webhook.ts';
import { makeAccountId } from '../../io/id.ts';
import { deriveWebhookSecret, makeWebhookSecret } from '../../io/signature.ts';
import { AWAY, DeskWorld, DOWN, endedJob, GONE, OK, SIGNING_KEY } from '../../test/desk.ts';
import { jobDelivery } from './message.ts';

let world: DeskWorld;
beforeEach(() => {
  world = new DeskWorld();
});

describe('a delivery', () => {
  it('is accepted by the official library, with the job and its signed URLs', async () => {
    const job = endedJob();
    await world.start([job]);
    await world.pass(1);
    const { url, headers, body } = world.calls[0]!;
    expect(url).toBe(world.endpoint.url);
    const message = new Webhook(world.endpoint.secret).verify(body, { ...headers });
    expect(message).toMatchObject({
      type: 'job.completed',
      timestamp: new Date(job.finishedAt!).toISOString(),
      data: { id: job.id, status: 'completed', cost: { held: 0.25, settled: 0.25 } },
    });
    const [artifact] = (message as { data: { artifacts: { url: string }[] } }).data.artifacts;
    const media = new URL(artifact!.url);
    expect(media.origin).toBe('https://tessera.example');
    const goodForMs = Number(media.searchParams.get('expires')) - world.now;
    expect(goodForMs).toBeGreaterThanOrEqual(3_600_000);
    expect(headers['content-type']).toBe('application/json');
  });

  it('that was altered is refused by it', async () => {
    await world.start([endedJob()]);
    await world.pass(1);
    const { headers, body } = world.calls[0]!;
    const library = new Webhook(world.endpoint.secret);
    const verify = (text: string, more: Record<string, string>) =>
      library.verify(text, { ...headers, ...more });
    expect(() => verify(body, {})).not.toThrow();
    expect(() => verify(body.replace('completed', 'cancelled'), {})).toThrow('No matching');
    expect(() => verify(`${body} `, {})).toThrow('No matching');
    expect(() => verify(body, { 'webhook-id': 'msg_other' })).toThrow('No matching');
    const later = String(Number(headers['webhook-timestamp']) + 1);
    expect(() => verify(body, { 'webhook-timestamp': later })).toThrow('No matching');
    const stranger = new Webhook(makeWebhookSecret());
    expect(() => stranger.verify(body, { ...headers })).toThrow('No matching');
  });

  it('that is replayed after five minutes is refused by it', async () => {
    await world.start();
    world.now -= 5 * 60_000 + 2000;
    await world.wake((desk) => desk.accept([jobDelivery(endedJob(), null)]));
    await world.pass(1);
    const { headers, body } = world.calls[0]!;
    const library = new Webhook(world.endpoint.secret);
    expect(() => library.verify(body, { ...headers })).toThrow('timestamp too old');
  });

  it('of a job that comes twice is made once, also after it has arrived', async () => {
    const job = endedJob();
    await world.start([job, job]);
    await world.pass(5);
    await world.wake(async (desk) => {
      desk.accept([jobDelivery(job, null)]);
      await desk.run();
    });
    expect(world.calls).toHaveLength(1);
    expect(await world.log()).toHaveLength(1);
  });

  it('leaves nothing of its job on disk once it has arrived', async () => {
    const notice = {
      kind: 'webhook',
      courier: 'wh_other',
      url: 'https://other.example.com',
      secret: 'whsec_of_another',
    } as const;
    await world.start([endedJob({ notices: [notice] })]);
    const content = () =>
      world.wake((_, store) => JSON.stringify([...store.page({ before: null, limit: 1 })]));
    const kept = await world.wake((_, store) => JSON.stringify(store.due(1)));
    expect(kept).toContain('prompt');
    expect(kept).not.toContain('whsec_of_another');
    await world.pass(1);
    expect(world.calls[0]!.body).not.toContain('whsec_of_another');
    expect(await content()).not.toContain('prompt');
    expect(
      await world.wake(
        (_, store) => store.find(store.page({ before: null, limit: 1 })[0]!.id)!.content,
      ),
    ).toBeNull();
  });
});

describe('a receiver that fails', () => {
  it('nine times gets the tenth, under the same id, though the courier dies between all', async () => {
    // So that the tenth comes now: the library looks at the clock.
    world.now -= 7220_000;
    await world.start();
    await world.wake((desk) => desk.accept([jobDelivery(endedJob(), null)]));
    world.receiver = () => (world.calls.length < WEBHOOK_TRIES_MAX ? DOWN : OK);
    await world.pass(50);
    expect(world.calls).toHaveLength(WEBHOOK_TRIES_MAX);
    expect(new Set(world.calls.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    const [first, last] = [world.calls[0]!, world.calls.at(-1)!];
    expect(last.at - first.at).toBe(7220_000);
    const library = new Webhook(world.endpoint.secret);
    expect(library.verify(last.body, { ...last.headers })).toMatchObject({ type: 'job.completed' });
    const [entry] = await world.log();
    expect(entry).toMatchObject({ status: 'delivered', tryCount: WEBHOOK_TRIES_MAX });
    expect(entry!.tries.map(({ statusCode }) => statusCode)).toEqual([
      ...Array.from({ length: WEBHOOK_TRIES_MAX - 1 }, () => 500),
      200,
    ]);
  });

  it('ten times gets no more, and the log says so', async () => {
    await world.start([endedJob()]);
    world.receiver = () => DOWN;
    await world.pass(50);
    expect(world.calls).toHaveLength(WEBHOOK_TRIES_MAX);
    const [entry] = await world.log();
    expect(entry).toMatchObject({ status: 'failed', nextTryAt: null });
    expect(entry!.tries.at(-1)).toMatchObject({ fault: 'status', statusCode: 500 });
  });

  it('is not tried before its time', async () => {
    await world.start([endedJob()]);
    world.receiver = () => DOWN;
    await world.pass(1);
    const dueAt = await world.wake((desk) => desk.nextAt()!);
    world.now = dueAt - 1;
    await world.wake((desk) => desk.run());
    expect(world.calls).toHaveLength(1);
    world.now = dueAt;
    await world.wake((desk) => desk.run());
    expect(world.calls).toHaveLength(2);
  });

  it('is tried again after the courier died in the middle of a call', async () => {
    await world.start([endedJob()]);
    // The first call is never answered: its courier is gone.
    world.receiver = () => new Promise(() => {});
    await world.wake((desk) => void desk.run());
    await expect.poll(() => world.calls.length).toBe(1);
    world.receiver = () => OK;
    await world.pass(1);
    expect(world.calls).toHaveLength(2);
    expect(world.calls[1]!.headers['webhook-id']).toBe(world.calls[0]!.headers['webhook-id']);
    expect(await world.log()).toMatchObject([{ status: 'delivered' }]);
  });

  it('uses up no try while names cannot be looked up', async () => {
    await world.start([endedJob()]);
    world.receiver = () => (world.calls.length <= 30 ? AWAY : OK);
    await world.pass(50);
    const [entry] = await world.log();
    expect(entry).toMatchObject({ status: 'delivered', tryCount: 31 });
    expect(await world.wake((desk) => desk.endpoint!.health)).toEqual(HEALTHY);
  });
});

describe('the URL of a single job', () => {
  it('is sent what its own secret signs, or that of the account', async () => {
    const secret = makeWebhookSecret();
    const url = 'https://once.example.com/in';
    const [own, plain] = [endedJob(), endedJob()];
    await world.wake((desk) => {
      desk.accept([jobDelivery(own, { url, secret }), jobDelivery(plain, { url, secret: null })]);
    });
    await world.pass(1);
    const secrets = [secret, await deriveWebhookSecret(SIGNING_KEY, plain.accountId)];
    expect(world.calls.map((call) => call.url)).toEqual([url, url]);
    for (const [index, { body, headers }] of world.calls.entries()) {
      expect(() => new Webhook(secrets[index]!).verify(body, { ...headers })).not.toThrow();
    }
    const stranger = await deriveWebhookSecret(SIGNING_KEY, makeAccountId(Date.now()));
    const { body, headers } = world.calls[1]!;
    expect(() => new Webhook(stranger).verify(body, { ...headers })).toThrow('No matching');
  });

  it('that answers 410 ends that delivery alone', async () => {
    const url = 'https://once.example.com/in';
    const target = { url, secret: makeWebhookSecret() };
    await world.wake((desk) => {
      desk.accept([jobDelivery(endedJob(), target), jobDelivery(endedJob(), target)]);
    });
    world.receiver = () => (world.calls.length === 1 ? GONE : OK);
    await world.pass(1);
    expect((await world.log()).map(({ status }) => status)).toEqual(['delivered', 'failed']);
    expect(world.told).toEqual([]);
  });
});
