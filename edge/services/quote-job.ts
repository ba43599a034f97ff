/** A dry run: what a job would cost, whether it would be accepted now, when it would start. */
import type { Result } from '../core/result.ts';
import { ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { Quote, SubmitInput } from '../rpc/account.ts';
import { countRefusal } from './count-refusal.ts';
import { prepareJob } from './prepare-job.ts';
import type { PrepareRefusal, SubmitRequest } from './prepare-job.ts';

/** Submits nothing and holds nothing. */
export async function quoteJob(
  env: Env,
  submission: SubmitRequest,
): Promise<Result<{ quote: Quote; input: SubmitInput }, PrepareRefusal>> {
  const input = await prepareJob(env, submission);
  if (!input.ok) return countRefusal(env, submission.credential, input.error);
  const { accountId, caller } = submission.credential;
  const quote = await env.accounts.getByName(accountId).quote(caller, input.value);
  return quote.ok ? ok({ quote: quote.value, input: input.value }) : quote;
}
