/**
 * When an account's owner is told how the day's tokens stand: once a day that they are low, once
 * that they are used up. What is held counts as used. Whoever is told that nothing is left is not
 * told afterwards that little is.
 */
import { available } from './credit.ts';
import type { Credit } from './credit.ts';

/** What may be told of a day's tokens. */
export type QuotaEvent = 'tokens.low' | 'tokens.exhausted';

/** What was told last, and of which day. */
export interface QuotaTold {
  readonly day: string;
  readonly event: QuotaEvent;
}

/** Left when tokens are low: this share of the limit, or less. */
const LOW_SHARE = 0.2;

/** What is to be told now, or null; `wasRefused` when a job was just refused for want of tokens. */
export function findQuotaEvent(
  credit: Credit,
  limitMillitokens: number,
  { told, wasRefused }: { readonly told: QuotaTold | null; readonly wasRefused: boolean },
): QuotaEvent | null {
  const left = available(credit, limitMillitokens);
  if (left > (limitMillitokens + credit.grantedMillitokens) * LOW_SHARE) return null;
  const before = told?.day === credit.day ? told.event : null;
  if (before === 'tokens.exhausted') return null;
  // Few tokens that cover no job are none; a job that asks for too many says nothing of the rest.
  if (left === 0 || wasRefused) return 'tokens.exhausted';
  return before === 'tokens.low' ? null : 'tokens.low';
}
