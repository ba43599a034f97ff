/**
 * Submits jobs: the Account admits each, holds its price and makes it durable before we answer.
 * Several jobs of one request are one call to the Account, whatever becomes of each.
 */
import type { JobRequest } from '#schema/job.ts';
import type { LiveJob } from '#schema/record.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type {
  AccessRefusal,
  AdmissionRefusal,
  Principal,
  SubmitInput,
  Submitted,
} from '../rpc/account.ts';
import { inLanes } from '../io/lane.ts';
import { countRefusal } from './count-refusal.ts';
import { findJob } from './find-job.ts';
import type { FindRefusal } from './find-job.ts';
import { prepareJob } from './prepare-job.ts';
import type { PrepareRefusal, SubmitRequest } from './prepare-job.ts';

export type SubmitRefusal = PrepareRefusal | AdmissionRefusal | FindRefusal;

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
  if (!input.ok) return countRefusal(env, submission.credential, input.error);
  const { accountId, caller } = submission.credential;
  const answer = await env.accounts.getByName(accountId).submit(caller, input.value);
  if (!answer.ok) return answer;
  return findSubmitted(env, answer.value, accountId);
}

/** Jobs of one request that parse, each with its place in it. */
export interface SubmitBatch extends Omit<SubmitRequest, 'request'> {
  readonly requests: readonly { readonly place: number; readonly request: JobRequest }[];
}

/** What became of each job, by its place in the request. */
export interface SubmittedBatch {
  readonly principal: Principal;
  readonly jobs: ReadonlyMap<number, Result<SubmittedJob, SubmitRefusal>>;
}

/**
 * Accepts jobs or says of each why not. The idempotency key is the whole request's: each job's is
 * made of it and its place, by a space, which no key has.
 */
export async function submitJobs(
  env: Env,
  { requests, ...common }: SubmitBatch,
): Promise<Result<SubmittedBatch, AccessRefusal>> {
  const { accountId, caller } = common.credential;
  const key = common.idempotencyKey;
  const jobs = new Map<number, Result<SubmittedJob, SubmitRefusal>>();
  const inputs: { place: number; input: SubmitInput }[] = [];
  for (const { place, request } of requests) {
    const idempotencyKey = key === null ? null : `${key} ${place}`;
    const input = await prepareJob(env, { ...common, request, idempotencyKey });
    if (input.ok) inputs.push({ place, input: input.value });
    else jobs.set(place, input);
  }
  const account = env.accounts.getByName(accountId);
  const answer = await account.submitAll(
    caller,
    inputs.map(({ input }) => input),
  );
  if (!answer.ok) return answer;
  const { principal } = answer.value;
  // A job that is replayed may be in the history alone: each is a connection to Postgres.
  const found = await inLanes(answer.value.jobs, async (submitted) =>
    submitted.ok ? findSubmitted(env, submitted.value, accountId) : submitted,
  );
  for (const [index, { place }] of inputs.entries()) jobs.set(place, found[index]!);
  return ok({ principal, jobs });
}

/** The job that was made now, or by the earlier request that this one repeats. */
async function findSubmitted(
  env: Env,
  submitted: Submitted,
  accountId: string,
): Promise<Result<SubmittedJob, FindRefusal>> {
  const { principal } = submitted;
  if (!submitted.replayed) return ok({ principal, job: submitted.job, replayed: false });
  const job = await findJob(env, { jobId: submitted.jobId, accountId });
  return job.ok ? ok({ principal, job: job.value, replayed: true }) : fail(job.error);
}
