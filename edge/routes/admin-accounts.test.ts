import { describe, expect, it } from 'vitest';
import type { AuditList } from '#schema/admin.ts';
import { AccountList, AccountProfileView } from '#schema/admin.ts';
import { PLANS } from '#schema/plan.ts';
import { expectAuthRefusals, expectError, firstField, HttpWorld } from '../test/http.ts';
import type { Route } from '../test/http.ts';
import { eventually } from '../test/world.ts';

const ULID = '01k00000000000000000000000';
const ACCOUNT = `/admin/v1/accounts/acc_${ULID}`;
const ROUTES: [...Route, object?][] = [
  ['GET', '/admin/v1/accounts'],
  ['GET', ACCOUNT],
  ['POST', `${ACCOUNT}/plan`, { plan: 'pro', reason: 'x' }],
  ['POST', `${ACCOUNT}/grants`, { tokens: 1, reason: 'x' }],
  ['POST', `${ACCOUNT}/block`, { reason: 'x' }],
  ['POST', `${ACCOUNT}/unblock`, { reason: 'x' }],
];

it.each(ROUTES)('%s %s opens to the operator alone', async (method, path, json) => {
  await expectAuthRefusals(new HttpWorld(), [method, path], { caller: 'admin', json });
});

it.each(ROUTES.slice(1))('%s %s finds no account that never was', async (method, path, json) => {
  await expectError(await new HttpWorld().admin(method, path, json), 'not_found');
});

async function profile(response: Promise<Response>): Promise<AccountProfileView> {
  const answer = await response;
  expect(answer.status, await answer.clone().text()).toBe(200);
  return AccountProfileView.parse(await answer.json());
}

/** The audit's entries about an account, once there are as many as asked for. */
async function audit(world: HttpWorld, target: string, count: number): Promise<AuditList['data']> {
  return eventually(async () => {
    const { data } = await (
      await world.admin('GET', `/admin/v1/audit?target=${target}&limit=100`)
    ).json<AuditList>();
    return data.length >= count && data;
  });
}

describe('a plan', () => {
  it('is given with a reason, works at once and is audited with the request', async () => {
    const world = new HttpWorld();
    const account = await world.newAccount('free');
    await expectError(await world.get('/v1/account', account.api_key), 'plan_required');
    const change = { plan: 'pro', reason: 'paid by invoice' };
    const response = await world.admin('POST', `/admin/v1/accounts/${account.id}/plan`, change);
    const requestId = response.headers.get('x-request-id');
    const shown = await profile(Promise.resolve(response));
    expect(shown).toMatchObject({ plan: 'pro', plan_until: null, balance: { limit: 300 } });
    expect((await world.get('/v1/account', account.api_key)).status).toBe(200);
    const [entry] = await audit(world, account.id, 2);
    expect(entry).toMatchObject({
      actor: 'admin',
      action: 'plan.set',
      reason: 'paid by invoice',
      request_id: requestId,
      detail: { from: 'free', to: 'pro', until: null },
    });
  });

  it('for a time names its end, to the operator and to the user', async () => {
    const world = new HttpWorld();
    const account = await world.newAccount('starter');
    const until = new Date(Date.now() + 3_600_000).toISOString();
    const path = `/admin/v1/accounts/${account.id}/plan`;
    const shown = await profile(
      world.admin('POST', path, { plan: 'pro', reason: 'a gift', until }),
    );
    expect(shown).toMatchObject({ plan: 'pro', plan_until: until, plan_after: 'starter' });
    const seen = await (await world.get('/v1/account', account.api_key)).json();
    expect(seen).toMatchObject({ plan: 'pro', plan_until: until });
  });

  it.each([
    [{ plan: 'pro' }, 'reason'],
    [{ plan: 'pro', reason: ' ' }, 'reason'],
    [{ plan: 'gold', reason: 'x' }, 'plan'],
    [{ plan: 'pro', reason: 'x', until: '2020-01-01T00:00:00.000Z' }, 'until'],
    [{ plan: 'pro', reason: 'x', more: 1 }, 'more'],
  ])('is not given by %j', async (json, field) => {
    const world = new HttpWorld();
    const { id } = await world.newAccount('free');
    const response = await world.admin('POST', `/admin/v1/accounts/${id}/plan`, json);
    expect(firstField(await expectError(response, 'invalid_request'))).toMatchObject({ field });
  });
});

