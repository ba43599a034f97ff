import { describe, expect, it } from 'vitest';
import type { JobList, JobView, QuoteView } from '#schema/api.ts';
import { JobView as JobViewSchema } from '#schema/api.ts';
import { JSON_BODY_BYTES_MAX } from '#schema/limits.ts';
import { makeJobId } from '../io/id.ts';
import {
  CHAT,
  expectAuthRefusals,
  expectError,
  firstField,
  HttpWorld,
  PAINTING,
} from '../test/http.ts';
import { eventually } from '../test/world.ts';
import { parseWait } from './jobs.ts';

async function open() {
  const world = new HttpWorld();
  const [{ api_key: key }, agent] = await Promise.all([world.newAccount(), world.newAgent()]);
  const show = async (id: string) => (await world.get(`/v1/jobs/${id}`, key)).json<JobView>();
  const submit = (json: unknown, headers = {}, query = '') =>
    world.post(`/v1/jobs${query}`, key, json, headers);
  return { world, key, agent, show, submit };
}

describe('POST /v1/jobs', () => {
  it('accepts a job, which an agent runs and which then has a result', async () => {
    const { world, agent, show, submit } = await open();
    const response = await submit({ ...PAINTING, metadata: { order: '7' } });
    expect(response.status).toBe(202);
    const job = JobViewSchema.parse(await response.clone().json());
    expect(response.headers.get('location')).toBe(`/v1/jobs/${job.id}`);
    expect(Number(response.headers.get('ratelimit-limit'))).toBeGreaterThan(0);
    expect(job).toMatchObject({
      type: 'image',
      model: 'painter',
      status: 'queued',
      cost: { held: 0.25, settled: null },
      metadata: { order: '7' },
      parameters: { prompt: 'a lighthouse at dusk', width: 512, steps: 20 },
      queue: { position: 1 },
      artifacts: [],
      error: null,
    });
    const lease = await agent.take();
    expect(lease).toMatchObject({ jobId: job.id, attempt: 1, spec: { model: 'painter' } });
    expect(await show(job.id)).toMatchObject({ status: 'running', attempt: 1, queue: null });
    await agent.finish(lease);
    const ended = await show(job.id);
    expect(ended).toMatchObject({ status: 'completed', cost: { held: 0.25, settled: 0.25 } });
    const picture = await world.get(
      new URL(ended.artifacts[0]!.url).pathname + new URL(ended.artifacts[0]!.url).search,
    );
    expect(picture.status).toBe(200);
  });

  it('answers 200 with the ended job within Prefer: wait, and 202 when it takes longer', async () => {
    const { agent, submit } = await open();
    const waiting = submit(PAINTING, { prefer: 'respond-async, wait=20' });
    const lease = await eventually(async () => (await agent.acquire()).job);
    await agent.finish(lease);
    const response = await waiting;
    expect(response.status).toBe(200);
    expect(response.headers.get('preference-applied')).toBe('wait=20');
    expect(await response.json()).toMatchObject({ status: 'completed' });
    const late = await submit(PAINTING, { prefer: 'wait=1' });
    expect(late.status).toBe(202);
    expect(await late.json()).toMatchObject({ status: 'queued' });
  });

  it('makes one job of a repeated request and refuses the key for another body', async () => {
    const { submit } = await open();
    const headers = { 'idempotency-key': 'order-7' };
    const first = await submit({ ...PAINTING, metadata: { a: '1', b: '2' } }, headers);
    const second = await submit({ metadata: { b: '2', a: '1' }, ...PAINTING }, headers);
    const { id } = await first.json<JobView>();
    expect(await second.json()).toMatchObject({ id });
    expect(first.headers.get('idempotent-replayed')).toBeNull();
    expect(second.headers.get('idempotent-replayed')).toBe('true');
    await expectError(await submit({ ...PAINTING, steps: 3 }, headers), 'idempotency_conflict');
  });

  it('quotes a dry run and submits nothing', async () => {
    const { world, key, submit } = await open();
    const response = await submit({ ...PAINTING, width: 1024, height: 1024 }, {}, '?dry_run=1');
    expect(response.status).toBe(200);
    expect(await response.json<QuoteView>()).toMatchObject({
      dry_run: true,
      cost: { held: 1 },
      accepted: true,
      refusal: null,
      queue: { position: 1 },
    });
    const account = await (await world.get('/v1/account', key)).json();
    expect(account).toMatchObject({ jobs_open: 0, balance: { held: 0 } });
    const refused = await submit({ ...CHAT, deadline_s: 5 }, {}, '?dry_run=true');
    expect(await refused.json<QuoteView>()).toMatchObject({
      accepted: false,
      refusal: { code: 'no_agent' },
    });
  });

  it('takes the first model that is online when none is named', async () => {
    const { submit } = await open();
    const { model: _, ...request } = PAINTING;
    expect(await (await submit(request)).json()).toMatchObject({ model: 'painter' });
  });

  it.each([
    [{ ...PAINTING, prompt: '' }, 'prompt must not be empty', { field: 'prompt', limit: 1 }],
    [
      { ...PAINTING, width: 4096 },
      'width must be at most 2048',
      { field: 'width', limit: 2048, value: 4096 },
    ],
    [
      { ...PAINTING, height: 100 },
      'height must be a multiple of 8',
      { field: 'height', limit: 8, value: 100 },
    ],
    [{ ...PAINTING, colour: 'red' }, 'colour is not a known field', { field: 'colour' }],
    [
      { ...PAINTING, type: 'smell' },
      'type must be one of image, video, text',
      { field: 'type', value: 'smell' },
    ],
    [{ prompt: 'x' }, 'type is missing', { field: 'type' }],
    [{ ...PAINTING, metadata: { a: 'NUL \0' } }, 'has control characters', { field: 'metadata.a' }],
    [{ ...PAINTING, steps: 'many' }, 'steps must be a', { field: 'steps', value: 'many' }],
    [
      { type: 'speech', input: 'x', model: 'flite', format: 'mp3' },
      'format must be one of wav, ogg for flite',
      { field: 'format', value: 'mp3' },
    ],
    [
      { type: 'speech', input: 'x', model: 'flite', voice: 'nobody' },
      'voice must be one of slt, rms',
      { field: 'voice', value: 'nobody' },
    ],
    [
      { ...PAINTING, model: 'flux-schnell', steps: 13 },
      'steps must be at most 12',
      { field: 'steps', limit: 12, value: 13 },
    ],
    [[], 'must be an object', {}],
  ])('refuses %j and says why', async (request, message, field) => {
    const { submit } = await open();
    const error = await expectError(await submit(request), 'invalid_request');
    expect(error.message).toContain(message);
    expect(firstField(error)).toMatchObject(field);
  });

  it('names what it does not know: models of the type, parameters of the model', async () => {
    const { submit } = await open();
    const unknown = await expectError(
      await submit({ ...PAINTING, model: 'chat' }),
      'unknown_model',
    );
    expect(unknown.details?.['known']).toContain('painter');
    const other = { ...PAINTING, negative_prompt: 'no ships' };
    const parameter = await expectError(await submit(other), 'unsupported_parameter');
    expect(parameter.message).toContain('negative_prompt');
  });

  it('tells why a request cannot be a job to callers alone, and counts it', async () => {
    const { world, key: owner } = await open();
    // So few that none comes back meanwhile.
    const made = await world.post('/v1/keys', owner, { name: 'slow', requests_per_minute: 6 });
    const { api_key: key } = await made.json<{ api_key: string }>();
    const body = { ...PAINTING, model: 'chat' };
    const stranger = `${key.slice(0, -6)}abcdef`;
    for (const query of ['', '?dry_run=1']) {
      const path = `/v1/jobs${query}`;
      await expectError(await world.post(path, stranger, body), 'unauthorized');
      const first = await world.post(path, key, body);
      const second = await world.post(path, key, body);
      const [left, then] = [first, second].map(({ headers }) =>
        Number(headers.get('ratelimit-remaining') ?? NaN),
      );
      expect(then).toBe(left! - 1);
    }
  });

  it('refuses what is not a JSON body, and one that is too large, also without a length', async () => {
    const { world, key } = await open();
    const call = (body: BodyInit, headers: Record<string, string>) =>
      world.call('POST', '/v1/jobs', { bearer: key, body, headers });
    const asJson = { 'content-type': 'application/json' };
    await expectError(await call('{"type":', asJson), 'invalid_json');
    await expectError(
      await call('type=image', { 'content-type': 'text/plain' }),
      'unsupported_media_type',
    );
    const large = JSON.stringify({ ...PAINTING, prompt: 'x'.repeat(JSON_BODY_BYTES_MAX) });
    await expectError(await call(large, asJson), 'body_too_large');
    const chunked = new Blob([large]).stream();
    const error = await expectError(await call(chunked, asJson), 'body_too_large');
    expect(error.details).toEqual({ limit: JSON_BODY_BYTES_MAX });
  });

  it('says when a queue, a plan or the tokens are in the way', async () => {
    const { world, submit } = await open();
    const noAgent = await submit(CHAT);
    expect(noAgent.status).toBe(503);
    expect(Number(noAgent.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    await expectError(noAgent, 'no_agent');
    const { api_key: starter } = await world.newAccount('starter');
    const large = { ...PAINTING, width: 2048, height: 2048 };
    const overPlan = await expectError(
      await world.post('/v1/jobs', starter, large),
      'plan_required',
    );
    expect(overPlan.details).toMatchObject({
      plan: 'pro',
      field: 'width',
      limit: 1536,
      value: 2048,
    });
    const costly = { ...PAINTING, width: 2048, height: 2048, steps: 150, count: 4 };
    for (let count = 0; count < 2; count += 1) expect((await submit(costly)).status).toBe(202);
    const exhausted = await submit(costly);
    expect(exhausted.status).toBe(429);
    expect(exhausted.headers.get('ratelimit-limit')).toBe('1200');
    const error = await expectError(exhausted, 'tokens_exhausted');
    expect(error.details).toMatchObject({ needed: 120, limit: 300 });
  });

  it('opens to no credential but a valid key, before it says what is wrong with a body', async () => {
    const world = new HttpWorld();
    await expectAuthRefusals(world, ['POST', '/v1/jobs'], { caller: 'account', json: PAINTING });
    await expectAuthRefusals(world, ['POST', '/v1/jobs'], {
      caller: 'account',
      json: { nothing: 1 },
    });
  });

  it('refuses keys of a plan without API', async () => {
    const world = new HttpWorld();
    const { api_key } = await world.newAccount('free');
    await expectError(await world.post('/v1/jobs', api_key, PAINTING), 'plan_required');
  });
});

describe('GET /v1/jobs/:id', () => {
  it('finds a job long after the Scheduler forgot it', async () => {
    const { world, key, agent, show } = await open();
    const { id } = await world.newJob(key);
    await agent.finish(await agent.take());
    const scheduler = world.env.schedulers.getByName(world.pool);
    await eventually(async () => (await scheduler.overview()).undelivered.postgres === 0);
    const ended = await show(id);
    expect(ended).toMatchObject({ status: 'completed', attempt: 1, progress: null, queue: null });
    expect(ended.artifacts).toHaveLength(1);
    expect(ended.finished_at).not.toBeNull();
  });

  it('does not find what is not there or not yours, and asks no object about nonsense', async () => {
    const { world, key } = await open();
    const other = await world.newAccount();
    const { id } = await world.newJob(other.api_key);
    const strange = makeJobId('elsewhere', Date.now());
    for (const path of [id, makeJobId(world.pool, Date.now()), strange, 'job_nonsense', '%00']) {
      await expectError(await world.get(`/v1/jobs/${path}`, key), 'not_found');
    }
  });

  it('opens to no credential but a valid key', async () => {
    const world = new HttpWorld();
    const path = `/v1/jobs/${makeJobId(world.pool, Date.now())}`;
    await expectAuthRefusals(world, ['GET', path], { caller: 'account' });
  });
});

describe('GET /v1/jobs', () => {
  it('lists by pages, newest first, and filters', async () => {
    const { world, key, agent } = await open();
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) ids.unshift((await world.newJob(key)).id);
    await agent.finish(await agent.take());
    const list = async (query: string) =>
      (await world.get(`/v1/jobs?${query}`, key)).json<JobList>();
    await eventually(async () => (await list('status=completed')).data.length === 1);
    const first = await list('limit=3');
    expect(first.data.map(({ id }) => id)).toEqual(ids.slice(0, 3));
    const second = await list(`limit=3&cursor=${first.next_cursor}`);
    expect(second).toMatchObject({ data: [{ id: ids[3] }, { id: ids[4] }], next_cursor: null });
    expect((await list('type=video')).data).toEqual([]);
    expect((await list('created_before=2020-01-01T00:00:00Z')).data).toEqual([]);
    expect((await list('created_after=2020-01-01T00:00:00Z')).data).toHaveLength(5);
  });

  it('refuses a query it does not understand and names the field', async () => {
    const { world, key } = await open();
    for (const [query, field] of [
      ['limit=1000', 'limit'],
      ['cursor=nonsense', 'cursor'],
      ['status=lost', 'status'],
      ['colour=red', 'colour'],
      ['created_after=yesterday', 'created_after'],
    ]) {
      const response = await world.get(`/v1/jobs?${query}`, key);
      const error = await expectError(response, 'invalid_request');
      expect(firstField(error)).toMatchObject({ field });
    }
  });

  it('says so while the history is away, and live jobs go on', async () => {
    const { world, key, show } = await open();
    const { id } = await world.newJob(key);
    const dark = new HttpWorld({ POOLS: world.pool, DATABASE_WS_PROXY: '127.0.0.1:9/v1' });
    const response = await dark.get('/v1/jobs', key);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).not.toBeNull();
    await expectError(response, 'history_unavailable');
    expect(await show(id)).toMatchObject({ status: 'queued' });
  });

  it('shows no job of another account and opens to no other credential', async () => {
    const { world, key } = await open();
    await world.newJob((await world.newAccount()).api_key);
    expect(await (await world.get('/v1/jobs', key)).json()).toEqual({
      data: [],
      next_cursor: null,
    });
    await expectAuthRefusals(world, ['GET', '/v1/jobs'], { caller: 'account' });
  });
});

