/** Finds whose job it is, for the operator, who knows only its id. */
import { eq } from 'drizzle-orm';
import { job } from '#schema/tables/index.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import type { Env } from '../env.ts';
import { openDb } from '../io/db.ts';
import { logError } from '../io/log.ts';
import { schedulerOf } from './find-job.ts';
import type { FindRefusal, JobOwner } from './find-job.ts';

export interface AnyJob {
  readonly jobId: string;
  /** Whose job the operator knows it to be, if he does. */
  readonly accountId: string | null;
}

/**
 * Whose job it is. One that its Scheduler has not confirmed yet is known to its account alone: it
 * is found only where that is named.
 */
export async function findOwner(
  env: Env,
  { jobId, accountId }: AnyJob,
): Promise<Result<JobOwner, FindRefusal>> {
  const scheduler = schedulerOf(env, jobId);
  if (!scheduler) return fail({ reason: 'job_not_found' });
  // Whoever uses this looks for the job there, and finds none that is another's.
  if (accountId !== null) return ok({ jobId, accountId });
  const live = await scheduler.find(jobId, null);
  if (live) return ok({ jobId, accountId: live.record.accountId });
  try {
    const [row] = await openDb(env, (db) =>
      db.select({ accountId: job.accountId }).from(job).where(eq(job.id, jobId)),
    );
    return row ? ok({ jobId, ...row }) : fail({ reason: 'job_not_found' });
  } catch (error) {
    logError('job.owner', error, { job_id: jobId });
    return fail({ reason: 'history_unavailable' });
  }
}
