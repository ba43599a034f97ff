import { describe, expect, it } from 'vitest';
import type { JobView } from '#schema/api.ts';
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN } from '#schema/limits.ts';
import { makeJob } from '../test/job-fixture.ts';
import type { Answer } from './client.ts';
import {
  POLL_EVERY_MS,
  POLL_FAILURES_MAX,
  SILENCE_MS,
  backoffMs,
  followJob,
} from './follow-job.ts';
import type { FollowPorts, FollowUpdate } from './follow-job.ts';

const QUEUED = makeJob({ sequence: 1 });
const RUNNING = makeJob({ status: 'running', sequence: 2 });
const DONE = makeJob({ status: 'completed', sequence: 3 });
const AWAY: Answer<never> = { ok: false, problem: { reason: 'unreachable' } };

function refused(
  code: 'not_found' | 'rate_limited',
  status: number,
  retryAfterMs: number | null = null,
) {
  const problem = {
    reason: 'refused',
    code,
    message: 'no',
    status,
    requestId: null,
    retryAfterMs,
  } as const;
  return { ok: false, problem } satisfies Answer<never>;
}

function frame(id: number | null, job: JobView): string {
  return `${id === null ? '' : `id: ${id}\n`}event: state\ndata: ${JSON.stringify(job)}\n\n`;
}

type End = 'close' | 'cut' | 'silence';

function streamOf(text: string, end: End): Answer<ReadableStream<Uint8Array>> {
  const bytes = new TextEncoder().encode(text);
  let isSent = false;
  const value = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (!isSent) controller.enqueue(bytes);
      else if (end === 'close') controller.close();
      else if (end === 'cut') controller.error(new Error('cut'));
      else return new Promise<void>(() => undefined);
      isSent = true;
      return undefined;
    },
  });
  return { ok: true, value };
}

/** Plays the given answers in turn, the last one for ever; waits take no time and are noted. */
function play(script: {
  streams: Answer<ReadableStream<Uint8Array>>[];
  polls?: Answer<JobView>[];
}) {
  const openedAfter: (string | null)[] = [];
  const waitsMs: number[] = [];
  const polls = script.polls ?? [{ ok: true, value: RUNNING }];
  let polled = 0;
  const ports: FollowPorts = {
    openEvents(lastEventId) {
      openedAfter.push(lastEventId);
      return Promise.resolve(script.streams[openedAfter.length - 1] ?? AWAY);
    },
    readJob() {
      polled += 1;
      return Promise.resolve(polls[Math.min(polled, polls.length) - 1]!);
    },
    async sleep(ms, signal) {
      if (ms !== SILENCE_MS) {
        waitsMs.push(ms);
        return;
      }
      // Real streams answer before they count as silent.
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      signal.throwIfAborted();
    },
    random: () => 1,
  };
  return { ports, openedAfter, waitsMs };
}

async function collect(ports: FollowPorts): Promise<FollowUpdate[]> {
  const updates: FollowUpdate[] = [];
  for await (const update of followJob(ports, new AbortController().signal)) updates.push(update);
  return updates;
}

function statuses(updates: FollowUpdate[]): string[] {
  return updates.flatMap((update) =>
    update.kind === 'event' && update.event.event === 'state' ? [update.event.data.status] : [],
  );
}

describe('followJob', () => {
  it('reads one stream from the queue to the end', async () => {
    const text = `: open\n\n${frame(1, QUEUED)}${frame(2, RUNNING)}${frame(3, DONE)}`;
    const { ports, openedAfter } = play({ streams: [streamOf(text, 'silence')] });
    expect(statuses(await collect(ports))).toEqual(['queued', 'running', 'completed']);
    expect(openedAfter).toEqual([null]);
  });

  it.each<End>(['close', 'cut', 'silence'])(
    'resumes after the last event seen when the stream ends by %s',
    async (end) => {
      const streams = [
        streamOf(frame(1, QUEUED) + frame(2, RUNNING), end),
        streamOf(frame(3, DONE), 'silence'),
      ];
      const { ports, openedAfter } = play({ streams });
      expect(statuses(await collect(ports)).at(-1)).toBe('completed');
      expect(openedAfter).toEqual([null, '2']);
    },
  );

  it('keeps the last id over events that carry none', async () => {
    const progress =
      'event: progress\ndata: {"fraction":0,"stage":"running","step":0,"steps":4}\n\n';
    const streams = [
      streamOf(frame(5, RUNNING) + progress, 'cut'),
      streamOf(frame(6, DONE), 'cut'),
    ];
    const { ports, openedAfter } = play({ streams });
    await collect(ports);
    expect(openedAfter).toEqual([null, '5']);
  });

  it('ends by polling alone while every stream is refused', async () => {
    const polls: Answer<JobView>[] = [
      { ok: true, value: QUEUED },
      { ok: true, value: RUNNING },
      { ok: true, value: DONE },
    ];
    const { ports, waitsMs } = play({ streams: [], polls });
    const updates = await collect(ports);
    expect(statuses(updates)).toEqual(['queued', 'running', 'completed']);
    expect(updates).toContainEqual({ kind: 'connection', connection: 'polling' });
    expect(waitsMs.every((ms) => ms <= POLL_EVERY_MS)).toBe(true);
  });

  it('backs off when nothing is reachable, then says that it lost the job', async () => {
    const { ports, waitsMs } = play({ streams: [], polls: [AWAY] });
    const updates = await collect(ports);
    expect(updates.at(-1)).toEqual({ kind: 'lost', problem: { reason: 'unreachable' } });
    expect(waitsMs).toHaveLength(POLL_FAILURES_MAX - 1);
    expect(waitsMs.slice(0, 3)).toEqual([BACKOFF_MS_MIN, BACKOFF_MS_MIN * 2, BACKOFF_MS_MIN * 4]);
    expect(waitsMs.at(-1)).toBe(BACKOFF_MS_MAX);
  });

  it('stops at once when the job is gone or not ours', async () => {
    const { ports, waitsMs } = play({ streams: [], polls: [refused('not_found', 404)] });
    expect((await collect(ports)).at(-1)).toMatchObject({ kind: 'lost' });
    expect(waitsMs).toEqual([]);
  });

  it('waits as long as the server asks', async () => {
    const polls = [refused('rate_limited', 429, 7000), { ok: true, value: DONE } as const];
    const { ports, waitsMs } = play({ streams: [], polls });
    await collect(ports);
    expect(waitsMs).toEqual([7000]);
  });

  it('skips events that it does not know and data that is not JSON', async () => {
    const noise = 'event: later\ndata: {}\n\nevent: state\ndata: {oops\n\n';
    const { ports } = play({ streams: [streamOf(noise + frame(1, DONE), 'close')] });
    expect(statuses(await collect(ports))).toEqual(['completed']);
  });
});

describe('backoffMs', () => {
  it('doubles, half of it by chance, up to its limit', () => {
    expect([1, 2, 3].map((failures) => backoffMs(failures, 1))).toEqual([500, 1000, 2000]);
    expect(backoffMs(1, 0)).toBe(250);
    expect(backoffMs(99, 1)).toBe(BACKOFF_MS_MAX);
  });
});
