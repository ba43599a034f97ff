import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { Webhook } from 'standardwebhooks';
import { beforeEach, describe, expect, it } from 'vitest';
import type { CreatedAccount, JobView } from '#schema/api.ts';
import { DeliveryList, WebhookWithSecret } from '#schema/webhook.ts';
import { WEBHOOK_TRIES_MAX } from '#schema/webhook-limits.ts';
import { expectError, HttpWorld, PAINTING } from '../test/http.ts';
import { Subscriber } from '../test/webhooks.ts';
import { bindings } from '../test/world.ts';

let world: HttpWorld;
let account: CreatedAccount;
let owner: Subscriber;
beforeEach(async () => {
  world = new HttpWorld();
  account = await world.newAccount('pro');
  owner = new Subscriber(world, account.api_key);
});

/** A job that ends, with what it is submitted with. */
async function endJob(more: object = {}): Promise<JobView> {
  const agent = await world.newAgent();
  const job = await world.newJob(owner.key, { ...PAINTING, ...more });
  await agent.finish(await agent.take());
  return job;
}

function courier(name: string): DurableObjectStub {
  return bindings.WEBHOOK_COURIER.getByName(name) as unknown as DurableObjectStub;
}

/** Lets the next try of everything be due now, in a courier that wakes with its disk alone. */
async function skipWait(name: string): Promise<void> {
  await runInDurableObject(courier(name), (_, { storage }) => {
    storage.sql.exec('UPDATE delivery SET due_at = 0 WHERE due_at IS NOT NULL');
  });
  await evictDurableObject(courier(name));
}

