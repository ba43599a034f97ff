/**
 * Fairness between the accounts of a tier: start-time fair queueing on GPU time (Goyal, Vin and
 * Cheng 1996). A job's tag is the later of its tier's virtual time and the end of its account's
 * share so far; lines are in the order of tags. An account with one waiting job is served in the
 * order of arrival, and a hundred jobs of one account let others in between.
 * Virtual time is the service that the tier was given, in ms of the whole pool, and never behind
 * its head: an account is set back for what it takes beyond half of that, not for ever.
 */
import type { JobOrder } from '#schema/record.ts';
import { serviceMsOf } from './figures.ts';
import { onlineCount } from './online.ts';
import type { QueueState } from './state.ts';

/** The share of what its tier is given that an account has before its jobs are set back. */
export const FAIR_SHARE = 0.5;

/** Where a job stands among those of its tier, and how far behind it the next of its account. */
export function fairTags(
  state: QueueState,
  order: JobOrder,
  now: number,
): { readonly tag: number; readonly spanMs: number } {
  const { accountId, tier, spec, heldMillitokens: millitokens } = order;
  const ownTag = state.accounts.get(accountId)?.finishTag ?? 0;
  const tag = Math.max(state.virtualTime[tier], ownTag);
  const serviceMs = serviceMsOf(state.figures, { model: spec.model, millitokens });
  return { tag, spanMs: Math.round(serviceMs / (FAIR_SHARE * onlineCount(state, now))) };
}
