/**
 * Submits a job for a client that sends files with its request: each repeat of the request makes
 * its files anew, so the idempotency key is kept to what was sent instead of to their ids.
 */
import type { Result } from '../../core/result.ts';
import { fail, ok } from '../../core/result.ts';
import type { Env } from '../../env.ts';
import { countRefusal } from '../count-refusal.ts';
import { findJob } from '../find-job.ts';
import { prepareJob } from '../prepare-job.ts';
import type { SubmitRequest } from '../prepare-job.ts';
import type { SubmittedJob, SubmitRefusal } from '../submit-job.ts';

/** As `submitJob`; `fingerprint` is the same for the same request (64 hex digits). */
export async function beginJob(
  env: Env,
  { fingerprint, ...submission }: SubmitRequest & { readonly fingerprint: string },
): Promise<Result<SubmittedJob, SubmitRefusal>> {
  const input = await prepareJob(env, submission);
  if (!input.ok) return countRefusal(env, submission.credential, input.error);
  const { accountId, caller } = submission.credential;
  const account = env.accounts.getByName(accountId);
  const answer = await account.submit(caller, { ...input.value, bodyHash: fingerprint });
  if (!answer.ok) return answer;
  const { principal } = answer.value;
  if (!answer.value.replayed) return ok({ principal, job: answer.value.job, replayed: false });
  const found = await findJob(env, { jobId: answer.value.jobId, accountId });
  return found.ok ? ok({ principal, job: found.value, replayed: true }) : fail(found.error);
}
