/**
 * A job's events, parsed, one after the other, to its end: for answers that are made of them.
 * A feed that breaks off is followed again from the last event that came, so that nothing is
 * missing and nothing comes twice. Comments come through: they show that the line is open.
 */
import { JobEvent } from '#schema/event.ts';
import { isTerminal } from '#schema/job.ts';
import type { Env } from '../../env.ts';
import { logWarn } from '../../io/log.ts';
import type { JobOwner } from '../find-job.ts';
import { followJob } from '../follow-job.ts';
import type { FollowPace } from '../follow-job.ts';

export type Followed = JobEvent | { readonly event: 'comment' };

export interface FollowedJob extends JobOwner {
  readonly origin: string;
  /** Ends the events at once. */
  readonly signal: AbortSignal;
  readonly pace?: FollowPace | undefined;
  /** How long to wait after a break, then twice, thrice as long; tests wait less. */
  readonly breakMs?: number;
}

/** Feeds that may break off, or not open, one after the other without an event between. */
const BREAKS_MAX = 8;
const BREAK_MS = 250;

/** Throws when the job cannot be followed; ends with the job, or with the signal. */
export async function* followEvents(env: Env, job: FollowedJob): AsyncGenerator<Followed> {
  let lastEventId = 0;
  for (let breaks = 0; breaks < BREAKS_MAX; breaks += 1) {
    if (breaks > 0) await scheduler.wait((job.breakMs ?? BREAK_MS) * breaks);
    if (job.signal.aborted) return;
    const now = Date.now();
    const followed = await followJob(env, { ...job, lastEventId, now }, job.pace);
    if (!followed.ok) {
      logWarn('job.follow', { job_id: job.jobId, reason: followed.error.reason });
      continue;
    }
    let isOver = false;
    for await (const { id, ...event } of readEvents(followed.value, job.signal)) {
      breaks = 0;
      lastEventId = id ?? lastEventId;
      yield event;
      isOver = event.event === 'state' && isTerminal(event.data.status);
    }
    // Read to its end, which follows at once: a stream that is left looks like one that broke.
    if (isOver) return;
  }
  throw new Error(`the events of ${job.jobId} broke off ${BREAKS_MAX} times in a row`);
}

type Parsed = Followed & { readonly id?: number | undefined };

/** Events of a stream; a stream that breaks ends like one that is over. */
async function* readEvents(
  stream: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Parsed> {
  const reader = stream.getReader();
  const leave = (): void => void reader.cancel().catch(() => {});
  signal.addEventListener('abort', leave);
  if (signal.aborted) leave();
  const decoder = new TextDecoder();
  let text = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += decoder.decode(value, { stream: true });
      const end = text.lastIndexOf('\n\n');
      if (end < 0) continue;
      const blocks = text.slice(0, end).split('\n\n');
      text = text.slice(end + 2);
      for (const block of blocks) yield parseEvent(block);
    }
  } catch (error) {
    // A client that leaves takes its stream along: nothing is amiss.
    if (!signal.aborted) logWarn('job.follow', { message: String(error) });
  } finally {
    signal.removeEventListener('abort', leave);
    leave();
  }
}

/** One event of our own feed, whose data is a single line. */
function parseEvent(block: string): Parsed {
  const fields = new Map(
    block.split('\n').map((line): [string, string] => {
      const at = line.indexOf(':');
      return [line.slice(0, at), line.slice(at + 1).trim()];
    }),
  );
  const [event, data, id] = [fields.get('event'), fields.get('data'), fields.get('id')];
  if (event === undefined || data === undefined) return { event: 'comment' };
  const parsed = JobEvent.parse({ event, data: JSON.parse(data) });
  return id === undefined ? parsed : { ...parsed, id: Number(id) };
}
