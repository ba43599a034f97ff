/**
 * The request rate of an account: one number, kept with the account (core/gcra.ts), and what its
 * caller is told of it. A plan's requests of a minute may come at once.
 */
import { PLANS } from '#schema/plan.ts';
import type { PlanId } from '#schema/plan.ts';
import { gcra, perMinute } from '../core/gcra.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { AccessRefusal, RateState } from '../rpc/account.ts';

/** The number to keep, and how the rate stands with it. */
export interface Counted {
  readonly tat: number;
  readonly rate: RateState;
}

/** Counts one request at `now` (epoch ms), or refuses it. */
export function countRequest(
  plan: PlanId,
  tat: number,
  now: number,
): Result<Counted, AccessRefusal> {
  const { requestsPerMinute: limit } = PLANS[plan];
  const verdict = gcra(tat, now, perMinute(limit));
  const { remaining, resetMs, retryAfterMs } = verdict;
  const rate = { limit, remaining, resetMs };
  if (!verdict.allowed) return fail({ reason: 'rate_limited', retryAfterMs, rate });
  return ok({ tat: verdict.tat, rate });
}

/** Charges `count` requests more that were served already: later ones wait for them. */
export function chargeRequests(
  plan: PlanId,
  { tat, count, now }: { readonly tat: number; readonly count: number; readonly now: number },
): Counted {
  const { requestsPerMinute: limit } = PLANS[plan];
  const { emissionIntervalMs, burst } = perMinute(limit);
  const charged = Math.max(tat, now) + count * emissionIntervalMs;
  const resetMs = Math.ceil(charged - now);
  const remaining = Math.max(0, Math.floor(burst - (charged - now) / emissionIntervalMs + 1e-6));
  return { tat: charged, rate: { limit, remaining, resetMs } };
}
