/** Waits for the end of a job, for `Prefer: wait=N` (RFC 7240): by its feed, which ends with it. */
import { isTerminal } from '#schema/job.ts';
import type { JobRecord, LiveJob } from '#schema/record.ts';
import type { Env } from '../env.ts';
import { logWarn } from '../io/log.ts';
import { findJob } from './find-job.ts';
import { watchJob } from './follow-job.ts';

/** The job as it stands when it ended or when the time is over. */
export async function waitForJob(
  env: Env,
  { job, origin, waitMs }: { job: LiveJob; origin: string; waitMs: number },
): Promise<LiveJob> {
  if (waitMs <= 0 || isTerminal(job.record.status)) return job;
  const owner = { jobId: job.record.id, accountId: job.record.accountId };
  let timer: ReturnType<typeof setTimeout> | null = null;
  const over = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), waitMs);
  });
  try {
    const watched = await watchJob(env, owner);
    if (!watched.ok) return job;
    await readToEnd(env, { record: watched.value.record, origin, over });
  } catch (error) {
    // The feed was restarted: what the job has come to is asked below all the same.
    logWarn('job.wait', { job_id: owner.jobId, message: String(error) });
  } finally {
    clearTimeout(timer);
  }
  const found = await findJob(env, owner);
  return found.ok ? found.value : job;
}

/** Reads a job's events until there are no more, or until `over`. */
async function readToEnd(
  env: Env,
  { record, origin, over }: { record: JobRecord; origin: string; over: Promise<null> },
): Promise<void> {
  const feed = env.feeds.getByName(record.id);
  const subscription = await feed.subscribe({ record, lastEventId: 0, origin });
  if (!subscription) {
    await over;
    return;
  }
  const reader = subscription.events.getReader();
  try {
    for (;;) {
      const read = await Promise.race([reader.read(), over]);
      if (!read || read.done) return;
    }
  } finally {
    await reader.cancel().catch(() => {});
    subscription.place[Symbol.dispose]();
  }
}
