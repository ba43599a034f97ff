import { beforeEach, describe, expect, it } from 'vitest';
import type { AuditList } from '#schema/admin.ts';
import type { CreatedAccount } from '#schema/api.ts';
import { WebhookView, WebhookWithSecret } from '#schema/webhook.ts';
import { expectAuthRefusals, expectError, HttpWorld, PAINTING } from '../test/http.ts';
import { Receiver } from '../test/receiver.ts';
import { Subscriber } from '../test/webhooks.ts';
import { eventually } from '../test/world.ts';

const NOBODY = 'wh_01k00000000000000000000000';

let world: HttpWorld;
let account: CreatedAccount;
let owner: Subscriber;
beforeEach(async () => {
  world = new HttpWorld();
  account = await world.newAccount('pro');
  owner = new Subscriber(world, account.api_key);
});

function patch(id: string, json: object, bearer = owner.key): Promise<Response> {
  return world.call('PATCH', `/v1/webhooks/${id}`, { bearer, json });
}

async function change(id: string, json: object): Promise<WebhookView> {
  const response = await patch(id, json);
  expect(response.status, await response.clone().text()).toBe(200);
  return WebhookView.parse(await response.json());
}

async function endJob(): Promise<void> {
  const agent = await world.newAgent();
  await world.newJob(owner.key, PAINTING);
  await agent.finish(await agent.take());
}

describe('a change of an endpoint', () => {
  it('keeps what it does not name, and is seen when listed', async () => {
    const made = await owner.make({ events: ['job.failed'], description: 'shop' });
    const changed = await change(made.id, { events: ['job.completed', 'job.completed'] });
    const { secret, ...known } = made;
    expect(changed).toEqual({ ...known, events: ['job.completed'] });
    expect(secret).not.toBe('');
    expect(await change(made.id, { description: null })).toMatchObject({ description: null });
    expect(await owner.list()).toEqual([{ ...changed, description: null }]);
    const shown = await world.get(`/v1/webhooks/${made.id}`, owner.key);
    expect(await shown.json()).toEqual({ ...changed, description: null });
  });

  it('sends what comes to the new URL, with the secret it had', async () => {
    const { id, secret } = await owner.make({ events: ['job.failed'] });
    const other = new Receiver();
    await change(id, { url: other.url, events: ['job.completed'] });
    await endJob();
    expect(await other.expectCall(1, secret)).toMatchObject({ type: 'job.completed' });
    expect(owner.receiver.calls).toEqual([]);
  });

  it('stops it, and lets it go on', async () => {
    const { id, secret } = await owner.make();
    const stopped = await change(id, { enabled: false });
    expect(stopped).toMatchObject({ status: 'disabled', disabled_reason: 'owner' });
    expect(stopped.disabled_at).not.toBeNull();
    const test = await world.post(`/v1/webhooks/${id}/test`, owner.key, {});
    await expectError(test, 'webhook_disabled');
    await endJob();
    const started = await change(id, { enabled: true });
    expect(started).toMatchObject({ status: 'enabled', disabled_reason: null, disabled_at: null });
    await world.post(`/v1/webhooks/${id}/test`, owner.key, {});
    expect(await owner.receiver.expectCall(1, secret)).toMatchObject({ type: 'webhook.test' });
    expect(owner.receiver.calls).toHaveLength(1);
  });

  it('is refused for a URL that is not called, and then changes nothing', async () => {
    const { id } = await owner.make();
    const before = await owner.list();
    const refused = await patch(id, { url: 'https://10.0.0.1/', events: ['job.failed'] });
    await expectError(refused, 'webhook_refused');
    expect(await owner.list()).toEqual(before);
  });

  it.each([{}, { events: [] }, { url: '' }, { secret: 'x' }, { enabled: 'no' }])(
    'is refused as %j',
    async (json) => {
      const { id } = await owner.make();
      await expectError(await patch(id, json), 'invalid_request');
    },
  );

  it("finds neither another account's endpoint nor one that never was", async () => {
    const { id } = await owner.make();
    const { api_key: stranger } = await world.newAccount('pro');
    await expectError(await patch(id, { enabled: false }, stranger), 'not_found');
    await expectError(await patch(NOBODY, { enabled: false }), 'not_found');
    for (const [path, key] of [
      [id, stranger],
      [NOBODY, owner.key],
    ]) {
      await expectError(await world.get(`/v1/webhooks/${path}`, key), 'not_found');
    }
    expect((await owner.list())[0]?.status).toBe('enabled');
  });

  it('opens to an API key alone', async () => {
    const json = { enabled: false };
    await expectAuthRefusals(world, ['GET', `/v1/webhooks/${NOBODY}`], { caller: 'account' });
    await expectAuthRefusals(world, ['PATCH', `/v1/webhooks/${NOBODY}`], {
      caller: 'account',
      json,
    });
  });
});

