import { expect, it } from 'vitest';
import { grant, newDay } from './credit.ts';
import { findQuotaEvent } from './quota.ts';
import type { QuotaEvent } from './quota.ts';

const LIMIT = 20_000;
const TODAY = '2026-11-22';
const used = (millitokens: number) => ({ ...newDay(TODAY), heldMillitokens: millitokens });

it.each<[string, number, QuotaEvent | null, boolean, QuotaEvent | null]>([
  ['nothing while more than a fifth is left', 15_999, null, false, null],
  ['nothing when a job asks for more than a good rest', 15_999, null, true, null],
  ['that tokens are low at a fifth', 16_000, null, false, 'tokens.low'],
  ['that once a day', 17_000, 'tokens.low', false, null],
  ['that nothing is left', 20_000, 'tokens.low', false, 'tokens.exhausted'],
  ['at once that nothing is left', 20_000, null, false, 'tokens.exhausted'],
  ['that a small rest covers no job', 19_900, 'tokens.low', true, 'tokens.exhausted'],
  ['that once a day too', 20_000, 'tokens.exhausted', true, null],
  ['no lesser news after it', 16_500, 'tokens.exhausted', false, null],
])('tells %s', (_, spent, event, wasRefused, expected) => {
  const told = event && { day: TODAY, event };
  expect(findQuotaEvent(used(spent), LIMIT, { told, wasRefused })).toBe(expected);
});

it('tells a new day anew', () => {
  const told = { day: '2026-11-21', event: 'tokens.exhausted' } as const;
  expect(findQuotaEvent(used(16_000), LIMIT, { told, wasRefused: false })).toBe('tokens.low');
});

it('counts what was granted', () => {
  const nothing = { told: null, wasRefused: false };
  expect(findQuotaEvent(grant(used(16_000), 10_000), LIMIT, nothing)).toBeNull();
  expect(findQuotaEvent(grant(used(24_000), 10_000), LIMIT, nothing)).toBe('tokens.low');
});
