import { beforeEach, describe, expect, it } from 'vitest';
import { CreatedKey, KeyList } from '#schema/key.ts';
import { IDEMPOTENCY_MS } from '#schema/limits.ts';
import { expectError, HttpWorld } from '../test/http.ts';
import { bindings, stubOf } from '../test/world.ts';
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import type { CreatedAccount } from '#schema/api.ts';

const KEY = { 'idempotency-key': '6f1ed002-ab55-4a3c-a0e5-3a1d1f2c9b77' };

let world: HttpWorld;
let account: CreatedAccount;
beforeEach(async () => {
  world = new HttpWorld();
  account = await world.newAccount('pro');
});

function make(wish: object = {}, by = account.api_key): Promise<Response> {
  return world.post('/v1/keys', by, { name: 'shop', ...wish }, KEY);
}

async function read(response: Response): Promise<CreatedKey> {
  expect(response.status, await response.clone().text()).toBe(201);
  return CreatedKey.parse(await response.json());
}

async function count(): Promise<number> {
  const response = await world.get('/v1/keys', account.api_key);
  return KeyList.parse(await response.json()).data.length;
}

describe('a key that is made with an Idempotency-Key', () => {
  it('is made once, and its secret told again, also after an eviction', async () => {
    const first = await make();
    expect(first.headers.get('idempotent-replayed')).toBeNull();
    const made = await read(first);
    await evictDurableObject(stubOf(bindings.ACCOUNT.getByName(account.id)));
    const again = await make();
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    const { id, api_key } = await read(again);
    expect({ id, api_key }).toEqual({ id: made.id, api_key: made.api_key });
    expect(await count()).toBe(2);
    expect((await world.get('/v1/account', api_key)).status).toBe(200);
  });

  it('is made once by requests that come at once', async () => {
    const made = await Promise.all([make(), make(), make()].map(async (one) => read(await one)));
    expect(new Set(made.map(({ api_key }) => api_key)).size).toBe(1);
    expect(await count()).toBe(2);
  });

  it('is a conflict for another body', async () => {
    await read(await make());
    await expectError(await make({ scopes: ['jobs:read'] }), 'idempotency_conflict');
    expect(await count()).toBe(2);
  });

  it.each(['rotated', 'revoked'])('is a conflict once it was %s', async (fate) => {
    const { id } = await read(await make());
    if (fate === 'rotated') await world.post(`/v1/keys/${id}/rotate`, account.api_key, {});
    else await world.call('DELETE', `/v1/keys/${id}`, { bearer: account.api_key });
    const error = await expectError(await make(), 'idempotency_conflict');
    expect(error.message).toContain('rotated or revoked');
  });

  it('is not told to a key that could not make it', async () => {
    await read(await make());
    const narrow = await world.post('/v1/keys', account.api_key, {
      name: 'narrow',
      scopes: ['keys:write'],
    });
    const { api_key } = await read(narrow);
    await expectError(await make({}, api_key), 'forbidden');
  });

  it('is another one after a day, whose secret is another too', async () => {
    const first = await read(await make());
    await runInDurableObject(stubOf(bindings.ACCOUNT.getByName(account.id)), (_, { storage }) => {
      const { sql } = storage;
      sql.exec('UPDATE idempotency SET created_at = created_at - ?', IDEMPOTENCY_MS);
    });
    const second = await read(await make());
    expect(second.id).not.toBe(first.id);
    expect(second.api_key).not.toBe(first.api_key);
  });

  it('is not taken for a webhook of the same Idempotency-Key', async () => {
    await read(await make());
    const endpoint = await world.post(
      '/v1/webhooks',
      account.api_key,
      { url: 'https://1.1.1.1/' },
      KEY,
    );
    expect(endpoint.status).toBe(201);
  });
});