describe('a grant', () => {
  it('adds to the day, once for its Idempotency-Key', async () => {
    const world = new HttpWorld();
    const { id, api_key } = await world.newAccount('starter');
    const path = `/admin/v1/accounts/${id}/grants`;
    const json = { tokens: 7.5, reason: 'a bad day' };
    const headers = { 'idempotency-key': 'once' };
    const bearer = world.env.adminKey;
    for (let count = 0; count < 3; count += 1) {
      const shown = await profile(world.call('POST', path, { bearer, json, headers }));
      expect(shown.balance).toMatchObject({ granted: 7.5, limit: 127.5, available: 127.5 });
    }
    for (const other of [
      { ...json, tokens: 7 },
      { ...json, reason: 'a good day' },
    ]) {
      const refused = await world.call('POST', path, { bearer, json: other, headers });
      await expectError(refused, 'idempotency_conflict');
    }
    await profile(world.admin('POST', path, json));
    const seen = await (await world.get('/v1/account', api_key)).json();
    expect(seen).toMatchObject({ balance: { granted: 15, limit: 135, available: 135 } });
    const grants = (await audit(world, id, 3)).filter(({ action }) => action === 'tokens.grant');
    expect(grants).toHaveLength(2);
    expect(grants[0]).toMatchObject({ reason: 'a bad day', detail: { millitokens: 7500 } });
  });

  it('is not taken for a job of a batch, whatever the keys of both', async () => {
    const world = new HttpWorld();
    const { id, api_key } = await world.newAccount('starter');
    const jobs = [{ type: 'image', prompt: 'a lake', model: 'painter' }];
    await world.post('/v1/jobs/batch', api_key, { jobs }, { 'idempotency-key': 'grant' });
    const shown = await profile(
      world.call('POST', `/admin/v1/accounts/${id}/grants`, {
        bearer: world.env.adminKey,
        json: { tokens: 5, reason: 'a bad day' },
        headers: { 'idempotency-key': '0' },
      }),
    );
    expect(shown.balance).toMatchObject({ granted: 5 });
  });

  it.each([
    { tokens: 0, reason: 'x' },
    { tokens: 1e9, reason: 'x' },
    { tokens: -5, reason: 'x' },
  ])('is not made of %j', async (json) => {
    const world = new HttpWorld();
    const { id } = await world.newAccount('free');
    const response = await world.admin('POST', `/admin/v1/accounts/${id}/grants`, json);
    const error = await expectError(response, 'invalid_request');
    expect(firstField(error)).toMatchObject({ field: 'tokens' });
  });
});

describe('a block', () => {
  it('closes the account with a reason until it is lifted', async () => {
    const world = new HttpWorld();
    const { id, api_key } = await world.newAccount('pro');
    const path = `/admin/v1/accounts/${id}`;
    const shown = await profile(world.admin('POST', `${path}/block`, { reason: 'abuse' }));
    expect(shown).toMatchObject({ blocked: true, block_reason: 'abuse' });
    await expectError(await world.get('/v1/account', api_key), 'account_blocked');
    await profile(world.admin('POST', `${path}/unblock`, { reason: 'a mistake' }));
    expect((await world.get('/v1/account', api_key)).status).toBe(200);
    const entries = await audit(world, id, 3);
    expect(entries.map(({ action, reason }) => [action, reason])).toEqual([
      ['account.unblock', 'a mistake'],
      ['account.block', 'abuse'],
      ['account.create', null],
    ]);
  });
});

