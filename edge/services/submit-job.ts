/**
 * Submits jobs: the Account admits each, holds its price and makes it durable before we answer.
 * Several jobs of one request are one call to the Account, whatever becomes of each.
 */
import type { JobRequest } from '#schema/job.ts';
import type { LiveJob } from '#schema/record.ts';
import type { Result } from '../core/result.ts';
import { ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type {
  AccessRefusal,
  AdmissionRefusal,
  Principal,
  Repeat,
  SubmitInput,
  Submitted,
} from '../rpc/account.ts';
import { pack, unpack } from '../rpc/packed.ts';
import { inLanes } from '../io/lane.ts';
import { countRefusal } from './count-refusal.ts';
import type { FindRefusal } from './find-job.ts';
import { hashRequest } from './openai/hash-request.ts';
import { prepareJob } from './prepare-job.ts';
import type { PrepareRefusal, SubmitRequest } from './prepare-job.ts';
import { findSubmitted, recallJob } from './recall-job.ts';

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
  const { credential, idempotencyKey, request } = submission;
  const input = await prepareJob(env, submission);
  if (!input.ok) {
    const refused = await countRefusal(env, credential, input.error);
    if (idempotencyKey === null) return refused;
    const repeat = { idempotencyKey, bodyHash: await hashRequest(request) };
    return recallJob(env, credential, { repeat, otherwise: refused });
  }
  const { accountId, caller } = credential;
  const account = env.accounts.getByName(accountId);
  const answer = unpack(await account.submit(caller, pack(input.value)));
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
 * Accepts jobs or says of each why not. Nothing is judged or priced for a caller who may not call.
 * The idempotency key is the whole request's: each job's is made of it and its place, by a space,
 * which no key has.
 */
export async function submitJobs(
  env: Env,
  { requests, ...common }: SubmitBatch,
): Promise<Result<SubmittedBatch, AccessRefusal>> {
  const { accountId, caller } = common.credential;
  const key = common.idempotencyKey;
  const account = env.accounts.getByName(accountId);
  const recalled = await account.recall(caller, await repeatsOf(key, requests));
  if (!recalled.ok) return recalled;
  const jobs = new Map<number, Result<SubmittedJob, SubmitRefusal>>();
  const inputs: { place: number; input: SubmitInput }[] = [];
  const known: { place: number; jobId: string }[] = [];
  for (const [index, { place, request }] of requests.entries()) {
    const before = recalled.value.jobs[index] ?? ok(null);
    if (!before.ok) jobs.set(place, before);
    else if (before.value !== null) known.push({ place, jobId: before.value });
    else {
      const idempotencyKey = key === null ? null : keyAt(key, place);
      const input = await prepareJob(env, { ...common, request, idempotencyKey });
      if (input.ok) inputs.push({ place, input: input.value });
      else jobs.set(place, input);
    }
  }
  const offered = pack(inputs.map(({ input }) => input));
  const answer = unpack(await account.submitAll(caller, offered));
  if (!answer.ok) return answer;
  const { principal } = answer.value;
  const made = inputs.map(({ place }, index) => ({ place, submitted: answer.value.jobs[index]! }));
  const replayed = known.map(({ place, jobId }) => ({
    place,
    submitted: ok<Submitted>({ replayed: true, principal, jobId }),
  }));
  // A job that is replayed may be in the history alone: each is a connection to Postgres.
  await inLanes([...made, ...replayed], async ({ place, submitted }) => {
    const found = submitted.ok ? findSubmitted(env, submitted.value, accountId) : submitted;
    jobs.set(place, await found);
  });
  return ok({ principal, jobs });
}

/** What each job of a batch is known by; none where its client sends no key. */
async function repeatsOf(
  key: string | null,
  requests: SubmitBatch['requests'],
): Promise<readonly Repeat[]> {
  if (key === null) return [];
  const repeats = requests.map(async ({ place, request }) => ({
    idempotencyKey: keyAt(key, place),
    bodyHash: await hashRequest(request),
  }));
  return Promise.all(repeats);
}

function keyAt(key: string, place: number): string {
  return `${key} ${place}`;
}
