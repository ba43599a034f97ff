import OpenAI from 'openai';
import type { APIError } from 'openai';
import { describe, expect, it } from 'vitest';
import type { LeasedJob } from '#schema/agent-protocol.ts';
import type { JobView } from '#schema/api.ts';
import { PLANS } from '#schema/plan.ts';
import { awaitEnd } from '../../services/openai/await-end.ts';
import { findJob } from '../../services/find-job.ts';
import type { HttpAgent, HttpWorld } from '../../test/http.ts';
import { expectError, PAINTING, PICTURE } from '../../test/http.ts';
import { answerText, finishWith, OpenAiWorld, takeSoon } from '../../test/openai.ts';
import { eventually } from '../../test/world.ts';
import { toEndWire } from './outcome.ts';

const ASKED = { model: 'painter', prompt: 'a lighthouse', size: '512x512' as const };
const TALK = { model: 'chat', messages: [{ role: 'user' as const, content: 'Hello' }] };
const POLL_MS = 5000;
const PAINTED = { files: [{ bytes: PICTURE, contentType: 'image/png' as const }] };

async function readJob(world: HttpWorld, key: string, id: string): Promise<JobView> {
  return (await world.get(`/v1/jobs/${id}`, key)).json();
}

/** The next job, once the client has waited as long as it was told to. */
function takeLate(agent: HttpAgent): Promise<LeasedJob> {
  return eventually(async () => (await agent.acquire(POLL_MS)).job);
}

async function listOpen(world: HttpWorld, key: string): Promise<number> {
  const account = await (await world.get('/v1/account', key)).json<{ jobs_open: number }>();
  return account.jobs_open;
}

describe('a client that goes away', () => {
  it('cancels the waiting job of an answer that does not stream', async () => {
    const world = new OpenAiWorld();
    const { client, key, agent } = await world.open(['painter']);
    const leaving = new AbortController();
    const asking = client.images.generate(ASKED, { signal: leaving.signal });
    const failing = expect(asking).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    await eventually(async () => (await listOpen(world, key)) === 1);
    leaving.abort();
    await failing;
    await eventually(async () => (await listOpen(world, key)) === 0);
    expect((await agent.acquire()).job).toBeNull();
  });

  it('stops the running job of a stream', async () => {
    const world = new OpenAiWorld();
    const { client, key, agent } = await world.open(['chat']);
    const stream = await client.chat.completions.create({ ...TALK, stream: true });
    const job = await takeSoon(agent);
    await agent.stream(job, 0, 'Hi');
    // Leaving the loop aborts the request.
    for await (const { choices } of stream) if (choices[0]?.delta.content === 'Hi') break;
    await eventually(async () => (await readJob(world, key, job.jobId)).cancel_requested);
  });

  it('leaves the job alone, and finds it again, when it sent an idempotency key', async () => {
    const world = new OpenAiWorld();
    const { client, key, agent } = await world.open(['painter']);
    const headers = { 'idempotency-key': 'picture-1' };
    const leaving = new AbortController();
    const asking = client.images.generate(ASKED, { headers, signal: leaving.signal });
    const failing = expect(asking).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    const job = await takeSoon(agent);
    leaving.abort();
    await failing;
    const again = client.images.generate(ASKED, { headers });
    await finishWith(agent, job, PAINTED);
    expect(atob((await again).data![0]!.b64_json!)).toBe(String.fromCharCode(...PICTURE));
    const { response } = world.exchanges.at(-1)!;
    expect(response.headers.get('idempotent-replayed')).toBe('true');
    expect(await readJob(world, key, job.jobId)).toMatchObject({ cancel_requested: false });
  });

  it('does not harm a job that was answered', async () => {
    const world = new OpenAiWorld();
    const { client, key, agent } = await world.open(['chat']);
    const leaving = new AbortController();
    const asking = client.chat.completions.create(TALK, { signal: leaving.signal });
    const job = await takeSoon(agent);
    await answerText(agent, job, { pieces: ['Hi'], usage: { completionTokens: 1 } });
    await asking;
    leaving.abort();
    expect(await readJob(world, key, job.jobId)).toMatchObject({
      status: 'completed',
      cancel_requested: false,
    });
  });
});

