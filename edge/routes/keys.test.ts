import { describe, expect, it } from 'vitest';
import { ApiKey } from '#schema/id.ts';
import type { KeyView } from '#schema/key.ts';
import { CreatedKey, KeyList } from '#schema/key.ts';
import { expectError, firstField, HttpWorld, PAINTING } from '../test/http.ts';

const ULID = '01k00000000000000000000000';

async function newKey(world: HttpWorld, by: string, wish: object = {}): Promise<CreatedKey> {
  const response = await world.post('/v1/keys', by, { name: 'a key', ...wish });
  expect(response.status, await response.clone().text()).toBe(201);
  return CreatedKey.parse(await response.json());
}

async function list(world: HttpWorld, by: string): Promise<KeyView[]> {
  return KeyList.parse(await (await world.get('/v1/keys', by)).json()).data;
}

describe('keys', () => {
  it('are made with their secret shown once, listed without, and revoked', async () => {
    const world = new HttpWorld();
    const { api_key: first } = await world.newAccount('pro');
    const made = await newKey(world, first, { name: ' shop ', scopes: ['jobs:read'] });
    expect(ApiKey.safeParse(made.api_key).success).toBe(true);
    expect(made).toMatchObject({ name: 'shop', hint: made.api_key.slice(-4), budget: null });
    const listed = await world.get('/v1/keys', first);
    const text = await listed.text();
    expect(text).not.toContain(made.api_key.slice(-43));
    const { data } = KeyList.parse(JSON.parse(text));
    expect(data.map(({ name }) => name)).toEqual(['default', 'shop']);
    expect(data[0]?.last_used_at).not.toBeNull();
    expect((await world.get('/v1/jobs', made.api_key)).status).toBe(200);
    const gone = await world.call('DELETE', `/v1/keys/${made.id}`, { bearer: first });
    expect(gone.status).toBe(204);
    await expectError(await world.get('/v1/jobs', made.api_key), 'unauthorized');
    expect(await list(world, first)).toHaveLength(1);
  });

  it('may revoke themselves', async () => {
    const world = new HttpWorld();
    const account = await world.newAccount('pro');
    const path = `/v1/keys/${account.api_key_id}`;
    const gone = await world.call('DELETE', path, { bearer: account.api_key });
    expect(gone.status).toBe(204);
    await expectError(await world.get('/v1/keys', account.api_key), 'unauthorized');
  });

  it('are rotated with an overlap in which both secrets work', async () => {
    const world = new HttpWorld();
    const { api_key: first } = await world.newAccount('pro');
    const made = await newKey(world, first);
    const response = await world.post(`/v1/keys/${made.id}/rotate`, first, { overlap_s: 60 });
    expect(response.status).toBe(200);
    const next = CreatedKey.parse(await response.json());
    expect(next).toMatchObject({ id: made.id, name: 'a key' });
    expect(next.rotated_secret_until).not.toBeNull();
    for (const { api_key } of [made, next]) {
      expect((await world.get('/v1/account', api_key)).status).toBe(200);
    }
    await world.post(`/v1/keys/${made.id}/rotate`, first, {});
    for (const { api_key } of [made, next]) {
      await expectError(await world.get('/v1/account', api_key), 'unauthorized');
    }
  });

  it('of another account are not found, like those that never were', async () => {
    const world = new HttpWorld();
    const [mine, theirs] = [await world.newAccount('pro'), await world.newAccount('pro')];
    for (const id of [theirs.api_key_id, `key_${ULID}`, 'nonsense']) {
      const bearer = mine.api_key;
      await expectError(await world.call('DELETE', `/v1/keys/${id}`, { bearer }), 'not_found');
      await expectError(await world.post(`/v1/keys/${id}/rotate`, bearer, {}), 'not_found');
    }
    expect((await world.get('/v1/account', theirs.api_key)).status).toBe(200);
  });

  it('are as many as the plan allows', async () => {
    const world = new HttpWorld();
    const { api_key } = await world.newAccount('starter');
    for (let count = 1; count < 5; count += 1) await newKey(world, api_key);
    const error = await expectError(
      await world.post('/v1/keys', api_key, { name: 'one more' }),
      'too_many_keys',
    );
    expect(error.details).toEqual({ limit: 5 });
  });

  it.each([
    [{ name: '' }, 'name'],
    [{}, 'name'],
    [{ name: 'x', scopes: ['jobs:fly'] }, 'scopes[0]'],
    [{ name: 'x', scopes: ['jobs:read', 'jobs:read'] }, 'scopes'],
    [{ name: 'x', scopes: ['keys:write'], daily_tokens: 5 }, 'scopes'],
    [{ name: 'x', models: [] }, 'models'],
    [{ name: 'x', models: ['no-such-model'] }, 'models[0]'],
    [{ name: 'x', daily_tokens: 0 }, 'daily_tokens'],
    [{ name: 'x', requests_per_minute: 1.5 }, 'requests_per_minute'],
    [{ name: 'x', expires_at: 'tomorrow' }, 'expires_at'],
    [{ name: 'x', expires_at: '2020-01-01T00:00:00.000Z' }, 'expires_at'],
    [{ name: 'x', admin: true }, 'admin'],
  ])('are not made of %j', async (wish, field) => {
    const world = new HttpWorld();
    const { api_key } = await world.newAccount('pro');
    const error = await expectError(await world.post('/v1/keys', api_key, wish), 'invalid_request');
    expect(firstField(error)).toMatchObject({ field });
  });

  it('hand out no more than they have', async () => {
    const world = new HttpWorld();
    const { api_key } = await world.newAccount('pro');
    const narrow = await newKey(world, api_key, { scopes: ['keys:write'] });
    const wish = { name: 'wide' };
    await expectError(await world.post('/v1/keys', narrow.api_key, wish), 'forbidden');
    const kept = await newKey(world, api_key, { daily_tokens: 5 });
    await expectError(await world.post('/v1/keys', kept.api_key, wish), 'scope_required');
  });
});

