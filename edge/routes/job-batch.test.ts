import { evictDurableObject } from 'cloudflare:test';
import { beforeAll, describe, expect, it } from 'vitest';
import type { JobBatchView, JobView } from '#schema/api.ts';
import { JOBS_PER_BATCH_MAX } from '#schema/limits.ts';
import { PLANS } from '#schema/plan.ts';
import { HttpWorld, PAINTING, expectAuthRefusals, expectError, firstField } from '../test/http.ts';
import type { HttpAgent } from '../test/http.ts';
import { bindings, stubOf } from '../test/world.ts';

const PATH = '/v1/jobs/batch';

async function open(plan: 'starter' | 'pro' = 'pro') {
  const world = new HttpWorld();
  const agent = await world.newAgent();
  const account = await world.newAccount(plan);
  const send = (jobs: unknown[], headers = {}) =>
    world.post(PATH, account.api_key, { jobs }, headers);
  const submit = async (jobs: unknown[], headers = {}) => {
    const response = await send(jobs, headers);
    expect(response.status, await response.clone().text()).toBe(200);
    const { jobs: parts } = await response.json<JobBatchView>();
    return { parts, headers: response.headers };
  };
  const openJobs = async () => {
    const response = await world.get('/v1/account', account.api_key);
    return (await response.json<{ jobs_open: number }>()).jobs_open;
  };
  return { world, agent, account, send, submit, openJobs };
}

function jobsIn(parts: JobBatchView['jobs']): JobView[] {
  return parts.flatMap((part) => ('job' in part ? [part.job] : []));
}

function codesIn(parts: JobBatchView['jobs']): string[] {
  return parts.map((part) => ('job' in part ? 'job' : part.error.code));
}

async function finishAll(agent: HttpAgent, count: number): Promise<string[]> {
  const done: string[] = [];
  while (done.length < count) {
    const job = await agent.take();
    await agent.complete(job);
    done.push(job.jobId);
  }
  return done;
}

describe('a batch', () => {
  it('makes its jobs in order, and they run in that order', async () => {
    const { agent, submit } = await open();
    const prompts = ['first', 'second', 'third'];
    const { parts, headers } = await submit(prompts.map((prompt) => ({ ...PAINTING, prompt })));
    const jobs = jobsIn(parts);
    expect(jobs.map(({ parameters }) => parameters['prompt'])).toEqual(prompts);
    expect(jobs.every(({ status }) => status === 'queued')).toBe(true);
    expect(headers.get('ratelimit-remaining')).toBe(String(PLANS.pro.requestsPerMinute - 1));
    expect(await finishAll(agent, 3)).toEqual(jobs.map(({ id }) => id));
  });

  it('takes as many as the limit says and no more', async () => {
    const { submit, send } = await open();
    const full = Array.from({ length: JOBS_PER_BATCH_MAX }, () => PAINTING);
    expect(jobsIn((await submit(full)).parts)).toHaveLength(JOBS_PER_BATCH_MAX);
    const error = await expectError(await send([...full, PAINTING]), 'invalid_request');
    expect(firstField(error)).toMatchObject({ field: 'jobs', limit: JOBS_PER_BATCH_MAX });
    expect(firstField(await expectError(await send([]), 'invalid_request'))).toMatchObject({
      field: 'jobs',
    });
  });

  it('refuses each bad job alone, with the code and details that a single one gets', async () => {
    const { submit, openJobs } = await open();
    const { parts } = await submit([
      PAINTING,
      { ...PAINTING, width: 77 },
      'not even an object',
      { ...PAINTING, model: 'nobody' },
      { ...PAINTING, model: 'chat', type: 'text', width: undefined, height: undefined },
      PAINTING,
    ]);
    expect(codesIn(parts)).toEqual([
      'job',
      'invalid_request',
      'invalid_request',
      'unknown_model',
      'no_agent',
      'job',
    ]);
    expect(parts[1]).toMatchObject({
      error: { message: expect.stringContaining('width'), details: { fields: [{ value: 77 }] } },
    });
    expect(parts[4]).toMatchObject({ error: { retry_after_s: 30 } });
    expect(await openJobs()).toBe(2);
  });

  it('stops accepting where the account has no more room, and holds only for what it took', async () => {
    const { submit, openJobs } = await open('starter');
    const { jobsOpenMax } = PLANS.starter;
    const { parts } = await submit(Array.from({ length: jobsOpenMax + 2 }, () => PAINTING));
    expect(codesIn(parts).slice(jobsOpenMax)).toEqual(['too_many_jobs', 'too_many_jobs']);
    expect(jobsIn(parts)).toHaveLength(jobsOpenMax);
    expect(await openJobs()).toBe(jobsOpenMax);
  });

  it('counts as many requests as it has jobs that were refused, and at least one', async () => {
    const { world, account, submit, send } = await open('starter');
    const nobodyHas = { type: 'text', messages: [{ role: 'user', content: 'hello' }] };
    const { requestsPerMinute } = PLANS.starter;
    const { parts, headers } = await submit([
      PAINTING,
      ...Array.from({ length: 10 }, () => nobodyHas),
    ]);
    expect(new Set(codesIn(parts).slice(1))).toEqual(new Set(['no_agent']));
    expect(headers.get('ratelimit-remaining')).toBe(String(requestsPerMinute - 10));
    const { headers: after } = await world.get('/v1/account', account.api_key);
    expect(after.get('ratelimit-remaining')).toBe(String(requestsPerMinute - 11));
    const full = Array.from({ length: JOBS_PER_BATCH_MAX }, () => nobodyHas);
    for (let left = requestsPerMinute - 11; left > 0; left -= JOBS_PER_BATCH_MAX)
      await submit(full);
    await expectError(await send([PAINTING]), 'rate_limited');
  });

  it('is durable with its holds: an eviction of every object loses nothing', async () => {
    const { world, agent, account, submit, openJobs } = await open();
    const { parts } = await submit([PAINTING, PAINTING]);
    await evictDurableObject(stubOf(bindings.ACCOUNT.getByName(account.id)));
    await evictDurableObject(stubOf(bindings.SCHEDULER.getByName(world.pool)));
    expect(await openJobs()).toBe(2);
    expect(await finishAll(agent, 2)).toEqual(jobsIn(parts).map(({ id }) => id));
  });
});

