/** The last job of an account: the newest of its history, for a chat that knows of none. */
import type { LiveJob } from '#schema/record.ts';
import type { Result } from '../core/result.ts';
import { fail } from '../core/result.ts';
import type { Env } from '../env.ts';
import { findJob } from './find-job.ts';
import type { FindRefusal } from './find-job.ts';
import { listJobs } from './list-jobs.ts';

/** `known` is the id of the last job that the chat knows of. */
export async function findLastJob(
  env: Env,
  { accountId, known }: { accountId: string; known: string | null },
): Promise<Result<LiveJob, FindRefusal>> {
  if (known !== null) {
    const found = await findJob(env, { jobId: known, accountId });
    if (found.ok || found.error.reason !== 'job_not_found') return found;
  }
  const page = await listJobs(env, { accountId, query: { limit: 1 } });
  if (!page.ok) return fail({ reason: 'history_unavailable' });
  const [last] = page.value.records;
  return last ? findJob(env, { jobId: last.id, accountId }) : fail({ reason: 'job_not_found' });
}
