/**
 * Submits a job for a client that sends files with its request: each repeat of the request makes
 * its files anew, so the idempotency key is kept to what was sent instead of to their ids.
 */
import type { Result } from '../../core/result.ts';
import type { Env } from '../../env.ts';
import { pack, unpack } from '../../rpc/packed.ts';
import { countRefusal } from '../count-refusal.ts';
import { prepareJob } from '../prepare-job.ts';
import type { SubmitRequest } from '../prepare-job.ts';
import { findSubmitted, recallJob } from '../recall-job.ts';
import type { SubmittedJob, SubmitRefusal } from '../submit-job.ts';

/** As `submitJob`; `fingerprint` is the same for the same request (64 hex digits). */
export async function beginJob(
  env: Env,
  { fingerprint, ...submission }: SubmitRequest & { readonly fingerprint: string },
): Promise<Result<SubmittedJob, SubmitRefusal>> {
  const { credential, idempotencyKey } = submission;
  const input = await prepareJob(env, submission);
  if (!input.ok) {
    const refused = await countRefusal(env, credential, input.error);
    if (idempotencyKey === null) return refused;
    const repeat = { idempotencyKey, bodyHash: fingerprint };
    return recallJob(env, credential, { repeat, otherwise: refused });
  }
  const { accountId, caller } = credential;
  const account = env.accounts.getByName(accountId);
  const answer = unpack(
    await account.submit(caller, pack({ ...input.value, bodyHash: fingerprint })),
  );
  return answer.ok ? findSubmitted(env, answer.value, accountId) : answer;
}
