/** What an account is told of its new plan. */
import { PLANS } from '#schema/plan.ts';
import type { PlanId } from '#schema/plan.ts';
import { toTokens } from '#schema/price.ts';
import type { Reply } from '../../chat/message.ts';

/** The news of a plan that was granted or bought. */
export function planNews(planId: PlanId): Reply {
  const plan = PLANS[planId];
  const text = [
    { kind: 'bold', text: `Your plan is now ${plan.title}.` } as const,
    ` You have ${toTokens(plan.dailyMillitokens)} tokens a day, pictures up to ` +
      `${plan.sidePxMax}×${plan.sidePxMax}, ` +
      (planId === 'free' ? 'and my thanks.' : 'and your requests go before those of free users.'),
  ];
  const buttons = [[{ label: 'My plan', action: { kind: 'command', name: 'plan' } as const }]];
  return { text, buttons, media: [], isPrivate: true, ownerId: null };
}