describe('an endpoint', () => {
  it('is made with its secret shown once, listed without, and deleted', async () => {
    const made = await owner.make({ events: ['job.failed'], description: ' shop ' });
    expect(made).toMatchObject({
      url: owner.receiver.url,
      events: ['job.failed'],
      description: 'shop',
      status: 'enabled',
      pending: 0,
    });
    expect(made.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const listed = await world.get('/v1/webhooks', owner.key);
    expect(await listed.clone().text()).not.toContain(made.secret.slice(6));
    expect(await owner.list()).toMatchObject([{ id: made.id, description: 'shop' }]);
    const gone = await world.call('DELETE', `/v1/webhooks/${made.id}`, { bearer: owner.key });
    expect(gone.status).toBe(204);
    expect(await owner.list()).toEqual([]);
    const repeated = await world.call('DELETE', `/v1/webhooks/${made.id}`, { bearer: owner.key });
    await expectError(repeated, 'not_found');
  });

  it('hears of everything unless it says of what', async () => {
    expect((await owner.make()).events).toHaveLength(5);
    expect((await owner.make({ events: ['job.failed', 'job.failed'] })).events).toEqual([
      'job.failed',
    ]);
  });

  it('is sent the end of a job, with a result that can be fetched', async () => {
    const { id, secret } = await owner.make();
    const job = await endJob();
    const message = (await owner.receiver.expectCall(1, secret)) as { data: JobView };
    expect(message).toMatchObject({ type: 'job.completed', data: { id: job.id } });
    const { pathname, search } = new URL(message.data.artifacts[0]!.url);
    expect((await world.get(pathname + search)).status).toBe(200);
    await expect.poll(async () => (await owner.log(id))[0]?.status).toBe('delivered');
    const [entry] = await owner.log(id);
    expect(entry).toMatchObject({ event: 'job.completed', job_id: job.id, try_count: 1 });
    expect(entry!.id).toBe(owner.receiver.calls[0]!.headers['webhook-id']);
    expect(entry!.tries[0]).toMatchObject({ status_code: 200, error: null });
  });

  it('is sent nothing it did not ask for', async () => {
    const only = await owner.make({ events: ['job.failed'] });
    const all = await owner.make();
    await endJob();
    await owner.receiver.expectCall(1, all.secret);
    expect(await owner.log(only.id)).toEqual([]);
  });

  it('that fails nine times gets the tenth, though its courier dies between all', async () => {
    const { id, secret } = await owner.make();
    owner.receiver.statuses = Array.from({ length: WEBHOOK_TRIES_MAX - 1 }, () => 500);
    await endJob();
    for (let tries = 1; tries < WEBHOOK_TRIES_MAX; tries += 1) {
      await expect.poll(async () => (await owner.log(id))[0]?.try_count).toBe(tries);
      await skipWait(id);
      await runDurableObjectAlarm(courier(id));
    }
    expect(await owner.receiver.expectCall(WEBHOOK_TRIES_MAX, secret)).toMatchObject({
      type: 'job.completed',
    });
    expect(new Set(owner.receiver.calls.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    await expect.poll(async () => (await owner.log(id))[0]?.status).toBe('delivered');
  });

  it('that says it is gone is disabled, says so, and can be enabled', async () => {
    const { id, secret } = await owner.make();
    owner.receiver.statuses = [410];
    await world.post(`/v1/webhooks/${id}/test`, owner.key, {});
    await expect.poll(async () => (await owner.list())[0]!.status).toBe('disabled');
    expect((await owner.list())[0]).toMatchObject({ disabled_reason: 'gone' });
    await expect.poll(async () => (await accountEndpoints())[0]!.disabled).toBe(true);
    await expectError(
      await world.post(`/v1/webhooks/${id}/test`, owner.key, {}),
      'webhook_disabled',
    );
    const enabled = await world.post(`/v1/webhooks/${id}/enable`, owner.key, {});
    expect(await enabled.json()).toMatchObject({ id, status: 'enabled', disabled_at: null });
    expect((await accountEndpoints())[0]!.disabled).toBe(false);
    await endJob();
    expect(await owner.receiver.expectCall(2, secret)).toMatchObject({ type: 'job.completed' });
  });

  it('gets a new secret, with which both sign for a while', async () => {
    const { id, secret } = await owner.make();
    const rotated = await world.post(`/v1/webhooks/${id}/rotate`, owner.key, { overlap_s: 3600 });
    expect(rotated.status).toBe(200);
    const next = WebhookWithSecret.parse(await rotated.json());
    expect(next.secret).not.toBe(secret);
    await world.post(`/v1/webhooks/${id}/test`, owner.key, {});
    await owner.receiver.expectCall(1, secret);
    await owner.receiver.expectCall(1, next.secret);
    await world.post(`/v1/webhooks/${id}/rotate`, owner.key, { overlap_s: 0 });
    await world.post(`/v1/webhooks/${id}/test`, owner.key, {});
    await expect(owner.receiver.expectCall(2, next.secret)).rejects.toThrow(
      'No matching signature',
    );
  });

  it('is sent a delivery again under its id, but not what was deleted since', async () => {
    const { id, secret } = await owner.make();
    const job = await endJob();
    await owner.receiver.expectCall(1, secret);
    await expect.poll(async () => (await owner.log(id))[0]?.status).toBe('delivered');
    const [entry] = await owner.log(id);
    const path = `/v1/webhooks/${id}/deliveries/${entry!.id}/redeliver`;
    const again = await world.post(path, owner.key, {});
    expect(again.status, await again.clone().text()).toBe(202);
    expect(await again.json()).toMatchObject({ id: entry!.id, job_id: job.id });
    await owner.receiver.expectCall(2, secret);
    const [first, second] = owner.receiver.calls;
    expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id']);
    await expect.poll(async () => (await owner.log(id))[0]?.try_count).toBe(2);
    expect(second!.body).toContain(PAINTING.prompt);
    const deleted = await world.call('DELETE', `/v1/jobs/${job.id}`, { bearer: owner.key });
    expect(deleted.status, await deleted.text()).toBeLessThan(300);
    expect((await world.post(path, owner.key, {})).status).toBe(202);
    expect(await owner.receiver.expectCall(3, secret)).toMatchObject({ data: { id: job.id } });
    expect(owner.receiver.calls[2]!.body).not.toContain(PAINTING.prompt);
    const unknown = `/v1/webhooks/${id}/deliveries/msg_unknown/redeliver`;
    await expectError(await world.post(unknown, owner.key, {}), 'not_found');
  });

  it('is told once that few of the day’s tokens are left, and once that too few are', async () => {
    const { api_key: starter } = await world.newAccount('starter');
    const { secret } = await owner.make({ events: ['tokens.low', 'tokens.exhausted'] }, starter);
    await world.newAgent();
    const costly = { ...PAINTING, width: 1536, height: 1536, count: 4 };
    let submitted = await world.post('/v1/jobs', starter, costly);
    // Thirteen of them are the plan's 120 tokens.
    for (let count = 0; count < 20 && submitted.status === 202; count += 1) {
      submitted = await world.post('/v1/jobs', starter, costly);
    }
    await expectError(submitted, 'tokens_exhausted');
    await world.post('/v1/jobs', starter, costly);
    await expect.poll(() => owner.receiver.calls.length).toBe(2);
    const library = new Webhook(secret);
    const messages = owner.receiver.calls.map(({ body, headers }) => library.verify(body, headers));
    expect(messages).toMatchObject([
      { type: 'tokens.low', data: { limit: 120 } },
      { type: 'tokens.exhausted', data: { limit: 120, available: expect.any(Number) } },
    ]);
  });

  it('has a log in pages, newest first', async () => {
    const { id } = await owner.make();
    for (let count = 0; count < 5; count += 1)
      await world.post(`/v1/webhooks/${id}/test`, owner.key, {});
    const ids: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query: string = cursor === '' ? '?limit=2' : `?limit=2&cursor=${cursor}`;
      const response = await world.get(`/v1/webhooks/${id}/deliveries${query}`, owner.key);
      const page: DeliveryList = DeliveryList.parse(await response.json());
      ids.push(...page.data.map((entry) => entry.id));
      cursor = page.next_cursor;
    }
    expect(ids).toHaveLength(5);
    expect(new Set(ids).size).toBe(5);
    expect(ids).toEqual((await owner.log(id)).map((entry) => entry.id));
  });
});

function accountEndpoints() {
  return world.env.accounts.getByName(account.id).endpoints();
}

describe('a job with a URL of its own', () => {
  it('is told of there, signed with the secret of the account', async () => {
    const response = await world.get('/v1/webhooks/default/secret', owner.key);
    const { secret } = await response.json<{ secret: string }>();
    const job = await endJob({ webhook: { url: owner.receiver.url } });
    expect(await owner.receiver.expectCall(1, secret)).toMatchObject({ data: { id: job.id } });
    await expect.poll(async () => (await owner.log('default'))[0]?.status).toBe('delivered');
    const other = await world.newAccount('pro');
    const others = await world.get('/v1/webhooks/default/secret', other.api_key);
    expect((await others.json<{ secret: string }>()).secret).not.toBe(secret);
  });

  it('is told of with the secret that came along, and beside the endpoints', async () => {
    const endpoint = await owner.make();
    const secret = `whsec_${btoa('a secret of thirty-two bytes, ok')}`;
    const job = await endJob({ webhook: { url: `https://${owner.receiver.host}/once`, secret } });
    await expect.poll(() => owner.receiver.calls.length).toBe(2);
    for (const { url, body, headers } of owner.receiver.calls) {
      const library = new Webhook(url.endsWith('/once') ? secret : endpoint.secret);
      expect(library.verify(body, headers)).toMatchObject({ data: { id: job.id } });
      expect(body).not.toContain(secret);
    }
    const shown = await (await world.get(`/v1/jobs/${job.id}`, owner.key)).text();
    expect(shown).not.toContain(owner.receiver.host);
  });

  it('can be of a batch, each with its own', async () => {
    const agent = await world.newAgent();
    const jobs = ['one', 'two'].map((path) => ({
      ...PAINTING,
      webhook: { url: `https://${owner.receiver.host}/${path}` },
    }));
    const bad = { ...PAINTING, webhook: { url: 'https://10.0.0.1/' } };
    const response = await world.post('/v1/jobs/batch', owner.key, { jobs: [...jobs, bad] });
    const answer = await response.json<{ jobs: { error?: { code: string } }[] }>();
    expect(answer.jobs.map(({ error }) => error?.code ?? null)).toEqual([
      null,
      null,
      'webhook_refused',
    ]);
    await agent.finish(await agent.take());
    await agent.finish(await agent.take());
    await expect
      .poll(() => owner.receiver.calls.map(({ url }) => new URL(url).pathname).toSorted())
      .toEqual(['/one', '/two']);
  });
});
