/** Shows the account of a key: plan, the day's balance, limits. */
import type { AccountView } from '#schema/api.ts';
import { PLANS } from '#schema/plan.ts';
import { toTokens } from '#schema/price.ts';
import type { Result } from '../core/result.ts';
import { ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { AccessRefusal, AccountState, KeyState, Principal } from '../rpc/account.ts';
import type { Credential } from './authenticate.ts';
import { viewKey } from './view-key.ts';

/** Verifies the key and reads the state in one call of the Account. */
export async function viewAccount(
  env: Env,
  credential: Credential,
): Promise<Result<{ principal: Principal; view: AccountView }, AccessRefusal>> {
  const account = env.accounts.getByName(credential.accountId);
  const state = await account.state(credential.caller);
  if (!state.ok) return state;
  const { principal, account: found, key } = state.value;
  return ok({ principal, view: toView(found, key) });
}

function toView(account: AccountState, key: KeyState | null): AccountView {
  const plan = PLANS[account.plan];
  const { limitMillitokens, spentMillitokens, heldMillitokens } = account;
  return {
    id: account.id,
    plan: plan.id,
    plan_until: account.planUntil === null ? null : new Date(account.planUntil).toISOString(),
    tier: plan.tier,
    balance: {
      day: account.day,
      limit: toTokens(limitMillitokens),
      granted: toTokens(account.grantedMillitokens),
      spent: toTokens(spentMillitokens),
      held: toTokens(heldMillitokens),
      available: toTokens(Math.max(0, limitMillitokens - spentMillitokens - heldMillitokens)),
      renews_at: new Date(account.renewsAt).toISOString(),
    },
    limits: {
      requests_per_minute: plan.requestsPerMinute,
      jobs_open: plan.jobsOpenMax,
      side_px: plan.sidePxMax,
      keys: plan.keysMax,
      webhooks: plan.webhooksMax,
    },
    jobs_open: account.jobsOpen,
    key: key && viewKey(key),
  };
}
