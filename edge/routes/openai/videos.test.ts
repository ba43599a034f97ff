import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import type { LeasedJob } from '#schema/agent-protocol.ts';
import type { Artifact } from '#schema/artifact.ts';
import { VideoList, VideoView } from '#schema/openai/video.ts';
import type { HttpAgent } from '../../test/http.ts';
import { expectAuthRefusals, PAINTING } from '../../test/http.ts';
import { OpenAiWorld, takeSoon } from '../../test/openai.ts';
import { eventually } from '../../test/world.ts';

const ASKED = {
  model: 'ltx-video' as never,
  prompt: 'waves at dusk',
  seconds: '4' as const,
  size: '768x512' as never,
};
const FILM = Uint8Array.from({ length: 5000 }, (_, index) => index % 241);
const STILL = Uint8Array.from([1, 2, 3]);

/** Uploads a film with its thumbnail and completes the job. */
async function finishFilm(agent: HttpAgent, job: LeasedJob): Promise<void> {
  type Stored = Pick<Artifact, 'key' | 'contentType' | 'bytes' | 'sha256'>;
  const film = await agent.upload(job, { contentType: 'video/mp4', bytes: FILM });
  const still = await agent.upload(job, {
    ...{ role: 'thumbnail', contentType: 'image/webp', bytes: STILL },
  });
  const { key: thumbnailKey } = await still.json<Stored>();
  const measures = { width: 768, height: 512, durationS: 4 };
  const stored = await film.json<Stored>();
  const artifacts: Artifact[] = [{ index: 0, ...stored, ...measures, thumbnailKey }];
  await agent.complete(job, { artifacts, usage: { steps: 30 } });
}

/** A PNG of 64 by 64 pixels, as far as anybody looks: its header. */
function png(): File {
  const bytes = new Uint8Array(64);
  bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13]);
  bytes.set([0x49, 0x48, 0x44, 0x52, 0, 0, 0, 64, 0, 0, 0, 64, 8, 6], 12);
  return new File([bytes], 'beach.png', { type: 'image/png' });
}

