import { describe, expect, it, vi } from 'vitest';
import type { Env } from '../../env.ts';
import { CHAT, HttpWorld } from '../../test/http.ts';
import { eventually } from '../../test/world.ts';
import { findJob } from '../find-job.ts';
import type { Client } from './abandon-job.ts';
import { followEvents } from './follow-events.ts';
import type { Followed } from './follow-events.ts';
import { streamAnswer } from './stream-answer.ts';

const ORIGIN = 'http://127.0.0.1';
const PACE = { commentMs: 5, lookMs: 5 };

async function open() {
  const world = new HttpWorld();
  const [{ id: accountId, api_key: key }, agent] = await Promise.all([
    world.newAccount(),
    world.newAgent(['chat']),
  ]);
  const { id: jobId } = await world.newJob(key, CHAT);
  const found = await findJob(world.env, { jobId, accountId });
  if (!found.ok) throw new Error(found.error.reason);
  const leaving = new AbortController();
  const done: Promise<unknown>[] = [];
  const client: Client = {
    signal: leaving.signal,
    returns: false,
    waitUntil: (work) => void done.push(work),
  };
  const isCancelled = async () => {
    const now = await findJob(world.env, { jobId, accountId });
    return now.ok && now.value.record.status === 'cancelled';
  };
  return { world, agent, jobId, accountId, job: found.value, client, leaving, done, isCancelled };
}

async function* tellNames(events: AsyncIterable<Followed>): AsyncGenerator<string> {
  for await (const { event } of events) yield `${event}\n\n`;
}

/** Reads until the text has this. */
async function readUntil(reader: ReadableStreamDefaultReader<Uint8Array>, wanted: RegExp) {
  const decoder = new TextDecoder();
  let text = '';
  while (!wanted.test(text)) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  return text;
}

describe('a streamed answer', () => {
  it('is kept open by comments while its job waits', async () => {
    const { world, job, client, agent } = await open();
    const answer = { job, client, origin: ORIGIN, tell: tellNames, lastWords: '', pace: PACE };
    const reader = streamAnswer(world.env, answer).getReader();
    const waiting = await readUntil(reader, /(: waiting\n\n[^:]*){3}/);
    expect(waiting.startsWith(': accepted\n\n')).toBe(true);
    await agent.complete(await agent.take(), { usage: { completionTokens: 1 } });
    expect(await readUntil(reader, /never/)).toContain('state\n\n');
  });

  it('cancels its job when nobody reads it any more', async () => {
    const { world, job, client, isCancelled } = await open();
    const answer = { job, client, origin: ORIGIN, tell: tellNames, lastWords: '', pace: PACE };
    const reader = streamAnswer(world.env, answer).getReader();
    await readUntil(reader, /state/);
    await reader.cancel();
    await eventually(isCancelled);
  });

  it('cancels its job when the connection is lost, unless the client returns', async () => {
    for (const returns of [false, true]) {
      const { world, job, client, leaving, done, isCancelled } = await open();
      const gone: Client = { ...client, returns };
      const answer = { job, client: gone, origin: ORIGIN, tell: tellNames, lastWords: '' };
      const reader = streamAnswer(world.env, answer).getReader();
      await readUntil(reader, /state/);
      const warned = vi.spyOn(console, 'warn');
      leaving.abort();
      // Nothing may be written after it.
      await reader.read().catch(() => {});
      await Promise.all(done);
      expect(await isCancelled()).toBe(!returns);
      // That a client leaves is nothing to write about.
      await scheduler.wait(0);
      expect(warned.mock.calls.filter(([line]) => String(line).includes('job.follow'))).toEqual([]);
      warned.mockRestore();
    }
  });

  it('says its last words, and cancels, when the telling breaks off', async () => {
    const { world, job, client, isCancelled } = await open();
    const stumble = async function* stumble(): AsyncGenerator<string> {
      yield 'so far\n\n';
      throw new Error('an unforeseen fault of the telling');
    };
    const answer = { job, client, origin: ORIGIN, tell: stumble, lastWords: 'sorry\n\n' };
    const reader = streamAnswer(world.env, answer).getReader();
    expect(await readUntil(reader, /never/)).toBe(': accepted\n\nso far\n\nsorry\n\n');
    await eventually(isCancelled);
  });
});

describe("a job's events", () => {
  it('go on where they broke off, with nothing missing and nothing twice', async () => {
    const { world, agent, jobId, accountId } = await open();
    const lease = await agent.take();
    await agent.stream(lease, 0, 'The sea ');
    const broken = breakingFeeds(world.env, 3);
    const signal = new AbortController().signal;
    const seen: Followed[] = [];
    const following = { jobId, accountId, origin: ORIGIN, signal, breakMs: 1 };
    for await (const event of followEvents(broken.env, following)) {
      seen.push(event);
      if (event.event !== 'text') continue;
      if (event.data.offset === 0) await agent.stream(lease, 8, 'is wide.');
      else await agent.complete(lease, { usage: { completionTokens: 2 } });
    }
    const texts = seen.flatMap((event) => (event.event === 'text' ? [event.data.text] : []));
    expect(texts).toEqual(['The sea ', 'is wide.']);
    expect(seen.at(-1)).toMatchObject({ event: 'state', data: { status: 'completed' } });
    expect(broken.opened()).toBeGreaterThan(1);
  });

  it('are given up when the feed opens for nobody', async () => {
    const { world, jobId, accountId } = await open();
    const closed = { subscribe: () => Promise.resolve(null) };
    const env = { ...world.env, feeds: { getByName: () => closed } } as unknown as Env;
    const signal = new AbortController().signal;
    const events = followEvents(env, { jobId, accountId, origin: ORIGIN, signal, breakMs: 1 });
    await expect(events.next()).rejects.toThrow('broke off');
  });
});

/** Feeds whose first streams each break after one chunk. */
function breakingFeeds(env: Env, breaks: number) {
  let opened = 0;
  const getByName = (name: string) => {
    const feed = env.feeds.getByName(name);
    return {
      subscribe: async (reader: Parameters<typeof feed.subscribe>[0]) => {
        opened += 1;
        const subscription = await feed.subscribe(reader);
        if (!subscription || opened > breaks) return subscription;
        const source = subscription.events.getReader();
        let chunks = 0;
        const events = new ReadableStream<Uint8Array>({
          pull: async (controller) => {
            const { done, value } = await source.read();
            chunks += 1;
            if (done || chunks > 1) controller.error(new Error('the object was restarted'));
            else controller.enqueue(value);
          },
        });
        return { events, place: subscription.place };
      },
    };
  };
  return { env: { ...env, feeds: { getByName } } as unknown as Env, opened: () => opened };
}