describe('a kept key', () => {
  it('is told its budget, when it is used up and when it renews', async () => {
    const world = new HttpWorld();
    await world.newAgent();
    const { api_key: first } = await world.newAccount('pro');
    const { api_key } = await newKey(world, first, { daily_tokens: 0.3 });
    const accepted = await world.post('/v1/jobs', api_key, PAINTING);
    expect(accepted.status).toBe(202);
    const refused = await world.post('/v1/jobs', api_key, PAINTING);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    const error = await expectError(refused, 'key_budget_exhausted');
    expect(error.details).toMatchObject({ needed: 0.25, available: 0.05, limit: 0.3 });
    const account = await (await world.get('/v1/account', api_key)).json();
    expect(account).toMatchObject({
      balance: { held: 0.25 },
      key: { budget: { limit: 0.3, held: 0.25, spent: 0, available: 0.05 } },
    });
  });

  it('uses its models alone, and says which', async () => {
    const world = new HttpWorld();
    await world.newAgent();
    const { api_key: first } = await world.newAccount('pro');
    const { api_key } = await newKey(world, first, { models: ['chat'] });
    const error = await expectError(
      await world.post('/v1/jobs', api_key, PAINTING),
      'model_not_allowed',
    );
    expect(error.details).toEqual({ model: 'painter', allowed: ['chat'] });
    const quote = await world.post('/v1/jobs?dry_run=1', api_key, PAINTING);
    expect(await quote.json()).toMatchObject({
      accepted: false,
      refusal: { code: 'model_not_allowed' },
    });
  });

  it('with a rate of its own tells that rate, and which limit it met', async () => {
    const world = new HttpWorld();
    const { api_key: first } = await world.newAccount('pro');
    const { api_key } = await newKey(world, first, { requests_per_minute: 2 });
    const shown = await world.get('/v1/account', api_key);
    expect(shown.headers.get('ratelimit-limit')).toBe('2');
    expect(shown.headers.get('ratelimit-remaining')).toBe('1');
    await world.get('/v1/account', api_key);
    const refused = await world.get('/v1/account', api_key);
    const error = await expectError(refused, 'rate_limited');
    expect(error.details).toEqual({ scope: 'key', limit: 2 });
    expect(refused.headers.get('ratelimit-remaining')).toBe('0');
  });
});