it('says where the plan can be had that a job needs, as its quote does', async () => {
  const { world, account, submit } = await open('starter');
  const large = { ...PAINTING, width: 2048, height: 2048 };
  const { parts } = await submit([large]);
  const details = { plan: 'pro', upgrade_url: 'http://127.0.0.1:8787/#plans' };
  expect(parts[0]).toMatchObject({ error: { code: 'plan_required', details } });
  const quote = await world.post('/v1/jobs?dry_run=1', account.api_key, large);
  expect(await quote.json()).toMatchObject({ refusal: { code: 'plan_required', details } });
});

describe('the idempotency key of a batch', () => {
  const key = { 'idempotency-key': 'batch-1' };

  it('makes no job twice, also after an eviction', async () => {
    const { account, submit, openJobs } = await open();
    const first = await submit([PAINTING, PAINTING], key);
    await evictDurableObject(stubOf(bindings.ACCOUNT.getByName(account.id)));
    const again = await submit([PAINTING, PAINTING], key);
    const ids = jobsIn(first.parts).map(({ id }) => id);
    expect(jobsIn(again.parts).map(({ id }) => id)).toEqual(ids);
    expect(new Set(ids).size).toBe(2);
    expect(await openJobs()).toBe(2);
  });

  it('is a conflict for a job that differs at its place, and for no other', async () => {
    const { submit } = await open();
    await submit([PAINTING, PAINTING], key);
    const { parts } = await submit([PAINTING, { ...PAINTING, seed: 1 }, PAINTING], key);
    expect(codesIn(parts)).toEqual(['job', 'idempotency_conflict', 'job']);
  });

  it('is another one than that of a single job', async () => {
    const { world, account, submit, openJobs } = await open();
    await submit([PAINTING], key);
    const single = await world.post('/v1/jobs', account.api_key, PAINTING, key);
    expect(single.status).toBe(202);
    expect(await openJobs()).toBe(2);
  });
});

it('is described with the body of a single job for each', async () => {
  const response = await new HttpWorld().get('/openapi.json');
  const { components } = await response.json<{
    components: { schemas: Record<string, { properties: { jobs: unknown } }> };
  }>();
  const single = { $ref: '#/components/schemas/JobRequest' };
  expect(components.schemas).toHaveProperty('JobRequest');
  expect(components.schemas['JobBatch']!.properties.jobs).toMatchObject({
    items: { allOf: [single] },
    maxItems: JOBS_PER_BATCH_MAX,
  });
});

describe('security', () => {
  let world: HttpWorld;
  beforeAll(() => {
    world = new HttpWorld();
  });

  it('opens to an API key alone', async () => {
    await expectAuthRefusals(world, ['POST', PATH], {
      caller: 'account',
      json: { jobs: [PAINTING] },
    });
  });

  it('counts a batch in which no job parses', async () => {
    const { submit } = await open();
    const { parts, headers } = await submit([{}]);
    expect(codesIn(parts)).toEqual(['invalid_request']);
    expect(headers.get('ratelimit-remaining')).toBe(String(PLANS.pro.requestsPerMinute - 1));
  });
});
