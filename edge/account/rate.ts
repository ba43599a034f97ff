/**
 * Request rates: one number each (core/gcra.ts), for the account by its plan and for a key that
 * has a rate of its own, and what the caller is told of them. A minute's requests may come at once.
 */
import { gcra, perMinute } from '../core/gcra.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { RateState } from '../rpc/account.ts';

/** The number to keep, and how the rate stands with it. */
export interface Counted {
  readonly tat: number;
  readonly rate: RateState;
}

/** When the next request would be let in, and how the rate stands. */
export interface OverRate {
  readonly retryAfterMs: number;
  readonly rate: RateState;
}

/** Counts one request at `now` (epoch ms) against `limit` a minute, or refuses it. */
export function admitRequest(limit: number, tat: number, now: number): Result<Counted, OverRate> {
  const verdict = gcra(tat, now, perMinute(limit));
  const { remaining, resetMs, retryAfterMs } = verdict;
  const rate = { limit, remaining, resetMs };
  return verdict.allowed ? ok({ tat: verdict.tat, rate }) : fail({ retryAfterMs, rate });
}

/** Charges `count` requests more that were served already: later ones wait for them. */
export function chargeRequests(
  limit: number,
  { tat, count, now }: { readonly tat: number; readonly count: number; readonly now: number },
): Counted {
  const { emissionIntervalMs, burst } = perMinute(limit);
  const charged = Math.max(tat, now) + count * emissionIntervalMs;
  const resetMs = Math.ceil(charged - now);
  const remaining = Math.max(0, Math.floor(burst - (charged - now) / emissionIntervalMs + 1e-6));
  return { tat: charged, rate: { limit, remaining, resetMs } };
}

/** Of two rates the one that is nearer to its end: it is the one to tell. */
export function narrower(one: RateState, other: RateState | null): RateState {
  return other !== null && other.remaining <= one.remaining ? other : one;
}