it('every change of an endpoint is in the audit, with who made it and no URL', async () => {
  const { id } = await owner.make();
  await change(id, { url: owner.receiver.url, enabled: false });
  await world.post(`/v1/webhooks/${id}/enable`, owner.key, {});
  await world.post(`/v1/webhooks/${id}/rotate`, owner.key, {});
  await world.call('DELETE', `/v1/webhooks/${id}`, { bearer: owner.key });
  const entries = await eventually(async () => {
    const path = `/admin/v1/audit?target=${account.id}&limit=100`;
    const { data } = await (await world.admin('GET', path)).json<AuditList>();
    const found = data.filter(({ action }) => action.startsWith('webhook.'));
    return found.length >= 5 && found;
  });
  expect(entries.map(({ action }) => action).toSorted()).toEqual([
    'webhook.create',
    'webhook.delete',
    'webhook.enable',
    'webhook.rotate',
    'webhook.update',
  ]);
  for (const { actor, request_id, detail } of entries) {
    expect(actor).toBe(account.api_key_id);
    expect(request_id).toMatch(/^req_/);
    expect(detail).toMatchObject({ endpoint: id });
  }
  expect(entries.find(({ action }) => action === 'webhook.update')?.detail['fields']).toEqual([
    'url',
    'enabled',
  ]);
  expect(JSON.stringify(entries)).not.toContain(owner.receiver.url);
});

describe('an endpoint that is made with an Idempotency-Key', () => {
  const headers = { 'idempotency-key': 'b1946ac9-2492-4d23-95c6-235b4f6a0ed5' };
  const make = (more: object = {}) =>
    world.post('/v1/webhooks', owner.key, { url: owner.receiver.url, ...more }, headers);
  const read = async (response: Response) => {
    expect(response.status, await response.clone().text()).toBe(201);
    return WebhookWithSecret.parse(await response.json());
  };

  it('is made once, and its secret told again, by which it signs', async () => {
    const first = await read(await make());
    const again = await make();
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(await read(again)).toEqual(first);
    expect(await owner.list()).toHaveLength(1);
    await world.post(`/v1/webhooks/${first.id}/test`, owner.key, {});
    expect(await owner.receiver.expectCall(1, first.secret)).toMatchObject({
      type: 'webhook.test',
    });
  });

  it('is made once by requests that come at once', async () => {
    const made = await Promise.all([make(), make(), make()].map(async (one) => read(await one)));
    expect(new Set(made.map(({ secret }) => secret)).size).toBe(1);
    expect(await owner.list()).toHaveLength(1);
  });

  it('is a conflict for another body, and once it was rotated or deleted', async () => {
    const { id } = await read(await make());
    await expectError(await make({ events: ['job.failed'] }), 'idempotency_conflict');
    await world.post(`/v1/webhooks/${id}/rotate`, owner.key, {});
    await expectError(await make(), 'idempotency_conflict');
    await world.call('DELETE', `/v1/webhooks/${id}`, { bearer: owner.key });
    await expectError(await make(), 'idempotency_conflict');
    expect(await owner.list()).toEqual([]);
  });

  it('is another for another account', async () => {
    const first = await read(await make());
    const { api_key: stranger } = await world.newAccount('pro');
    const theirs = await world.post('/v1/webhooks', stranger, { url: owner.receiver.url }, headers);
    const second = await read(theirs);
    expect(second.id).not.toBe(first.id);
    expect(second.secret).not.toBe(first.secret);
  });
});
