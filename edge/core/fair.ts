/**
 * Fairness between the accounts of a tier: start-time fair queueing on GPU time (Goyal, Vin and
 * Cheng 1996). A job's tag is the latest of now, the tag granted last, and the end of its
 * account's share so far; lines are in the order of tags. An account with one waiting job is
 * served in the order of arrival, and a hundred jobs of one account let others in between.
 * Tags are epoch milliseconds: an account is never set back behind those that came after the
 * time in which half of the pool would have done its work.
 */
import type { JobOrder } from '#schema/record.ts';
import { serviceMsOf } from './figures.ts';
import { onlineCount } from './online.ts';
import type { QueueState } from './state.ts';

/** The share of the pool that an account has before its jobs are set back. */
const SHARE = 0.5;

/** Where a job stands among those of its tier, and how far behind it the next of its account. */
export function fairTags(
  state: QueueState,
  order: JobOrder,
  now: number,
): { readonly tag: number; readonly spanMs: number } {
  const { accountId, tier, spec, heldMillitokens: millitokens } = order;
  const ownTag = state.accounts.get(accountId)?.finishTag ?? 0;
  const tag = Math.round(Math.max(now, state.virtualTime[tier], ownTag));
  const serviceMs = serviceMsOf(state.figures, { model: spec.model, millitokens });
  return { tag, spanMs: Math.round(serviceMs / (SHARE * onlineCount(state, now))) };
}
