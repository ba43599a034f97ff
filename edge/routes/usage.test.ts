import { describe, expect, it } from 'vitest';
import { DAY_MS } from '#schema/limits.ts';
import { UsageReport } from '#schema/report.ts';
import { usage } from '#schema/tables/index.ts';
import { openDb } from '../io/db.ts';
import { makeApiKeyId, makeJobId } from '../io/id.ts';
import { expectError, firstField, HttpWorld } from '../test/http.ts';
import { eventually } from '../test/world.ts';

type UsageRow = typeof usage.$inferInsert;
const TODAY = new Date().toISOString().slice(0, 10);
const dayBefore = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10);

/** Jobs that ended, as the history has them. */
async function record(world: HttpWorld, rows: (Partial<UsageRow> & { accountId: string })[]) {
  const values = rows.map((row) => ({
    ...{ jobId: makeJobId('main', Date.now()), day: TODAY, type: 'image', model: 'painter' },
    ...{ millitokens: 250, serviceMs: 1500, apiKeyId: null, ...row },
  }));
  await openDb(world.env, (db) => db.insert(usage).values(values));
}

async function report(world: HttpWorld, bearer: string, query = ''): Promise<UsageReport> {
  const response = await world.get(`/v1/usage${query}`, bearer);
  expect(response.status, await response.clone().text()).toBe(200);
  return UsageReport.parse(await response.json());
}

describe('GET /v1/usage', () => {
  it('tells what a job used, with its key, soon after its end', async () => {
    const world = new HttpWorld();
    const agent = await world.newAgent();
    const account = await world.newAccount('pro');
    await world.newJob(account.api_key);
    await agent.finish(await agent.take());
    const found = await eventually(async () => {
      const told = await report(world, account.api_key, '?by=day,type,model,key');
      return told.data.length > 0 && told;
    });
    expect(found.data).toEqual([
      {
        ...{ day: TODAY, type: 'image', model: 'painter', api_key_id: account.api_key_id },
        ...{ jobs: 1, tokens: 0.25, gpu_s: 1, completion_tokens: 0, audio_s: 0 },
      },
    ]);
    expect(found.total).toMatchObject({ jobs: 1, tokens: 0.25 });
  });

  it('sums by what is asked for, of this account alone', async () => {
    const world = new HttpWorld();
    const { id: accountId, api_key } = await world.newAccount('pro');
    const other = await world.newAccount('pro');
    const key = makeApiKeyId(Date.now());
    await record(world, [
      { accountId },
      { accountId, apiKeyId: key, day: dayBefore(1) },
      { accountId, apiKeyId: key, type: 'text', model: 'chat', completionTokens: 90 },
      { accountId: other.id, millitokens: 999_000 },
    ]);
    const byType = await report(world, api_key, '?by=type');
    expect(byType.data).toMatchObject([
      { type: 'image', jobs: 2, tokens: 0.5, gpu_s: 3 },
      { type: 'text', jobs: 1, tokens: 0.25, completion_tokens: 90 },
    ]);
    expect(byType.data[0]).not.toHaveProperty('day');
    const byKey = await report(world, api_key, '?by=key');
    expect(byKey.data).toMatchObject([
      { api_key_id: key, jobs: 2 },
      { api_key_id: null, jobs: 1 },
    ]);
    expect((await report(world, api_key)).data).toMatchObject([
      { day: dayBefore(1), jobs: 1 },
      { day: TODAY, jobs: 2 },
    ]);
    expect(byKey.total).toMatchObject({ jobs: 3, tokens: 0.75 });
  });

  it('keeps to its span, thirty days when none is named', async () => {
    const world = new HttpWorld();
    const { id: accountId, api_key } = await world.newAccount('pro');
    await record(world, [
      { accountId, day: dayBefore(29) },
      { accountId, day: dayBefore(30) },
      { accountId, day: dayBefore(60) },
    ]);
    expect(await report(world, api_key)).toMatchObject({ from: dayBefore(29), total: { jobs: 1 } });
    const span = `?from=${dayBefore(60)}&to=${dayBefore(30)}`;
    expect((await report(world, api_key, span)).total.jobs).toBe(2);
  });

  it('comes in pages that hold every row once', async () => {
    const world = new HttpWorld();
    const { id: accountId, api_key } = await world.newAccount('pro');
    await record(
      world,
      Array.from({ length: 7 }, (_, index) => ({ accountId, day: dayBefore(index) })),
    );
    const days: unknown[] = [];
    for (let cursor: string | null = '0'; cursor !== null;) {
      const page: UsageReport = await report(world, api_key, `?limit=3&cursor=${cursor}`);
      expect(page.total.jobs).toBe(7);
      days.push(...page.data.map(({ day }) => day));
      cursor = page.next_cursor;
    }
    expect(days).toEqual(Array.from({ length: 7 }, (_, index) => dayBefore(6 - index)));
  });

  it.each([
    ['?by=color', 'by'],
    ['?by=day,day', 'by'],
    ['?from=yesterday', 'from'],
    ['?from=0000-01-01&to=0000-01-02', 'from'],
    ['?from=2026-01-01&to=2026-12-31', 'from'],
    ['?from=2026-02-02&to=2026-02-01', 'from'],
    ['?cursor=nonsense', 'cursor'],
    ['?limit=100000', 'limit'],
    ['?what=1', 'what'],
  ])('refuses %s', async (query, field) => {
    const world = new HttpWorld();
    const { api_key } = await world.newAccount('pro');
    const error = await expectError(
      await world.get(`/v1/usage${query}`, api_key),
      'invalid_request',
    );
    expect(firstField(error)).toMatchObject({ field });
  });

  it('says so while the history is away', async () => {
    const world = new HttpWorld({ DATABASE_WS_PROXY: '127.0.0.1:9/v1' });
    const { api_key } = await world.newAccount('pro');
    await expectError(await world.get('/v1/usage', api_key), 'history_unavailable');
  });
});
