/**
 * Does what the operator decided about an account. The Account audits it; of a new plan the user
 * is told where a bot was last in touch with them.
 */
import type { AccountProfileView } from '#schema/admin.ts';
import type { Env } from '../env.ts';
import { ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import type { Deed, Measure, MeasureRefusal } from '../rpc/account.ts';
import { announcePlan } from './announce-plan.ts';
import { showProfile } from './view-profile.ts';

/** How the account stands then. */
export async function administerAccount(
  env: Env,
  { accountId, measure }: { accountId: string; measure: Measure },
  deed: Deed,
): Promise<Result<AccountProfileView, MeasureRefusal>> {
  const profile = await env.accounts.getByName(accountId).administer(measure, deed);
  if (!profile.ok) return profile;
  if (measure.kind === 'set_plan') {
    await announcePlan(env, { accountId, plan: measure.plan, key: deed.requestId });
  }
  return ok(await showProfile(env, profile.value));
}
