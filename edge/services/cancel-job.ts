/** Cancels a job of an account wherever it is; one that has ended stays as it ended. */
import { isTerminal } from '#schema/job.ts';
import type { CancelView } from '#schema/api.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import { findPast, schedulerOf } from './find-job.ts';
import type { FindRefusal, JobOwner } from './find-job.ts';

/** May be repeated: a job already asked to stop answers the same again. */
export async function cancelJob(
  env: Env,
  owner: JobOwner,
): Promise<Result<CancelView['result'], FindRefusal>> {
  const scheduler = schedulerOf(env, owner.jobId);
  if (!scheduler) return fail({ reason: 'job_not_found' });
  const answer = await scheduler.cancel(owner.jobId, owner.accountId);
  if (answer !== 'unknown') return ok(answer);
  const created = await env.accounts.getByName(owner.accountId).cancelCreated(owner.jobId);
  if (created !== 'unknown') return ok(created);
  const past = await findPast(env, owner);
  if (past.ok && isTerminal(past.value.record.status)) return ok('already_finished');
  if (!past.ok && past.error.reason === 'history_unavailable') return past;
  // It may have been handed over between the first question and the second.
  const late = await scheduler.cancel(owner.jobId, owner.accountId);
  return late === 'unknown' ? fail({ reason: 'job_not_found' }) : ok(late);
}
