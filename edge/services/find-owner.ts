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

/** A job that its Scheduler has not confirmed yet is not found. */
export async function findOwner(env: Env, jobId: string): Promise<Result<JobOwner, FindRefusal>> {
  const scheduler = schedulerOf(env, jobId);
  if (!scheduler) return fail({ reason: 'job_not_found' });
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
