import { describe, expect, it } from 'vitest';
import type { JobView } from '#schema/api.ts';
import { ARTIFACT_KEEP_MS, DAY_MS, FILE_ARRIVAL_MS, FILE_KEEP_MS } from '#schema/limits.ts';
import { makeFileId, makeJobId } from '../io/id.ts';
import { HttpWorld, PICTURE } from '../test/http.ts';
import { makePng } from '../test/media.ts';
import { eventually } from '../test/world.ts';
import { inputKey, storeFile } from './store-file.ts';
import { sweep } from './sweep.ts';

async function open() {
  const world = new HttpWorld();
  const [{ api_key: key }, agent] = await Promise.all([world.newAccount(), world.newAgent()]);
  const scheduler = world.env.schedulers.getByName(world.pool);
  const isRecorded = async () => (await scheduler.overview()).undelivered.postgres === 0;
  const keys = async () => {
    const { objects } = await world.env.artifacts.list({ prefix: 'result/' });
    return objects.map((object) => object.key);
  };
  return { world, key, agent, isRecorded, keys };
}

describe('sweeping', () => {
  it('deletes results past their time, object and row, and no others', async () => {
    const { world, key, agent, isRecorded, keys } = await open();
    const { id } = await world.newJob(key);
    const artifact = await agent.finish(await agent.take());
    await eventually(isRecorded);
    await sweep(world.env, Date.now() + ARTIFACT_KEEP_MS - 60_000);
    expect(await keys()).toContain(artifact.key);
    const swept = await sweep(world.env, Date.now() + ARTIFACT_KEEP_MS + 60_000);
    expect(swept.expired).toBeGreaterThanOrEqual(1);
    expect(await keys()).not.toContain(artifact.key);
    const job = await (await world.get(`/v1/jobs/${id}`, key)).json<JobView>();
    expect(job).toMatchObject({ status: 'completed', artifacts: [] });
  });

  it('deletes what a stale attempt left of an ended job, a day later', async () => {
    const { world, key, agent, isRecorded, keys } = await open();
    await world.newJob(key);
    const first = await agent.take();
    await agent.upload(first, { bytes: PICTURE });
    await agent.giveBack(first);
    const kept = await agent.finish(await eventually(async () => (await agent.acquire()).job));
    await eventually(isRecorded);
    const stale = kept.key.replace(/\/\d+\/0\.png$/, `/${first.fencingToken}/0.png`);
    expect(await keys()).toEqual(expect.arrayContaining([stale, kept.key]));
    expect(await sweep(world.env, Date.now())).toMatchObject({ orphans: 0 });
    const { orphans } = await sweep(world.env, Date.now() + DAY_MS + 1000);
    expect(orphans).toBe(1);
    expect(await keys()).not.toContain(stale);
    expect(await keys()).toContain(kept.key);
  });

  it('deletes input files after their day, and uploads that were never finished', async () => {
    const { world } = await open();
    const now = Date.now();
    const keep = async (at: number) => {
      const offer = { accountId: 'acc_x', purpose: null, name: null, body: makePng(64, 64) };
      const stored = await storeFile(world.env, offer, at);
      return inputKey(stored.ok ? stored.value.id : '', 'acc_x');
    };
    const [old, young] = [await keep(now - FILE_KEEP_MS - 1000), await keep(now - 60_000)];
    const [broken, arriving] = [now - 2 * FILE_ARRIVAL_MS, now].map(
      (at) => `arrival/${makeFileId(at)}`,
    );
    await world.env.artifacts.put(broken!, PICTURE);
    await world.env.artifacts.put(arriving!, PICTURE);
    expect((await sweep(world.env, now)).files).toBe(2);
    const left = await Promise.all(
      [old, young, broken!, arriving!].map(async (key) => !!(await world.env.artifacts.head(key))),
    );
    expect(left).toEqual([false, true, false, true]);
    const marks = await world.env.artifacts.list({ prefix: 'shelf/acc_x/' });
    expect(marks.objects.map(({ key }) => key.split('/')[2])).toEqual([young.split('/')[1]]);
  });

  it('leaves the uploads of jobs that run or that the history does not know', async () => {
    const { world, key, agent, isRecorded, keys } = await open();
    await world.newJob(key);
    const lease = await agent.take();
    await agent.upload(lease, { bytes: PICTURE });
    await eventually(isRecorded);
    const unknown = `result/${makeJobId(world.pool, Date.now())}/1/0.png`;
    await world.env.artifacts.put(unknown, PICTURE);
    await sweep(world.env, Date.now() + DAY_MS + 1000);
    const left = await keys();
    expect(left).toContain(unknown);
    expect(left.some((name) => name.includes(lease.jobId))).toBe(true);
  });
});
