import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import type { JobList, JobView } from '#schema/api.ts';
import { makeJobId } from '../io/id.ts';
import { openDb } from '../io/db.ts';
import { expectAuthRefusals, expectError, HttpWorld, PAINTING } from '../test/http.ts';

const world = new HttpWorld();

function remove(apiKey: string, id: string): Promise<Response> {
  return world.call('DELETE', `/v1/jobs/${id}`, { bearer: apiKey });
}

async function makeDone() {
  const account = await world.newAccount();
  const agent = await world.newAgent();
  const request = { ...PAINTING, prompt: 'a secret garden', metadata: { for: 'Eve' } };
  const { id } = await world.newJob(account.api_key, request);
  const artifact = await agent.finish(await agent.take());
  return { ...account, id, artifact, accountId: account.id };
}

describe('a job that is deleted', () => {
  it('loses its words, labels and results, and keeps its cost', async () => {
    const { api_key, id, artifact } = await makeDone();
    const before = await (await world.get(`/v1/jobs/${id}`, api_key)).json<JobView>();
    const response = await remove(api_key, id);
    expect(response.status, await response.clone().text()).toBe(200);
    expect(await response.json()).toEqual({ id, deleted: true });
    const after = await (await world.get(`/v1/jobs/${id}`, api_key)).json<JobView>();
    expect(after).toMatchObject({ status: 'completed', artifacts: [], metadata: {} });
    expect(after.cost).toEqual(before.cost);
    expect(after.cost.settled).toBe(0.25);
    expect(JSON.stringify(after)).not.toContain('garden');
    expect(await world.env.artifacts.head(artifact.key)).toBeNull();
    const { pathname, search } = new URL(before.artifacts[0]!.url);
    await expectError(await world.get(pathname + search), 'not_found');
    const { data } = await (await world.get('/v1/jobs', api_key)).json<JobList>();
    expect(data.map((job) => job.id)).toEqual([id]);
    expect(JSON.stringify(data)).not.toContain('garden');
  });

  it('is not told by its events any more, and leaves nothing in the history', async () => {
    const { api_key, id } = await makeDone();
    const events = () => world.get(`/v1/jobs/${id}/events`, api_key);
    expect(await (await events()).text()).toContain('garden');
    await remove(api_key, id);
    const told = await (await events()).text();
    expect(told).toContain('event: state');
    expect(told).not.toContain('garden');
    const kept = await openDb(world.env, (db) =>
      db.execute(sql`select to_jsonb(j)::text as row from job j where j.id = ${id}`),
    );
    expect(JSON.stringify(kept.rows)).not.toMatch(/garden|Eve/);
    const ledger = await openDb(world.env, (db) =>
      db.execute(sql`select kind from ledger_entry where job_id = ${id} order by kind`),
    );
    expect(ledger.rows.map(({ kind }) => kind)).toEqual(['hold', 'release', 'settle']);
  });

  it('may be deleted again', async () => {
    const { api_key, id } = await makeDone();
    expect((await remove(api_key, id)).status).toBe(200);
    expect((await remove(api_key, id)).status).toBe(200);
  });
});

describe('a job that is not deleted', () => {
  it('waits, runs, or is to be cancelled first', async () => {
    const { api_key } = await world.newAccount();
    const agent = await world.newAgent();
    const { id } = await world.newJob(api_key);
    const waiting = await expectError(await remove(api_key, id), 'job_active');
    expect(waiting.details).toEqual({ status: 'queued' });
    await agent.take();
    const running = await expectError(await remove(api_key, id), 'job_active');
    expect(running.details).toEqual({ status: 'running' });
  });

  it("is another account's, or none", async () => {
    const { id, artifact } = await makeDone();
    const { api_key } = await world.newAccount();
    await expectError(await remove(api_key, id), 'not_found');
    expect(await world.env.artifacts.head(artifact.key)).not.toBeNull();
    await expectError(await remove(api_key, makeJobId(world.pool, Date.now())), 'not_found');
    await expectError(await remove(api_key, 'job_x'), 'not_found');
  });

  it('is asked for without a key', async () => {
    const path = `/v1/jobs/${makeJobId(world.pool, Date.now())}`;
    await expectAuthRefusals(world, ['DELETE', path], { caller: 'account' });
  });
});
