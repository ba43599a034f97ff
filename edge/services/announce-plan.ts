/** Tells the user of an account of a new plan, by the bot that was last in touch with them. */
import type { PlanId } from '#schema/plan.ts';
import type { Env } from '../env.ts';
import { inLanes } from '../io/lane.ts';
import { logWarn } from '../io/log.ts';

/**
 * `key` names this grant: the same is told once. False when no bot knows the account, or when
 * those that may do not answer: news of a plan is worth no repeat, `/plan` says the same.
 */
export async function announcePlan(
  env: Env,
  { accountId, plan, key }: { accountId: string; plan: PlanId; key: string },
): Promise<boolean> {
  const couriers = [...env.bots.keys()].map((id) => env.botCouriers.getByName(id));
  try {
    const meetings = await inLanes(couriers, async (courier) => ({
      courier,
      at: (await courier.meeting(accountId))?.at ?? null,
    }));
    const last = meetings
      .filter(({ at }) => at !== null)
      .toSorted((a, b) => (b.at ?? 0) - (a.at ?? 0))[0];
    return (await last?.courier.announce(accountId, plan, key)) ?? false;
  } catch (error) {
    logWarn('plan.announce', { account_id: accountId, message: String(error) });
    return false;
  }
}
