/** How the day's tokens of an account stand. */
import type { Result } from '../core/result.ts';
import { ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { AccessRefusal, AccountState } from '../rpc/account.ts';
import type { Credential } from './authenticate.ts';

export async function readBalance(
  env: Env,
  { accountId, caller }: Credential,
): Promise<Result<AccountState, AccessRefusal>> {
  const state = await env.accounts.getByName(accountId).state(caller);
  return state.ok ? ok(state.value.account) : state;
}
