/**
 * Follows a job until it ends: reads its event stream, and when that breaks, asks for the job
 * itself (the truth), waits and connects again after the last event seen.
 *
 * live -> (cut, silent or refused) -> poll -> wait -> live ...
 *
 * Polling goes on at a steady pace while the stream stays away. It gives up only on an answer
 * that cannot change (the key is refused, the job is gone) or when nothing was reachable for
 * `POLL_FAILURES_MAX` tries. Clock, randomness and network come in as ports.
 */
import './zod-without-eval.ts';
import type { JobView } from '#schema/api.ts';
import { JobEvent } from '#schema/event.ts';
import { isTerminal } from '#schema/job.ts';
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN, FEED_COMMENT_MS } from '#schema/limits.ts';
import type { Answer } from './client.ts';
import { isFinal } from './problem.ts';
import type { Problem } from './problem.ts';
import { createSseParser } from './sse.ts';
import type { SseMessage } from './sse.ts';

/** Three comments missed: the connection is dead, though nobody said so. */
export const SILENCE_MS = FEED_COMMENT_MS * 3;
/** Pace of the polls while only they work. */
export const POLL_EVERY_MS = 4000;
/** Unanswered polls in a row, about ten minutes, before the page stops and says so. */
export const POLL_FAILURES_MAX = 15;

export interface FollowPorts {
  openEvents(
    lastEventId: string | null,
    signal: AbortSignal,
  ): Promise<Answer<ReadableStream<Uint8Array>>>;
  readJob(signal: AbortSignal): Promise<Answer<JobView>>;
  /** Resolves after `ms`; rejects when `signal` aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** 0 up to 1. */
  random(): number;
}

export type FollowUpdate =
  | { readonly kind: 'event'; readonly event: JobEvent }
  | { readonly kind: 'connection'; readonly connection: 'live' | 'polling' | 'reconnecting' }
  | { readonly kind: 'lost'; readonly problem: Problem };

/** What becomes known of a job, until it ends or is lost; throws only when `signal` aborts. */
export async function* followJob(
  ports: FollowPorts,
  signal: AbortSignal,
): AsyncGenerator<FollowUpdate, void> {
  let lastEventId: string | null = null;
  let streamFailures = 0;
  let pollFailures = 0;
  while (!signal.aborted) {
    const opened = await ports.openEvents(lastEventId, signal);
    if (opened.ok) {
      yield { kind: 'connection', connection: 'live' };
      for await (const message of readMessages(opened.value, { lastEventId, ports, signal })) {
        // Only an event with a new id is progress; a server that just repeats itself is not.
        if (message.id !== lastEventId) streamFailures = 0;
        lastEventId = message.id;
        const event = parseEvent(message);
        if (!event) continue;
        yield { kind: 'event', event };
        if (event.event === 'state' && isTerminal(event.data.status)) return;
      }
    }
    streamFailures += 1;

    const polled = await ports.readJob(signal);
    pollFailures = polled.ok ? 0 : pollFailures + 1;
    if (polled.ok) {
      yield { kind: 'event', event: { event: 'state', data: polled.value } };
      if (isTerminal(polled.value.status)) return;
    } else if (isFinal(polled.problem) || pollFailures >= POLL_FAILURES_MAX) {
      yield { kind: 'lost', problem: polled.problem };
      return;
    }
    yield { kind: 'connection', connection: polled.ok ? 'polling' : 'reconnecting' };
    const paceMs = polled.ok
      ? Math.min(POLL_EVERY_MS, backoffMs(streamFailures, ports.random()))
      : backoffMs(pollFailures, ports.random());
    await ports.sleep(Math.max(paceMs, retryAfterMs(opened), retryAfterMs(polled)), signal);
  }
}

/** Doubling from BACKOFF_MS_MIN to BACKOFF_MS_MAX, half of it at random (0 up to 1). */
export function backoffMs(failures: number, random: number): number {
  const full = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.max(0, failures - 1));
  return full / 2 + (full / 2) * random;
}

function retryAfterMs(answer: Answer<unknown>): number {
  if (answer.ok || answer.problem.reason !== 'refused') return 0;
  return Math.min(BACKOFF_MS_MAX, answer.problem.retryAfterMs ?? 0);
}

/** The messages of one connection; ends, never throws, when it breaks or falls silent. */
async function* readMessages(
  stream: ReadableStream<Uint8Array>,
  context: { lastEventId: string | null; ports: FollowPorts; signal: AbortSignal },
): AsyncGenerator<SseMessage, void> {
  const parser = createSseParser(context.lastEventId);
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const chunk = await readChunk(reader, context.ports, context.signal);
      if (chunk === null) return;
      yield* parser.push(decoder.decode(chunk, { stream: true }));
    }
  } catch (error) {
    // A cut connection or an event over the limit: the caller polls and connects anew.
    if (context.signal.aborted) throw error;
  } finally {
    // Already closed or broken: nothing is left to tell.
    await reader.cancel().catch(() => undefined);
  }
}

/** The next bytes, or null at the end or after `SILENCE_MS` without any. */
async function readChunk(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  ports: FollowPorts,
  signal: AbortSignal,
): Promise<Uint8Array | null> {
  const watch = new AbortController();
  const silence = ports
    .sleep(SILENCE_MS, AbortSignal.any([signal, watch.signal]))
    .then(() => null)
    .catch(() => null);
  try {
    const read = await Promise.race([reader.read(), silence]);
    return read?.value ?? null;
  } finally {
    watch.abort();
  }
}

/** The event of a message, or null when it is of a kind this page does not know. */
function parseEvent(message: SseMessage): JobEvent | null {
  try {
    const parsed = JobEvent.safeParse({ event: message.event, data: JSON.parse(message.data) });
    return parsed.success ? parsed.data : null;
  } catch {
    // Not JSON: nothing of ours; the next state carries the whole job.
    return null;
  }
}
