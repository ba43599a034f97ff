/** Shows an account to the operator, as its own object has it. */
import type { AccountProfileView } from '#schema/admin.ts';
import { toTokens } from '#schema/price.ts';
import type { Env } from '../env.ts';
import type { AccountProfile } from '../rpc/account.ts';
import { findIdentities } from './find-accounts.ts';
import { viewKey } from './view-key.ts';

/** The account, or null when there is none. */
export async function viewProfile(env: Env, accountId: string): Promise<AccountProfileView | null> {
  const profile = await env.accounts.getByName(accountId).profile();
  return profile && showProfile(env, profile);
}

/** Adds what only Postgres knows. */
export async function showProfile(
  env: Env,
  { state, ...profile }: AccountProfile,
): Promise<AccountProfileView> {
  const { limitMillitokens, spentMillitokens, heldMillitokens } = state;
  const available = Math.max(0, limitMillitokens - spentMillitokens - heldMillitokens);
  return {
    id: state.id,
    name: profile.name,
    plan: state.plan,
    plan_until: state.planUntil === null ? null : toIso(state.planUntil),
    plan_after: state.planUntil === null ? state.plan : state.planAfter,
    blocked: profile.blockReason !== null,
    block_reason: profile.blockReason,
    identities: await findIdentities(env, state.id),
    created_at: toIso(profile.createdAt),
    balance: {
      day: state.day,
      limit: toTokens(limitMillitokens),
      granted: toTokens(state.grantedMillitokens),
      spent: toTokens(spentMillitokens),
      held: toTokens(heldMillitokens),
      available: toTokens(available),
      renews_at: toIso(state.renewsAt),
    },
    jobs_open: state.jobsOpen,
    keys: profile.keys.map(viewKey),
    webhooks: profile.endpoints.map(({ id, url, events, disabled }) => {
      return { id, url, events: [...events], disabled };
    }),
  };
}

function toIso(ms: number): string {
  return new Date(ms).toISOString();
}
