/**
 * Does what the operator decided about an account. The Account audits it; of a new plan the user
 * is told where a bot was last in touch with them.
 */
import type { AccountProfileView } from '#schema/admin.ts';
import type { Env } from '../env.ts';
import type { Deed, Measure } from '../rpc/account.ts';
import { announcePlan } from './announce-plan.ts';
import { showProfile } from './view-profile.ts';

/** How the account stands then, or null when there is none. */
export async function administerAccount(
  env: Env,
  { accountId, measure }: { accountId: string; measure: Measure },
  deed: Deed,
): Promise<AccountProfileView | null> {
  const profile = await env.accounts.getByName(accountId).administer(measure, deed);
  if (!profile) return null;
  if (measure.kind === 'set_plan') {
    await announcePlan(env, { accountId, plan: measure.plan, key: deed.requestId });
  }
  return showProfile(env, profile);
}
