import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { percentile, spread } from './sample.ts';

// No -0: it equals 0 and is not the same.
const values = fc.array(
  fc.double({ noNaN: true, min: -1e9, max: 1e9 }).map((value) => value + 0),
  {
    minLength: 1,
    maxLength: 200,
  },
);

describe('percentile', () => {
  it.each([
    { of: [3, 1, 2], share: 0.5, is: 2 },
    { of: [1, 2, 3, 4], share: 0.5, is: 2 },
    { of: [1, 2, 3, 4], share: 0.51, is: 3 },
    { of: [5], share: 0.99, is: 5 },
    { of: Array.from({ length: 100 }, (_, n) => n + 1), share: 0.99, is: 99 },
    { of: Array.from({ length: 200 }, (_, n) => n + 1), share: 1, is: 200 },
  ])('takes the nearest rank: $share is $is', ({ of, share, is }) => {
    expect(percentile(of, share)).toBe(is);
  });

  it('is one of the values, which at least that share does not exceed', () => {
    fc.assert(
      fc.property(values, fc.double({ min: 0.001, max: 1, noNaN: true }), (of, share) => {
        const found = percentile(of, share);
        expect(of).toContain(found);
        const below = of.filter((value) => value <= found).length;
        expect(below).toBeGreaterThanOrEqual(Math.ceil(share * of.length));
      }),
    );
  });

  it('refuses an empty list and a share outside of its range', () => {
    expect(() => percentile([], 0.5)).toThrow('needs a value');
    expect(() => percentile([1], 0)).toThrow('share');
    expect(() => percentile([1], 1.1)).toThrow('share');
  });
});

describe('spread', () => {
  it.each([
    { of: [9], is: { median: 9, min: 9, max: 9, runs: 1 } },
    { of: [4, 1, 9], is: { median: 4, min: 1, max: 9, runs: 3 } },
    { of: [4, 1, 9, 6], is: { median: 5, min: 1, max: 9, runs: 4 } },
  ])('has the median of $of in the middle', ({ of, is }) => {
    expect(spread(of)).toEqual(is);
  });

  it('lies within its ends whatever the order', () => {
    fc.assert(
      fc.property(values, (of) => {
        const { median, min, max } = spread(of);
        expect(median).toBeGreaterThanOrEqual(min);
        expect(median).toBeLessThanOrEqual(max);
        expect(spread(of.toReversed())).toEqual({ median, min, max, runs: of.length });
      }),
    );
  });
});