describe('POST /v1/jobs/:id/cancel', () => {
  it('cancels a waiting job, asks a running one to stop and leaves an ended one', async () => {
    const { world, key, agent, show } = await open();
    const cancel = async (id: string) =>
      (await world.call('POST', `/v1/jobs/${id}/cancel`, { bearer: key })).json();
    const { id } = await world.newJob(key);
    expect(await cancel(id)).toEqual({ result: 'cancelled' });
    expect(await show(id)).toMatchObject({ status: 'cancelled', cost: { settled: 0 } });
    expect(await cancel(id)).toEqual({ result: 'already_finished' });
    const running = await world.newJob(key);
    const lease = await agent.take();
    expect(await cancel(running.id)).toEqual({ result: 'cancel_requested' });
    expect(await show(running.id)).toMatchObject({ status: 'running', cancel_requested: true });
    await agent.giveBack(lease, 'cancelled');
    expect(await show(running.id)).toMatchObject({ status: 'cancelled', artifacts: [] });
  });

  it('does not find a job of another account', async () => {
    const { world, key, show } = await open();
    const { api_key } = await world.newAccount();
    const { id } = await world.newJob(key);
    const path = `/v1/jobs/${id}/cancel`;
    await expectError(await world.call('POST', path, { bearer: api_key }), 'not_found');
    expect(await show(id)).toMatchObject({ status: 'queued' });
    await expectAuthRefusals(world, ['POST', path], { caller: 'account' });
  });
});

it.each([
  ['wait=5', 5],
  ['respond-async, wait=10', 10],
  ['wait="7"; foo', 7],
  ['WAIT=999', 60],
  ['wait', null],
  ['await=5', null],
  [undefined, null],
])('reads Prefer: %s as %s', (header, seconds) => {
  expect(parseWait(header)).toBe(seconds);
});
