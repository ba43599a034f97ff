import { describe, expect, it } from 'vitest';
import type { JobBatchView, JobView } from '#schema/api.ts';
import type { FileView } from '#schema/file.ts';
import type { CreatedKey } from '#schema/key.ts';
import { PLANS } from '#schema/plan.ts';
import { HttpWorld, PAINTING, expectError } from '../test/http.ts';
import { makePng } from '../test/media.ts';

const KEY = { 'idempotency-key': 'once' };

async function open() {
  const world = new HttpWorld();
  await world.newAgent(['sdxl']);
  const { api_key: key } = await world.newAccount('pro');
  const body = makePng(512, 512);
  const headers = { 'content-length': String(body.length) };
  const sent = await world.call('POST', '/v1/files', { bearer: key, body, headers });
  expect(sent.status, await sent.clone().text()).toBe(201);
  const { id: file } = await sent.json<FileView>();
  const request = { ...PAINTING, model: 'sdxl', input_image: file };
  const forget = async () => {
    const response = await world.call('DELETE', `/v1/files/${file}`, { bearer: key });
    expect(response.status).toBe(200);
  };
  return { world, key, request, forget };
}

describe('a repeat of a submit whose input file is gone', () => {
  it('is answered with the job of the first, and counted as one request', async () => {
    const { world, key, request, forget } = await open();
    // So few that none comes back meanwhile.
    const wish = { name: 'slow', requests_per_minute: 3 };
    const made = await world.post('/v1/keys', key, wish);
    const { api_key: slow } = await made.json<CreatedKey>();
    const first = await world.post('/v1/jobs', slow, request, KEY);
    expect(first.headers.get('ratelimit-remaining')).toBe('2');
    const { id } = await first.json<JobView>();
    await forget();
    const again = await world.post('/v1/jobs', slow, request, KEY);
    expect(again.status, await again.clone().text()).toBe(202);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(again.headers.get('ratelimit-remaining')).toBe('1');
    expect((await again.json<JobView>()).id).toBe(id);
  });

  it('is a conflict where it asks for something else', async () => {
    const { world, key, request, forget } = await open();
    await world.post('/v1/jobs', key, request, KEY);
    await forget();
    const other = { ...request, prompt: 'another' };
    await expectError(await world.post('/v1/jobs', key, other, KEY), 'idempotency_conflict');
  });

  it('is refused as any where nothing was made before', async () => {
    const { world, key, request, forget } = await open();
    await forget();
    const refused = await world.post('/v1/jobs', key, request, KEY);
    const remaining = refused.headers.get('ratelimit-remaining');
    expect(Number(remaining)).toBeLessThan(PLANS.pro.requestsPerMinute);
    await expectError(refused, 'unknown_file');
  });

  it('finds its jobs at their places in a batch', async () => {
    const { world, key, request, forget } = await open();
    const send = async () => {
      const jobs = [request, { ...request, input_image: undefined }];
      const response = await world.post('/v1/jobs/batch', key, { jobs }, KEY);
      const { jobs: parts } = await response.json<JobBatchView>();
      return parts.map((part) => ('job' in part ? part.job.id : part.error.code));
    };
    const ids = await send();
    await forget();
    expect(await send()).toEqual(ids);
    expect(new Set(ids).size).toBe(2);
  });
});
