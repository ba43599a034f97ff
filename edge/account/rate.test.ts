import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PLANS } from '#schema/plan.ts';
import { chargeRequests, admitRequest } from './rate.ts';

const NOW = 1_800_000_000_000;
const { requestsPerMinute } = PLANS.pro;

describe('a charge', () => {
  it('is as many requests as were counted one by one, while the rate allows them', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: requestsPerMinute }),
        fc.integer({ min: -60_000, max: 0 }),
        (count, agoMs) => {
          let one = {
            tat: NOW + agoMs,
            rate: chargeRequests(requestsPerMinute, { tat: 0, count: 0, now: NOW }).rate,
          };
          for (let done = 0; done < count; done += 1) {
            const counted = admitRequest(requestsPerMinute, one.tat, NOW);
            if (!counted.ok) throw new Error('the rate allows so many');
            one = counted.value;
          }
          const charged = chargeRequests(requestsPerMinute, { tat: NOW + agoMs, count, now: NOW });
          expect(charged.rate.remaining).toBe(one.rate.remaining);
          expect(Math.abs(charged.rate.resetMs - one.rate.resetMs)).toBeLessThanOrEqual(1);
          expect(charged.tat).toBeCloseTo(Math.max(one.tat, NOW), 0);
        },
      ),
    );
  });

  it('beyond what is left makes later requests wait for it', () => {
    const count = requestsPerMinute * 2;
    const { tat, rate } = chargeRequests(requestsPerMinute, { tat: NOW, count, now: NOW });
    expect(rate.remaining).toBe(0);
    const refused = admitRequest(requestsPerMinute, tat, NOW);
    expect(refused).toMatchObject({ ok: false, error: { rate: { remaining: 0 } } });
    const retryAfterMs = refused.ok ? 0 : refused.error.retryAfterMs;
    expect(admitRequest(requestsPerMinute, tat, NOW + retryAfterMs - 1).ok).toBe(false);
    expect(admitRequest(requestsPerMinute, tat, NOW + retryAfterMs).ok).toBe(true);
  });
});
