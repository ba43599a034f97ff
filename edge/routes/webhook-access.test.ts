import { beforeEach, describe, expect, it } from 'vitest';
import { CreatedKey } from '#schema/key.ts';
import { PLANS } from '#schema/plan.ts';
import { expectAuthRefusals, expectError, firstField, HttpWorld, PAINTING } from '../test/http.ts';
import { Subscriber } from '../test/webhooks.ts';

const NOBODY = 'wh_01k00000000000000000000000';

let world: HttpWorld;
let owner: Subscriber;
beforeEach(async () => {
  world = new HttpWorld();
  owner = new Subscriber(world, (await world.newAccount('pro')).api_key);
});

describe('a URL that is not called', () => {
  it.each([
    ['http://example.com/', 'scheme'],
    ['https://127.0.0.1/', 'private'],
    ['https://2130706433/', 'private'],
    ['https://[::ffff:169.254.169.254]/', 'private'],
    ['https://localhost/', 'private'],
    ['https://user:pass@example.com/', 'credentials'],
    ['https://example.com:22/', 'port'],
    ['nonsense', 'malformed'],
  ])('%s is refused for endpoints and for jobs (%s)', async (url, fault) => {
    const endpoint = await world.post('/v1/webhooks', owner.key, { url });
    expect((await expectError(endpoint, 'webhook_refused')).details).toEqual({
      field: 'url',
      fault,
    });
    const job = await world.post('/v1/jobs', owner.key, { ...PAINTING, webhook: { url } });
    expect((await expectError(job, 'webhook_refused')).details).toEqual({
      field: 'webhook.url',
      fault,
    });
    expect(await owner.list()).toEqual([]);
  });

  it('by what its name stands for is refused, and what it stands for is not told', async () => {
    owner.receiver.addresses = ['10.1.2.3'];
    const refused = await world.post('/v1/webhooks', owner.key, { url: owner.receiver.url });
    const error = await expectError(refused, 'webhook_refused');
    expect(JSON.stringify(error)).not.toContain('10.1.2.3');
  });

  it('any more, since its name turned inwards, is not called', async () => {
    const { id } = await owner.make();
    owner.receiver.addresses = ['8.8.8.8', '169.254.169.254'];
    await world.post(`/v1/webhooks/${id}/test`, owner.key, {});
    await expect
      .poll(async () => (await owner.log(id))[0]?.tries[0]?.error)
      .toBe('refused_address');
    expect(owner.receiver.calls).toEqual([]);
  });
});

describe('a request that is refused', () => {
  it.each([
    [{ url: '' }, 'url'],
    [{ events: [] }, 'events'],
    [{ events: ['job.started'] }, 'events[0]'],
    [{ description: 'x'.repeat(65) }, 'description'],
    [{ secret: 'mine' }, 'secret'],
  ])('names what is wrong: %j', async (wish, field) => {
    const response = await world.post('/v1/webhooks', owner.key, {
      url: owner.receiver.url,
      ...wish,
    });
    expect(firstField(await expectError(response, 'invalid_request'))).toMatchObject({ field });
  });

  it.each(['mine', 'whsec_', 'whsec_c2hvcnQ=', `whsec_${btoa('x'.repeat(65))}`, 'whsec_!!!'])(
    'has a job with a secret that cannot sign: %s',
    async (secret) => {
      const webhook = { url: owner.receiver.url, secret };
      const response = await world.post('/v1/jobs', owner.key, { ...PAINTING, webhook });
      const error = await expectError(response, 'invalid_request');
      expect(firstField(error)).toMatchObject({ field: 'webhook.secret' });
    },
  );

  it('asks for more endpoints than the plan has', async () => {
    const { api_key: starter } = await world.newAccount('starter');
    const { webhooksMax } = PLANS.starter;
    for (let count = 0; count < webhooksMax; count += 1) await owner.make({}, starter);
    const response = await world.post('/v1/webhooks', starter, { url: owner.receiver.url });
    const error = await expectError(response, 'too_many_webhooks');
    expect(error.details).toEqual({ limit: webhooksMax });
  });

  it.each(['?cursor=abc', '?limit=0', '?limit=101', '?page=2'])(
    'asks the log for what is no page: %s',
    async (query) => {
      const { id } = await owner.make();
      const path = `/v1/webhooks/${id}/deliveries${query}`;
      await expectError(await world.get(path, owner.key), 'invalid_request');
    },
  );
});

/** Every route, for an endpoint. */
function routesOf(id: string): [method: string, path: string, json?: object][] {
  return [
    ['DELETE', `/v1/webhooks/${id}`],
    ['POST', `/v1/webhooks/${id}/enable`],
    ['POST', `/v1/webhooks/${id}/rotate`, {}],
    ['POST', `/v1/webhooks/${id}/test`],
    ['GET', `/v1/webhooks/${id}/deliveries`],
    ['POST', `/v1/webhooks/${id}/deliveries/msg_x/redeliver`],
  ];
}

describe('security', () => {
  it('refuses callers without a owner.key that opens', async () => {
    const wish = { url: owner.receiver.url };
    await expectAuthRefusals(world, ['GET', '/v1/webhooks'], { caller: 'account' });
    await expectAuthRefusals(world, ['POST', '/v1/webhooks'], { caller: 'account', json: wish });
    const secret = ['GET', '/v1/webhooks/default/secret'] as const;
    await expectAuthRefusals(world, secret, { caller: 'account' });
    for (const [method, path, json] of routesOf(NOBODY)) {
      await expectAuthRefusals(world, [method, path], { caller: 'account', json });
    }
  });

  it('wants the scope for webhooks', async () => {
    const wish = { name: 'narrow', scopes: ['jobs:read', 'jobs:write', 'account:read'] };
    const response = await world.post('/v1/keys', owner.key, wish);
    const { api_key: narrow } = CreatedKey.parse(await response.json());
    await expectError(await world.get('/v1/webhooks', narrow), 'scope_required');
    const made = await world.post('/v1/webhooks', narrow, { url: owner.receiver.url });
    await expectError(made, 'scope_required');
    const secret = await world.get('/v1/webhooks/default/secret', narrow);
    await expectError(secret, 'scope_required');
  });

  it('does not know another account’s endpoint, nor one that never was', async () => {
    const { id } = await owner.make();
    const { api_key: stranger } = await world.newAccount('pro');
    for (const named of [id, NOBODY, 'wh_nonsense']) {
      for (const [method, path, json] of routesOf(named)) {
        const options = { bearer: stranger, ...(json ? { json } : {}) };
        await expectError(await world.call(method, path, options), 'not_found');
      }
    }
    expect(await owner.list(stranger)).toEqual([]);
    expect(await owner.list()).toMatchObject([{ id, status: 'enabled', pending: 0 }]);
    expect(owner.receiver.calls).toEqual([]);
  });

  it('has no webhooks on the free plan', async () => {
    const { api_key: free } = await world.newAccount('free');
    const response = await world.post('/v1/webhooks', free, { url: owner.receiver.url });
    await expectError(response, 'plan_required');
  });
});
