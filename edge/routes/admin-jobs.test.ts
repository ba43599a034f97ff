import { runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { AdminJobView, AuditList } from '#schema/admin.ts';
import { DAY_MS } from '#schema/limits.ts';
import type { JobOrder } from '#schema/record.ts';
import { AccountStore } from '../account/store.ts';
import { makeJobId } from '../io/id.ts';
import { expectAuthRefusals, expectError, firstField, HttpWorld } from '../test/http.ts';
import type { Route } from '../test/http.ts';
import { bindings, eventually, newOrder, stubOf } from '../test/world.ts';

const JOB = '/admin/v1/jobs/job_01k00000000000000000000000_main';
const ROUTES: [...Route, object?][] = [
  ['GET', JOB],
  ['POST', `${JOB}/cancel`, { reason: 'x' }],
  ['GET', '/admin/v1/audit'],
];

it.each(ROUTES)('%s %s opens to the operator alone', async (method, path, json) => {
  await expectAuthRefusals(new HttpWorld(), [method, path], { caller: 'admin', json });
});

/** An accepted job whose Scheduler was away so far. */
async function keepCreated(order: JobOrder): Promise<void> {
  const object = bindings.ACCOUNT.getByName(order.accountId);
  await runInDurableObject(stubOf(object), (_, { storage }) => {
    new AccountStore(storage).insertJob(order, Date.now() + DAY_MS);
  });
}

async function audit(world: HttpWorld, query: string): Promise<AuditList> {
  const response = await world.admin('GET', `/admin/v1/audit?${query}`);
  expect(response.status, await response.clone().text()).toBe(200);
  return AuditList.parse(await response.json());
}

describe('a job', () => {
  it('of anyone is shown, live and from the history, and the audit tells of the look', async () => {
    const world = new HttpWorld();
    const agent = await world.newAgent();
    const account = await world.newAccount('pro');
    const { id } = await world.newJob(account.api_key);
    const show = async () => {
      const response = await world.admin('GET', `/admin/v1/jobs/${id}`);
      return AdminJobView.parse(await response.json());
    };
    expect(await show()).toMatchObject({
      ...{ id, status: 'queued', account_id: account.id, agent_id: null },
      api_key_id: account.api_key_id,
    });
    await agent.finish(await agent.take());
    expect(await show()).toMatchObject({ status: 'completed', agent_id: agent.id });
    const looks = await eventually(async () => {
      const { data } = await audit(world, `target=${id}&action=job.inspect`);
      return data.length === 2 && data;
    });
    expect(looks[0]).toMatchObject({ actor: 'admin' });
  });

  it('of anyone is cancelled with a reason, once', async () => {
    const world = new HttpWorld();
    await world.newAgent();
    const { api_key } = await world.newAccount('pro');
    const { id } = await world.newJob(api_key);
    const cancel = async () => {
      const json = { reason: 'asked by its user' };
      return (await world.admin('POST', `/admin/v1/jobs/${id}/cancel`, json)).json();
    };
    expect(await cancel()).toEqual({ result: 'cancelled' });
    expect(await (await world.get(`/v1/jobs/${id}`, api_key)).json()).toMatchObject({
      status: 'cancelled',
    });
    expect(await cancel()).toEqual({ result: 'already_finished' });
    const entries = await eventually(async () => {
      const { data } = await audit(world, `target=${id}&action=job.cancel&actor=admin`);
      return data.length === 2 && data;
    });
    expect(entries.at(-1)).toMatchObject({
      reason: 'asked by its user',
      detail: { result: 'cancelled' },
    });
  });

  it('that is in its account alone is found and cancelled there', async () => {
    const world = new HttpWorld();
    await world.newAgent();
    const account = await world.newAccount('pro');
    const other = await world.newAccount('pro');
    const order = newOrder(world.pool, account.id, { id: makeJobId(world.pool, Date.now()) });
    await keepCreated(order);
    const path = `/admin/v1/jobs/${order.id}`;
    await expectError(await world.admin('GET', path), 'not_found');
    await expectError(await world.admin('GET', `${path}?account_id=${other.id}`), 'not_found');
    const named = `account_id=${account.id}`;
    const shown = await world.admin('GET', `${path}?${named}`);
    expect(AdminJobView.parse(await shown.json())).toMatchObject({
      ...{ id: order.id, status: 'created', account_id: account.id },
    });
    const json = { reason: 'asked by its user' };
    const cancelled = await world.admin('POST', `${path}/cancel?${named}`, json);
    expect(await cancelled.json()).toEqual({ result: 'cancelled' });
    const bad = await world.admin('GET', `${path}?account_id=me`);
    expect(firstField(await expectError(bad, 'invalid_request'))).toMatchObject({
      field: 'account_id',
    });
  });

  it('that never was is not found, and none is cancelled without a reason', async () => {
    const world = new HttpWorld();
    const path = `/admin/v1/jobs/job_01k00000000000000000000000_${world.pool}`;
    for (const unknown of [path, JOB, '/admin/v1/jobs/nonsense']) {
      await expectError(await world.admin('GET', unknown), 'not_found');
      const json = { reason: 'x' };
      await expectError(await world.admin('POST', `${unknown}/cancel`, json), 'not_found');
    }
    const error = await expectError(
      await world.admin('POST', `${path}/cancel`, {}),
      'invalid_request',
    );
    expect(firstField(error)).toMatchObject({ field: 'reason' });
  });
});

describe('the audit', () => {
  it('comes in pages, newest first, every entry once', async () => {
    const world = new HttpWorld();
    const { id } = await world.newAccount('free');
    const count = 7;
    for (let done = 0; done < count; done += 1) {
      const json = { tokens: 1, reason: `grant ${done}` };
      await world.admin('POST', `/admin/v1/accounts/${id}/grants`, json);
    }
    const query = `target=${id}&action=tokens.grant`;
    await eventually(async () => (await audit(world, query)).data.length === count);
    const reasons: unknown[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const from: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page = await audit(world, `${query}&limit=3${from}`);
      reasons.push(...page.data.map(({ reason }) => reason));
      cursor = page.next_cursor;
    }
    const made = Array.from({ length: count }, (_, index) => `grant ${count - 1 - index}`);
    expect(reasons).toEqual(made);
  });

  it.each([
    ['audit?actor=%00', 'actor'],
    ['audit?after=0000-01-01T00:00:00Z', 'after'],
    ['audit?cursor=999999999999999.x', 'cursor'],
    ['audit?cursor=1.%00', 'cursor'],
    ['accounts?q=telegram:%00', 'q'],
  ])('refuses what Postgres cannot be asked: %s', async (path, field) => {
    const response = await new HttpWorld().admin('GET', `/admin/v1/${path}`);
    const error = await expectError(response, 'invalid_request');
    expect(firstField(error)).toMatchObject({ field });
  });

  it('is filtered by time, and refuses what is no cursor', async () => {
    const world = new HttpWorld();
    const { id } = await world.newAccount('free');
    await eventually(async () => (await audit(world, `target=${id}`)).data.length === 1);
    const soon = new Date(Date.now() + 60_000).toISOString();
    expect((await audit(world, `target=${id}&after=${soon}`)).data).toEqual([]);
    expect((await audit(world, `target=${id}&before=${soon}`)).data).toHaveLength(1);
    const response = await world.admin('GET', '/admin/v1/audit?cursor=nonsense');
    const error = await expectError(response, 'invalid_request');
    expect(firstField(error)).toMatchObject({ field: 'cursor' });
  });

  it('says so while Postgres is away', async () => {
    const world = new HttpWorld({ DATABASE_WS_PROXY: '127.0.0.1:9/v1' });
    await expectError(await world.admin('GET', '/admin/v1/audit'), 'history_unavailable');
  });
});