describe('an answer that is waited for', () => {
  it('names the job when the wait is over, and the job goes on', async () => {
    const world = new OpenAiWorld();
    const { key, agent, accountId } = await world.open(['painter']);
    const { id } = await world.newJob(key, PAINTING);
    const found = await findJob(world.env, { jobId: id, accountId });
    if (!found.ok) throw new Error(found.error.reason);
    const client = { signal: new AbortController().signal, returns: false, waitUntil: () => {} };
    const origin = 'http://127.0.0.1';
    const waiting = { job: found.value, client, origin, waitMs: 20 };
    const ended = await awaitEnd(world.env, waiting);
    if (ended.ok) throw new Error('it cannot have ended');
    expect(toEndWire(ended.error)).toMatchObject({
      code: 'wait_timeout',
      details: { job_id: id },
      headers: { location: `/v1/jobs/${id}` },
    });
    expect((await agent.take()).jobId).toBe(id);
  });

  it('is a conflict when someone else cancels the job, and is not repeated', async () => {
    const world = new OpenAiWorld();
    const { client, key, agent } = await world.open(['painter'], { maxRetries: 2 });
    const asking = client.images.generate(ASKED);
    const failing = asking.then(null, (refusal: unknown) => refusal);
    const job = await takeSoon(agent);
    await world.call('POST', `/v1/jobs/${job.jobId}/cancel`, { bearer: key });
    await agent.giveBack(job, 'cancelled');
    const error = await failing;
    expect(error).toBeInstanceOf(OpenAI.ConflictError);
    expect(error).toMatchObject({
      code: 'job_cancelled',
      error: { details: { job_id: job.jobId } },
    });
    expect(world.exchanges).toHaveLength(1);
  });

  it.each([
    ['engine_out_of_memory', OpenAI.InternalServerError, 1],
    ['engine_rejected', OpenAI.UnprocessableEntityError, 1],
  ] as const)('fails with %s, and is not repeated', async (code, kind, requests) => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['painter'], { maxRetries: 2 });
    const failing = client.images.generate(ASKED).then(null, (refusal: unknown) => refusal);
    const job = await takeSoon(agent);
    await agent.fail(job, { code, retryable: false });
    const error = await failing;
    expect(error).toBeInstanceOf(kind);
    expect(error).toMatchObject({ code, error: { details: { job_id: job.jobId } } });
    expect(world.exchanges).toHaveLength(requests);
  });
});

describe("the official client's errors", () => {
  it('are those of their status', async () => {
    const world = new OpenAiWorld();
    const { client } = await world.open(['painter']);
    const { api_key: free } = await world.newAccount('free');
    const stranger = `tsr_01k00000000000000000000000_${'x'.repeat(43)}`;
    const asked = (one: OpenAI) => one.images.generate(ASKED);
    await expect(asked(world.client(stranger))).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
    await expect(asked(world.client(free))).rejects.toMatchObject({
      constructor: OpenAI.PermissionDeniedError,
      code: 'plan_required',
      type: 'permission_error',
    });
    await expect(client.models.retrieve('gpt-4o')).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    const error = await client.images
      .generate({ ...ASKED, n: 9 })
      .then(null, (refusal: unknown) => refusal as APIError);
    expect((error as APIError).requestID).toMatch(/^req_/);
  });

  it('are repeated after the time that the answer names', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['painter'], { maxRetries: 2 });
    world.refusals.push(
      { code: 'rate_limited', retryAfterMs: 1 },
      { code: 'queue_full', retryAfterMs: 1 },
    );
    const asking = client.images.generate(ASKED);
    const job = await takeLate(agent);
    await finishWith(agent, job, PAINTED);
    await asking;
    const statuses = world.exchanges.map((exchange) => exchange.response.status);
    expect(statuses).toEqual([429, 503, 200]);
    expect((await agent.acquire()).job).toBeNull();
  });

  it('of the network make no second job where the request has a key', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['painter'], { maxRetries: 1 });
    world.losses = 1;
    const headers = { 'idempotency-key': 'picture-2' };
    const asking = client.images.generate(ASKED, { headers });
    const job = await takeSoon(agent);
    await finishWith(agent, job, PAINTED);
    expect((await asking).data).toHaveLength(1);
    const ids = world.exchanges.map((exchange) => exchange.response.headers.get('x-job-id'));
    expect(ids).toEqual([job.jobId, job.jobId]);
    expect((await agent.acquire()).job).toBeNull();
  });

  it('tell how long to wait for a GPU', async () => {
    const world = new OpenAiWorld();
    const { key } = await world.open([]);
    const response = await world.post('/v1/images/generations', key, ASKED);
    const error = await expectError(response, 'no_agent');
    expect(error.type).toBe('server_error');
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(response.headers.get('x-should-retry')).toBeNull();
    expect(await listOpen(world, key)).toBe(0);
  });

  it('does not repeat what tokens are missing for', async () => {
    const world = new OpenAiWorld();
    const { client, key } = await world.open(['painter'], { maxRetries: 2 });
    const { dailyMillitokens } = PLANS.pro;
    const big = { ...PAINTING, width: 2048, height: 2048, count: 4, steps: 150 };
    const cost = 4 * 4 * 7.5;
    const jobs = Math.floor(dailyMillitokens / 1000 / cost);
    for (let count = 0; count < jobs; count += 1) await world.newJob(key, big);
    const asking = client.images.generate({
      ...ASKED,
      n: 4,
      size: '2048x2048' as never,
      steps: 150,
    } as never);
    await expect(asking).rejects.toMatchObject({
      constructor: OpenAI.RateLimitError,
      code: 'tokens_exhausted',
      type: 'rate_limit_error',
    });
    expect(world.exchanges).toHaveLength(1);
  });
});

describe('GET /v1/models/:id', () => {
  it('shows a model as the list does, without a key', async () => {
    const world = new OpenAiWorld();
    await world.newAgent(['painter']);
    const client = world.client('none');
    const model = await client.models.retrieve('painter');
    expect(model).toMatchObject({ id: 'painter', object: 'model', availability: 'installed' });
    const listed = await client.models.list();
    expect(listed.data.find(({ id }) => id === 'painter')).toEqual(model);
  });
});
