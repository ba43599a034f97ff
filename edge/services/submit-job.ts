/** Submits a job: the Account admits it, holds its price and makes it durable before we answer. */
import type { LiveJob } from '#schema/record.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { AdmissionRefusal, Env, Principal } from '../env.ts';
import { logInfo } from '../io/log.ts';
import { findJob } from './find-job.ts';
import type { FindRefusal } from './find-job.ts';
import { prepareJob } from './prepare-job.ts';
import type { ParameterRefusal, SubmitRequest } from './prepare-job.ts';

export type SubmitRefusal = ParameterRefusal | AdmissionRefusal | FindRefusal;

export interface SubmittedJob {
  readonly principal: Principal;
  readonly job: LiveJob;
  /** An earlier request with the same idempotency key made the job. */
  readonly replayed: boolean;
}

/** Accepts a job or says why not; a repeat with the same key finds the job it made. */
export async function submitJob(
  env: Env,
  submission: SubmitRequest,
): Promise<Result<SubmittedJob, SubmitRefusal>> {
  const input = await prepareJob(env, submission);
  if (!input.ok) return input;
  const { accountId, secretHash } = submission.credential;
  const answer = await env.accounts.getByName(accountId).submit(secretHash, input.value);
  if (!answer.ok) return answer;
  const submitted = answer.value;
  if (!submitted.replayed) {
    const { principal, job } = submitted;
    const { id, spec, heldMillitokens } = job.record;
    logInfo('job.submit', {
      request_id: submission.requestId,
      job_id: id,
      account_id: accountId,
      model: spec.model,
      held: heldMillitokens,
    });
    return ok({ principal, job, replayed: false });
  }
  const job = await findJob(env, { jobId: submitted.jobId, accountId });
  if (!job.ok) return fail(job.error);
  return ok({ principal: submitted.principal, job: job.value, replayed: true });
}