describe('/v1/videos', () => {
  it('makes a video that is asked for until it is there, then fetched', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['ltx-video']);
    const made = VideoView.parse(await client.videos.create(ASKED));
    expect(made).toMatchObject({
      ...{ object: 'video', status: 'queued', progress: 0, model: 'ltx-video' },
      ...{
        seconds: '4',
        size: '768x512',
        prompt: 'waves at dusk',
        completed_at: null,
        error: null,
      },
    });
    await expect(client.videos.downloadContent(made.id)).rejects.toMatchObject({
      code: 'job_unfinished',
      status: 409,
    });
    const job = await agent.take();
    expect(job.spec).toMatchObject({ duration_s: 4, width: 768, height: 512, input_image: null });
    const progress = { fraction: 0.5, stage: 'running', step: 15, steps: 30 };
    await agent.renew(job, { progress, preview: null });
    const running = await client.videos.retrieve(made.id);
    expect(running).toMatchObject({ status: 'in_progress', progress: 50 });
    await finishFilm(agent, job);
    const done = await client.videos.retrieve(made.id);
    expect(done).toMatchObject({ status: 'completed', progress: 100, error: null });
    expect(done.expires_at! - done.completed_at!).toBe(30 * 24 * 60 * 60);
    const film = await client.videos.downloadContent(made.id);
    expect(film.headers.get('content-type')).toBe('video/mp4');
    expect(new Uint8Array(await film.arrayBuffer())).toEqual(FILM);
    const still = await client.videos.downloadContent(made.id, { variant: 'thumbnail' });
    expect(still.headers.get('content-type')).toBe('image/webp');
    expect(new Uint8Array(await still.arrayBuffer())).toEqual(STILL);
  });

  it('takes a picture to begin with, and JSON without one', async () => {
    const world = new OpenAiWorld();
    const { client, agent, key } = await world.open(['ltx-video']);
    await client.videos.create({ ...ASKED, input_reference: png() });
    const job = await takeSoon(agent);
    expect(job.spec).toMatchObject({ input_image: expect.stringMatching(/^file_/) });
    const response = await world.post('/v1/videos', key, { ...ASKED, seconds: 2.5 });
    expect(VideoView.parse(await response.json())).toMatchObject({ seconds: '2.5' });
  });

  it('says why a video failed, and that one was cancelled', async () => {
    const world = new OpenAiWorld();
    const { client, agent, key } = await world.open(['ltx-video']);
    const first = await client.videos.create(ASKED);
    await agent.fail(await agent.take(), { code: 'engine_out_of_memory', retryable: false });
    const failed = await client.videos.retrieve(first.id);
    expect(failed).toMatchObject({ status: 'failed', error: { code: 'engine_out_of_memory' } });
    await expect(client.videos.downloadContent(first.id)).rejects.toMatchObject({
      code: 'engine_out_of_memory',
    });
    const second = await client.videos.create(ASKED);
    await world.call('POST', `/v1/jobs/${second.id}/cancel`, { bearer: key });
    expect(await client.videos.retrieve(second.id)).toMatchObject({
      status: 'failed',
      error: { code: 'job_cancelled' },
    });
  });

  it('lists videos, and nothing else, newest first and by pages', async () => {
    const world = new OpenAiWorld();
    const { client, key } = await world.open(['ltx-video', 'painter']);
    const ids: string[] = [];
    for (let count = 0; count < 3; count += 1) ids.unshift((await client.videos.create(ASKED)).id);
    const { id: picture } = await world.newJob(key, PAINTING);
    for (const id of [...ids, picture]) {
      await world.call('POST', `/v1/jobs/${id}/cancel`, { bearer: key });
    }
    const raw = await eventually(async () => {
      const list = VideoList.parse(await (await world.get('/v1/videos', key)).json());
      return list.data.length === 3 && list;
    });
    expect(raw).toMatchObject({ first_id: ids[0], last_id: ids[2], has_more: false });
    const seen: string[] = [];
    for await (const video of client.videos.list({ limit: 2 })) seen.push(video.id);
    expect(seen).toEqual(ids);
  });

  it('deletes a video that has ended, for good, and refuses one that has not', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['ltx-video']);
    const { id } = await client.videos.create(ASKED);
    const deleting = client.videos.delete(id);
    await expect(deleting).rejects.toMatchObject({ code: 'job_active', status: 409 });
    await finishFilm(agent, await agent.take());
    expect(await client.videos.delete(id)).toMatchObject({
      ...{ id, object: 'video.deleted', deleted: true },
    });
    await expect(client.videos.retrieve(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect(client.videos.delete(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    expect((await client.videos.list()).data).toEqual([]);
  });

  it('lists what lies behind deleted ones', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['ltx-video']);
    const ids: string[] = [];
    for (let count = 0; count < 3; count += 1) {
      ids.push((await client.videos.create(ASKED)).id);
      await finishFilm(agent, await agent.take());
    }
    for (const id of ids.slice(1)) await client.videos.delete(id);
    await eventually(async () => (await client.videos.list()).data.length === 1);
    const seen: string[] = [];
    for await (const video of client.videos.list({ limit: 1 })) seen.push(video.id);
    expect(seen).toEqual(ids.slice(0, 1));
  });

  it.each([
    [{ seconds: '12' }, 'seconds', 'invalid_request'],
    [{ size: '1792x1024' }, 'size', 'invalid_request'],
    [{ seconds: 'long' }, 'seconds', 'invalid_request'],
    [{ style: 'film' }, 'style', 'unsupported_parameter'],
    [{ model: 'sora-2' }, 'model', 'unknown_model'],
  ])('refuses %j by its name', async (more, param, code) => {
    const world = new OpenAiWorld();
    const { client } = await world.open(['ltx-video']);
    const error = await client.videos
      .create({ ...ASKED, ...more } as never)
      .then(null, (refusal: unknown) => refusal);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ code, param });
  });

  it("refuses another account's video, a job that is none, and whoever has no valid key", async () => {
    const world = new OpenAiWorld();
    const { client, key } = await world.open(['ltx-video', 'painter']);
    const { id } = await client.videos.create(ASKED);
    const other = world.client((await world.newAccount()).api_key);
    const { id: picture } = await world.newJob(key, PAINTING);
    for (const [one, jobId] of [
      [other, id],
      [client, picture],
    ] as const) {
      const found = one.videos.retrieve(jobId);
      await expect(found).rejects.toBeInstanceOf(OpenAI.NotFoundError);
      const content = one.videos.downloadContent(jobId);
      await expect(content).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    }
    const caller = { caller: 'account' } as const;
    for (const [method, path] of [
      ['POST', '/v1/videos'],
      ['GET', '/v1/videos'],
      ['GET', `/v1/videos/${id}`],
      ['GET', `/v1/videos/${id}/content`],
      ['DELETE', `/v1/videos/${id}`],
    ] as const) {
      await expectAuthRefusals(world, [method, path], caller);
    }
  });
});
