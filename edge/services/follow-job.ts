/**
 * Follows a job: its Feed's events, as they come, with what the Feed cannot know: comments that
 * keep an idle stream open, and the place in the queue while the job waits (a `state` without an
 * id, since it is not part of the job's history). The stream ends with the job.
 */
import { isTerminal } from '#schema/job.ts';
import { FEED_COMMENT_MS, FEED_KEEP_MS } from '#schema/limits.ts';
import type { LiveJob } from '#schema/record.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import { logWarn } from '../io/log.ts';
import { EventPipe } from './event-pipe.ts';
import { findJob, schedulerOf } from './find-job.ts';
import type { FindRefusal, JobOwner } from './find-job.ts';
import { viewJob } from './view-job.ts';

export type FollowRefusal = FindRefusal | { readonly reason: 'too_many_readers' };

export interface Following extends JobOwner {
  /** 0: from the start. */
  readonly lastEventId: number;
  readonly origin: string;
  readonly now: number;
}

/** How often a following looks and speaks; tests pass shorter spans. */
export interface FollowPace {
  readonly commentMs: number;
  readonly lookMs: number;
}

const PACE: FollowPace = { commentMs: FEED_COMMENT_MS, lookMs: 3000 };

/** The stream of events of a job that lives or ended lately; one event of one that ended before. */
export async function followJob(
  env: Env,
  following: Following,
  pace: FollowPace = PACE,
): Promise<Result<ReadableStream<Uint8Array>, FollowRefusal>> {
  const live = await watchJob(env, following);
  if (!live.ok) return live;
  const { record } = live.value;
  const { lastEventId, origin, now } = following;
  if (isTerminal(record.status) && now > (record.finishedAt ?? 0) + FEED_KEEP_MS) {
    return ok(new Blob([await toStateEvent(env, live.value, following)]).stream());
  }
  const feed = env.feeds.getByName(record.id);
  const subscription = await feed.subscribe({ record, lastEventId, origin });
  if (!subscription) return fail({ reason: 'too_many_readers' });
  // A new reader gets the job's state first, then the place in the queue.
  const feedFirst = lastEventId === 0;
  const pipe = new EventPipe(subscription, { commentMs: pace.commentMs, feedFirst });
  const looker = new Looker(env, { following, pipe, last: live.value });
  const timer = setInterval(() => looker.look(), pace.lookMs);
  void pipe.done.then(() => clearInterval(timer));
  looker.show();
  return ok(pipe.readable);
}

/** Finds the job and tells the Scheduler, if it has the job, that someone follows it. */
export async function watchJob(env: Env, owner: JobOwner): Promise<Result<LiveJob, FindRefusal>> {
  const scheduler = schedulerOf(env, owner.jobId);
  const watched = await scheduler?.watch(owner.jobId, owner.accountId);
  return watched ? ok(watched) : findJob(env, owner);
}

/** Looks after the job beside its feed: the place in the queue, and an end that was missed. */
class Looker {
  readonly #env: Env;
  readonly #following: Following;
  readonly #pipe: EventPipe;
  #last: LiveJob;
  #shown = '';
  #looking = false;
  #looks = 0;
  /** Looks that found the job ended while the feed had not said so. */
  #endsSeen = 0;

  constructor(env: Env, start: { following: Following; pipe: EventPipe; last: LiveJob }) {
    this.#env = env;
    this.#following = start.following;
    this.#pipe = start.pipe;
    this.#last = start.last;
  }

  /** Called by a timer; a job that runs is looked at less often, one look at a time. */
  look(): void {
    this.#looks += 1;
    const waits = this.#last.record.status === 'queued' || this.#last.record.status === 'created';
    if (this.#looking || (!waits && this.#looks % 5 !== 0)) return;
    this.#looking = true;
    this.#lookOnce()
      .catch((error: unknown) => logWarn('job.follow', { message: String(error) }))
      .finally(() => {
        this.#looking = false;
      });
  }

  /** Sends the place in the queue when it is not the one shown last. */
  show(): void {
    const { waiting } = this.#last;
    if (!waiting) return;
    const shown = `${waiting.position} ${waiting.reason}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#pipe.insert(() => toStateEvent(this.#env, this.#last, this.#following));
  }

  async #lookOnce(): Promise<void> {
    // A job that was not handed over yet is watched as soon as it is.
    const known = this.#last.record.status === 'created';
    const found = await (known ? watchJob : findJob)(this.#env, this.#following);
    if (!found.ok) return;
    this.#last = found.value;
    this.show();
    if (!isTerminal(found.value.record.status)) return;
    this.#endsSeen += 1;
    if (this.#endsSeen < 2) return;
    // The feed lost its job: what the history says must do.
    this.#pipe.insert(() => toStateEvent(this.#env, this.#last, this.#following));
    this.#pipe.end();
  }
}

async function toStateEvent(env: Env, live: LiveJob, following: Following): Promise<string> {
  const { origin } = following;
  const view = await viewJob(live, { signingKey: env.signingKey, origin, now: Date.now() });
  return `event: state\ndata: ${JSON.stringify(view)}\n\n`;
}
