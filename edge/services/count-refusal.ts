/**
 * A request that cannot be a job is told why only to whoever may submit one, at the price of a
 * request: the Account, which counts the others, never hears of it otherwise.
 */
import type { Result } from '../core/result.ts';
import { fail } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { RateState } from '../rpc/account.ts';
import { authenticate } from './authenticate.ts';
import type { Credential } from './authenticate.ts';
import type { PrepareRefusal } from './prepare-job.ts';

/** The refusal, with how the rate stands; or why the caller opens nothing. */
export async function countRefusal(
  env: Env,
  credential: Credential,
  refusal: PrepareRefusal,
): Promise<Result<never, PrepareRefusal & { readonly rate?: RateState }>> {
  if (isCounted(refusal)) return fail(refusal);
  const access = await authenticate(env, credential, 'jobs:write');
  return access.ok ? fail({ ...refusal, rate: access.value.rate }) : access;
}

/** The Account has spoken, or was asked before the words were judged. */
function isCounted({ reason }: PrepareRefusal): boolean {
  switch (reason) {
    case 'unauthorized':
    case 'key_expired':
    case 'account_blocked':
    case 'plan_required':
    case 'scope_required':
    case 'rate_limited':
    case 'content_blocked':
      return true;
    case 'unknown_model':
    case 'unsupported_parameter':
    case 'over_model_limit':
    case 'unknown_file':
    case 'webhook_refused':
    case 'not_offered':
    case 'empty_text':
    case 'moderation_unavailable':
      return false;
  }
}
