/**
 * Finds the job that an earlier request with the same idempotency key made. It is the answer to a
 * repeat even where no such job could be made any more: its file may be deleted by now.
 */
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { Repeat, Submitted } from '../rpc/account.ts';
import type { Credential } from './authenticate.ts';
import { findJob } from './find-job.ts';
import type { FindRefusal } from './find-job.ts';
import type { SubmittedJob, SubmitRefusal } from './submit-job.ts';

/** The job of an earlier request, `otherwise` where there was none. The caller is counted. */
export async function recallJob(
  env: Env,
  { accountId, caller }: Credential,
  {
    repeat,
    otherwise,
  }: { readonly repeat: Repeat; readonly otherwise: Result<never, SubmitRefusal> },
): Promise<Result<SubmittedJob, SubmitRefusal>> {
  const recalled = await env.accounts.getByName(accountId).recall(caller, [repeat]);
  if (!recalled.ok) return recalled;
  const { principal, jobs } = recalled.value;
  const [made = ok(null)] = jobs;
  if (!made.ok) return fail({ ...made.error, rate: principal.rate });
  if (made.value === null) return otherwise;
  return findSubmitted(env, { replayed: true, principal, jobId: made.value }, accountId);
}

/** The job that was made now, or by the earlier request that this one repeats. */
export async function findSubmitted(
  env: Env,
  submitted: Submitted,
  accountId: string,
): Promise<Result<SubmittedJob, FindRefusal>> {
  const { principal } = submitted;
  if (!submitted.replayed) return ok({ principal, job: submitted.job, replayed: false });
  const job = await findJob(env, { jobId: submitted.jobId, accountId });
  return job.ok ? ok({ principal, job: job.value, replayed: true }) : fail(job.error);
}
