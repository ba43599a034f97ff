import { describe, expect, it } from 'vitest';
import { AuditList } from '#schema/admin.ts';
import { AgentView, QueueOverview } from '#schema/api.ts';
import { ApiKey, AgentToken } from '#schema/id.ts';
import { expectAuthRefusals, expectError, firstField, HttpWorld } from '../test/http.ts';
import type { Route } from '../test/http.ts';
import { eventually } from '../test/world.ts';

const ULID = '01k00000000000000000000000';
const ROUTES: Route[] = [
  ['POST', '/admin/v1/accounts'],
  ['DELETE', `/admin/v1/accounts/acc_${ULID}/keys/key_${ULID}`],
  ['POST', '/admin/v1/agents'],
  ['GET', '/admin/v1/agents'],
  ['POST', `/admin/v1/agents/agt_${ULID}/drain`],
  ['DELETE', `/admin/v1/agents/agt_${ULID}`],
  ['GET', '/admin/v1/queue'],
];

it.each(ROUTES)('%s %s opens to the operator alone', async (...route) => {
  const json = route[0] === 'POST' && !route[1].endsWith('drain') ? { name: 'x' } : undefined;
  await expectAuthRefusals(new HttpWorld(), route, { caller: 'admin', json });
});

describe('accounts', () => {
  it('are made with a key that works until it is revoked', async () => {
    const world = new HttpWorld();
    const account = await world.newAccount('starter');
    expect(ApiKey.safeParse(account.api_key).success).toBe(true);
    const shown = await world.get('/v1/account', account.api_key);
    expect(await shown.json()).toMatchObject({ id: account.id, plan: 'starter', tier: 'starter' });
    const path = `/admin/v1/accounts/${account.id}/keys/${account.api_key_id}`;
    expect((await world.admin('DELETE', path)).status).toBe(204);
    await expectError(await world.get('/v1/account', account.api_key), 'unauthorized');
    const other = `/admin/v1/accounts/${account.id}/keys/key_${ULID}`;
    await expectError(await world.admin('DELETE', other), 'not_found');
  });

  it.each([
    [{ name: '', plan: 'pro' }, 'name'],
    [{ name: 'x' }, 'plan'],
    [{ name: 'x', plan: 'gold' }, 'plan'],
    [{ name: 'x', plan: 'pro', admin: true }, 'admin'],
  ])('are not made of %j', async (json, field) => {
    const response = await new HttpWorld().admin('POST', '/admin/v1/accounts', json);
    const error = await expectError(response, 'invalid_request');
    expect(firstField(error)).toMatchObject({ field });
  });
});

describe('agents', () => {
  it('are issued, listed, drained and revoked', async () => {
    const world = new HttpWorld();
    const agent = await world.newAgent(['painter']);
    expect(AgentToken.safeParse(agent.token).success).toBe(true);
    const list = async () => {
      const { data } = await (
        await world.admin('GET', '/admin/v1/agents')
      ).json<{ data: unknown[] }>();
      return data.map((view) => AgentView.parse(view));
    };
    const [view, ...others] = await list();
    expect(others).toEqual([]);
    expect(view).toMatchObject({ id: agent.id, name: 'box', online: true, models: ['painter'] });
    const path = `/admin/v1/agents/${agent.id}`;
    expect((await world.admin('POST', `${path}/drain`)).status).toBe(204);
    expect(await agent.acquire()).toEqual({ job: null, batch: [], drain: true });
    expect((await world.admin('DELETE', path)).status).toBe(204);
    expect(await list()).toMatchObject([{ revoked: true }]);
  });

  it('that are issued, drained and revoked with a reason have it in the audit', async () => {
    const world = new HttpWorld();
    const issued = await world.admin('POST', '/admin/v1/agents', { name: 'box', reason: 'new' });
    const { id } = await issued.json<{ id: string }>();
    const path = `/admin/v1/agents/${id}`;
    expect((await world.admin('POST', `${path}/drain?reason=noise`)).status).toBe(204);
    expect((await world.admin('DELETE', `${path}?reason=sold`)).status).toBe(204);
    const entries = await eventually(async () => {
      const response = await world.admin('GET', `/admin/v1/audit?target=${id}`);
      const { data } = AuditList.parse(await response.json());
      return data.length === 3 && data;
    });
    expect(entries.map(({ action, reason }) => [action, reason])).toEqual([
      ['agent.revoke', 'sold'],
      ['agent.drain', 'noise'],
      ['agent.issue', 'new'],
    ]);
  });

  it('that do not exist are not found', async () => {
    const world = new HttpWorld();
    for (const id of [`agt_${ULID}`, 'nonsense']) {
      await expectError(await world.admin('DELETE', `/admin/v1/agents/${id}`), 'not_found');
      await expectError(await world.admin('POST', `/admin/v1/agents/${id}/drain`), 'not_found');
    }
  });
});

it('the queue tells what waits by tier', async () => {
  const world = new HttpWorld();
  await world.newAgent();
  const { api_key } = await world.newAccount('pro');
  await world.newJob(api_key);
  const overview = await (await world.admin('GET', '/admin/v1/queue')).json();
  expect(QueueOverview.parse(overview)).toMatchObject({ waiting: { pro: 1, free: 0 }, running: 0 });
});
