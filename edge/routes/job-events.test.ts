import { describe, expect, it } from 'vitest';
import type { JobView } from '#schema/api.ts';
import { JobView as JobViewSchema } from '#schema/api.ts';
import { FEED_KEEP_MS } from '#schema/limits.ts';
import { makeJobId } from '../io/id.ts';
import { followJob } from '../services/follow-job.ts';
import { EventReader, textOf } from '../test/events.ts';
import { CHAT, expectAuthRefusals, expectError, HttpWorld, PAINTING } from '../test/http.ts';
import { eventually } from '../test/world.ts';

async function open(models = ['painter', 'chat']) {
  const world = new HttpWorld();
  const [account, agent] = await Promise.all([world.newAccount(), world.newAgent(models)]);
  const key = account.api_key;
  const events = async (id: string, headers: Record<string, string> = {}) => {
    const response = await world.get(`/v1/jobs/${id}/events`, key, headers);
    expect(response.status, response.ok ? '' : await response.text()).toBe(200);
    return new EventReader(response.body!);
  };
  return { world, key, agent, events, accountId: account.id };
}

describe('GET /v1/jobs/:id/events', () => {
  it('tells of a job from the queue to its end', async () => {
    const { world, key, agent, events } = await open();
    const { id } = await world.newJob(key);
    const response = await world.get(`/v1/jobs/${id}/events`, key);
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    expect(response.headers.get('cache-control')).toContain('no-store');
    const reader = new EventReader(response.body!);
    const first = await reader.next();
    expect(JobViewSchema.parse(first!.data)).toMatchObject({ id, status: 'queued' });
    expect(first!.id).toBeGreaterThan(0);
    const place = await reader.next();
    expect(place).toMatchObject({ event: 'state', data: { queue: { position: 1 } } });
    expect(place!.id).toBeUndefined();
    const lease = await agent.take();
    expect(await reader.next()).toMatchObject({ event: 'state', data: { status: 'running' } });
    const progress = { fraction: 0.25, stage: 'running', step: 5, steps: 20 };
    const preview = { content_type: 'image/png', data: 'AAAA' };
    expect((await agent.renew(lease, { progress, preview })).status).toBe(200);
    expect(await reader.next()).toEqual({ event: 'progress', data: progress });
    expect(await reader.next()).toEqual({ event: 'preview', data: preview });
    await agent.finish(lease);
    const last = await reader.next();
    expect(last).toMatchObject({ event: 'state', data: { status: 'completed' } });
    expect((last!.data as JobView).artifacts[0]!.url).toContain('/media/result/');
    expect(await reader.next()).toBeNull();
    // Whoever comes back with the last id has seen it all.
    expect(await (await events(id, { 'last-event-id': String(last!.id) })).rest()).toEqual([]);
  });

  it('streams text, and replays after Last-Event-ID with nothing missing or twice', async () => {
    const { world, key, agent, events } = await open();
    const { id } = await world.newJob(key, CHAT);
    const lease = await agent.take();
    expect(await (await agent.stream(lease, 0, 'The sea ')).json()).toEqual({ appended: true });
    const reader = await events(id);
    await reader.next();
    const seen = await reader.next();
    expect([seen!.event, seen!.data['text'] ?? seen!.data['status']].join()).toMatch(
      /text,The sea|state,running/,
    );
    await reader.cancel();
    await agent.stream(lease, 8, 'is wide');
    expect(await (await agent.stream(lease, 99, 'lost')).json()).toEqual({ appended: false });
    await agent.complete(lease, { usage: { completionTokens: 4 } });
    const all = (await (await events(id)).rest()).filter((event) => event.id !== undefined);
    expect(textOf(all)).toBe('The sea is wide');
    const again = await (await events(id, { 'last-event-id': String(all[0]!.id) })).rest();
    expect(again).toEqual(all.slice(1));
  });

  it('starts anew with the next attempt, also for a reader that stayed', async () => {
    const { world, key, agent, events } = await open();
    const { id } = await world.newJob(key, CHAT);
    const lease = await agent.take();
    const reader = await events(id);
    await agent.stream(lease, 0, 'First try');
    await agent.fail(lease, { code: 'job_failed', retryable: true });
    const second = await eventually(async () => (await agent.acquire()).job);
    expect(second.fencingToken).toBeGreaterThan(lease.fencingToken);
    await agent.stream(second, 0, 'Second try');
    await agent.stream(lease, 9, ' of a zombie');
    await agent.complete(second, { usage: { completionTokens: 2 } });
    const events_ = await reader.rest();
    const begins = events_.filter(({ data }) => data['offset'] === 0);
    expect(begins.map(({ data }) => data['text'])).toEqual(['First try', 'Second try']);
    expect(events_.at(-1)).toMatchObject({ data: { status: 'completed', attempt: 2 } });
    expect(JSON.stringify(events_)).not.toContain('zombie');
  });

  it('gives one state of a job of the history, and ends', async () => {
    const { world, key, agent, accountId } = await open();
    const { id } = await world.newJob(key);
    await agent.finish(await agent.take());
    const now = Date.now() + 2 * FEED_KEEP_MS;
    const origin = 'http://127.0.0.1';
    const following = { jobId: id, accountId, lastEventId: 0, origin, now };
    const followed = await followJob(world.env, following);
    expect(followed.ok).toBe(true);
    const events = followed.ok ? await new EventReader(followed.value).rest() : [];
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ event: 'state', data: { status: 'completed' } });
  });

  it('tells a new place in the queue without an id, and comments while nothing happens', async () => {
    const { world, key, accountId } = await open();
    const ahead = await world.newJob(key);
    const { id } = await world.newJob(key);
    const following = {
      jobId: id,
      accountId,
      lastEventId: 0,
      origin: 'http://127.0.0.1',
      now: Date.now(),
    };
    const followed = await followJob(world.env, following, { commentMs: 5, lookMs: 5 });
    const reader = new EventReader(followed.ok ? followed.value : new Blob().stream());
    await reader.next();
    expect(await reader.next()).toMatchObject({ data: { queue: { position: 2 } } });
    await world.call('POST', `/v1/jobs/${ahead.id}/cancel`, { bearer: key });
    const moved = await reader.next();
    expect(moved).toMatchObject({ data: { status: 'queued', queue: { position: 1 } } });
    expect(moved!.id).toBeUndefined();
    await world.call('POST', `/v1/jobs/${id}/cancel`, { bearer: key });
    const rest = await reader.rest();
    expect(rest.at(-1)).toMatchObject({ data: { status: 'cancelled' } });
    expect(reader.comments).toBeGreaterThan(0);
  });

  it('tells the end by the history when the feed never heard of it', async () => {
    const { world, key, accountId } = await open();
    const { id } = await world.newJob(key);
    const deaf = { getByName: () => world.env.feeds.getByName(`deaf:${id}`) };
    const env = { ...world.env, feeds: deaf };
    const origin = 'http://127.0.0.1';
    const following = { jobId: id, accountId, lastEventId: 0, origin, now: Date.now() };
    const followed = await followJob(env, following, { commentMs: 1000, lookMs: 5 });
    const reader = new EventReader(followed.ok ? followed.value : new Blob().stream());
    await reader.next();
    await world.call('POST', `/v1/jobs/${id}/cancel`, { bearer: key });
    expect((await reader.rest()).at(-1)).toMatchObject({ data: { status: 'cancelled' } });
  });

  it('gives its place back when the client leaves', async () => {
    const { world, key, events } = await open();
    const { id } = await world.newJob(key);
    for (let count = 0; count < 120; count += 1) {
      const reader = await events(id);
      await reader.next();
      await reader.cancel();
    }
    const reader = await events(id);
    expect(await reader.next()).toMatchObject({ event: 'state' });
    await reader.cancel();
  });

  it('refuses an id that is none, a job that is not yours and any other credential', async () => {
    const { world, key } = await open();
    const { id } = await world.newJob(key);
    const path = `/v1/jobs/${id}/events`;
    for (const lastEventId of ['x', '-1', '1.5', '9'.repeat(16)]) {
      const response = await world.get(path, key, { 'last-event-id': lastEventId });
      const error = await expectError(response, 'invalid_request');
      expect(error.message).toContain('last-event-id');
    }
    const { api_key: other } = await world.newAccount();
    await expectError(await world.get(path, other), 'not_found');
    const unknown = makeJobId(world.pool, Date.now());
    await expectError(await world.get(`/v1/jobs/${unknown}/events`, key), 'not_found');
    await expectAuthRefusals(world, ['GET', path], { caller: 'account' });
  });
});

it('ends at once for a job that ended, whatever type it is', async () => {
  const { world, key, agent, events } = await open();
  const { id } = await world.newJob(key, PAINTING);
  await agent.finish(await agent.take());
  const all = await (await events(id)).rest();
  expect(all.map(({ data }) => data['status'])).toEqual(['completed']);
});
