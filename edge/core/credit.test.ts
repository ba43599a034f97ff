import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DAY_MS } from '#schema/limits.ts';
import {
  available,
  endHold,
  grant,
  newDay,
  placeHold,
  renewalAfter,
  rollTo,
  utcDay,
} from './credit.ts';
import type { Credit, Hold } from './credit.ts';

const LIMIT = 20_000;

describe('days', () => {
  it('are those of the calendar, in UTC', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8_000_000_000_000 }), (now) => {
        expect(utcDay(now)).toBe(new Date(now).toISOString().slice(0, 10));
        const renewsAt = renewalAfter(now);
        expect(renewsAt).toBeGreaterThan(now);
        expect(utcDay(renewsAt)).not.toBe(utcDay(now));
        expect(utcDay(renewsAt - 1)).toBe(utcDay(now));
      }),
    );
  });

  it('start with nothing spent, and a clock that steps back gives nothing anew', () => {
    const credit = { ...newDay('2026-11-22'), spentMillitokens: 5, heldMillitokens: 7 };
    expect(rollTo(grant(credit, 9), '2026-11-23')).toEqual({
      day: '2026-11-23',
      spentMillitokens: 0,
      heldMillitokens: 0,
      grantedMillitokens: 0,
    });
    expect(rollTo(credit, '2026-11-21')).toBe(credit);
  });
});

describe('holds', () => {
  it('are placed up to the last millitoken and not beyond', () => {
    const credit = { ...newDay('2026-11-22'), spentMillitokens: 19_000, heldMillitokens: 500 };
    expect(placeHold(credit, 500, LIMIT)?.heldMillitokens).toBe(1000);
    expect(placeHold(credit, 501, LIMIT)).toBeNull();
  });

  it('of yesterday do not count today', () => {
    const today = { ...newDay('2026-11-22'), spentMillitokens: 10, heldMillitokens: 20 };
    expect(endHold(today, { day: '2026-11-21', heldMillitokens: 900 }, 900)).toBe(today);
  });

  it('of a day whose limit has fallen leave nothing, not less', () => {
    const credit = { ...newDay('2026-11-22'), spentMillitokens: LIMIT };
    expect(available(credit, LIMIT / 2)).toBe(0);
    expect(placeHold(credit, 1, LIMIT / 2)).toBeNull();
  });

  it('never let spent and held pass the limit and what was granted, in any order', () => {
    const step = fc.record({
      kind: fc.constantFrom('place', 'place', 'place', 'end', 'end', 'grant'),
      amount: fc.integer({ min: 1, max: 8000 }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      waitMs: fc.constantFrom(0, 0, 0, DAY_MS / 2),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        let now = 0;
        let credit: Credit = newDay(utcDay(0));
        let granted = 0;
        const open: Hold[] = [];
        for (const { kind, amount, share, waitMs } of steps) {
          now += waitMs;
          if (utcDay(now) !== credit.day) granted = 0;
          credit = rollTo(credit, utcDay(now));
          if (kind === 'place') {
            const placed = placeHold(credit, amount, LIMIT);
            expect(placed === null).toBe(amount > available(credit, LIMIT));
            if (placed) {
              credit = placed;
              open.push({ day: credit.day, heldMillitokens: amount });
            }
          } else if (kind === 'grant') {
            const before = available(credit, LIMIT);
            credit = grant(credit, amount);
            granted += amount;
            expect(available(credit, LIMIT)).toBe(before + amount);
          } else {
            const hold = open.shift();
            if (hold) credit = endHold(credit, hold, Math.floor(hold.heldMillitokens * share));
          }
          const today = open.filter((hold) => hold.day === credit.day);
          const held = today.reduce((sum, hold) => sum + hold.heldMillitokens, 0);
          expect(credit.heldMillitokens).toBe(held);
          expect(credit.spentMillitokens + held).toBeLessThanOrEqual(LIMIT + granted);
        }
      }),
    );
  });
});
