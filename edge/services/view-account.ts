/** Shows the account of a key: plan, the day's balance, limits. */
import type { AccountView } from '#schema/api.ts';
import { PLANS } from '#schema/plan.ts';
import { toTokens } from '#schema/price.ts';
import type { Result } from '../core/result.ts';
import { ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { AccessRefusal, AccountState, Principal } from '../rpc/account.ts';
import type { Credential } from './authenticate.ts';

/** Verifies the key and reads the state in one call of the Account. */
export async function viewAccount(
  env: Env,
  credential: Credential,
): Promise<Result<{ principal: Principal; view: AccountView }, AccessRefusal>> {
  const account = env.accounts.getByName(credential.accountId);
  const state = await account.state(credential.caller);
  if (!state.ok) return state;
  return ok({ principal: state.value.principal, view: toView(state.value.account) });
}

function toView(account: AccountState): AccountView {
  const plan = PLANS[account.plan];
  const { limitMillitokens, spentMillitokens, heldMillitokens } = account;
  return {
    id: account.id,
    plan: plan.id,
    tier: plan.tier,
    balance: {
      day: account.day,
      limit: toTokens(limitMillitokens),
      spent: toTokens(spentMillitokens),
      held: toTokens(heldMillitokens),
      available: toTokens(Math.max(0, limitMillitokens - spentMillitokens - heldMillitokens)),
      renews_at: new Date(account.renewsAt).toISOString(),
    },
    limits: {
      requests_per_minute: plan.requestsPerMinute,
      jobs_open: plan.jobsOpenMax,
      side_px: plan.sidePxMax,
    },
    jobs_open: account.jobsOpen,
  };
}