describe('accounts', () => {
  const find = async (world: HttpWorld, query: string) => {
    const response = await world.admin('GET', `/admin/v1/accounts?${query}`);
    expect(response.status, await response.clone().text()).toBe(200);
    return AccountList.parse(await response.json());
  };
  const ids = ({ data }: AccountList) => data.map(({ id }) => id);

  it('are shown with their balance, keys and endpoints, and no secret', async () => {
    const world = new HttpWorld();
    const account = await world.newAccount('starter');
    const response = await world.admin('GET', `/admin/v1/accounts/${account.id}`);
    const text = await response.clone().text();
    expect(text).not.toContain(account.api_key.slice(-43));
    const shown = await profile(Promise.resolve(response));
    expect(shown).toMatchObject({
      ...{ id: account.id, name: 'Ada', plan: 'starter', blocked: false, identities: [] },
      ...{ jobs_open: 0, webhooks: [], keys: [{ id: account.api_key_id, name: 'default' }] },
      balance: { limit: PLANS.starter.dailyMillitokens / 1000, granted: 0, held: 0 },
    });
  });

  it('are found by id, key, identity and part of a name, whatever its letters', async () => {
    const world = new HttpWorld();
    const mark = crypto.randomUUID().slice(0, 8);
    const make = async (name: string) => {
      const json = { name, plan: 'free' };
      const response = await world.admin('POST', '/admin/v1/accounts', json);
      return response.json<{ id: string; api_key_id: string }>();
    };
    const ada = await make(`Ada 100%_${mark}`);
    const bob = await make(`Bob ${mark}`);
    const identity = `telegram:${Date.now()}`;
    const met = await world.env.directories
      .getByName(identity)
      .resolve({ identity, name: `Eve ${mark}`, requestId: `req_${mark}` });
    await eventually(async () => (await find(world, `q=${mark}`)).data.length === 3);
    expect(ids(await find(world, `q=${ada.id}`))).toEqual([ada.id]);
    expect(ids(await find(world, `q=${bob.api_key_id}`))).toEqual([bob.id]);
    expect(ids(await find(world, `q=bob+${mark}`))).toEqual([bob.id]);
    expect(ids(await find(world, `q=${encodeURIComponent(`%_${mark}`)}`))).toEqual([ada.id]);
    const found = await eventually(async () => {
      const page = await find(world, `q=${encodeURIComponent(identity)}`);
      return page.data.length > 0 && page;
    });
    expect(found.data).toMatchObject([{ id: met.accountId, identities: [identity] }]);
    expect((await find(world, `q=nobody-${mark}`)).data).toEqual([]);
  });

  it('come in pages, newest first, filtered by plan and block', async () => {
    const world = new HttpWorld();
    const mark = crypto.randomUUID().slice(0, 8);
    for (const plan of ['free', 'pro', 'pro', 'pro'] as const) {
      await world.admin('POST', '/admin/v1/accounts', { name: mark, plan });
    }
    await eventually(async () => (await find(world, `q=${mark}`)).data.length === 4);
    const all = ids(await find(world, `q=${mark}`));
    expect(all).toEqual(all.toSorted().toReversed());
    const first = await find(world, `q=${mark}&limit=3`);
    const second = await find(world, `q=${mark}&limit=3&cursor=${first.next_cursor}`);
    expect([...ids(first), ...ids(second)]).toEqual(all);
    expect(second.next_cursor).toBeNull();
    expect((await find(world, `q=${mark}&plan=pro`)).data).toHaveLength(3);
    expect((await find(world, `q=${mark}&blocked=true`)).data).toEqual([]);
    await world.admin('POST', `/admin/v1/accounts/${all[1]}/block`, { reason: 'x' });
    const blocked = await eventually(async () => {
      const page = await find(world, `q=${mark}&blocked=true`);
      return page.data.length > 0 && page;
    });
    expect(blocked.data).toMatchObject([{ id: all[1], block_reason: 'x' }]);
  });

  it('are refused a bad cursor, and say so while Postgres is away', async () => {
    const world = new HttpWorld();
    const response = await world.admin('GET', '/admin/v1/accounts?cursor=nonsense');
    const error = await expectError(response, 'invalid_request');
    expect(firstField(error)).toMatchObject({ field: 'cursor' });
    const away = new HttpWorld({ DATABASE_WS_PROXY: '127.0.0.1:9/v1' });
    await expectError(await away.admin('GET', '/admin/v1/accounts'), 'history_unavailable');
    const { id } = await away.newAccount('free');
    const shown = await profile(away.admin('GET', `/admin/v1/accounts/${id}`));
    expect(shown.identities).toBeNull();
  });
});
