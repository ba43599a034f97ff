/**
 * What several runs say: the median and how far they lie apart. A machine that others use too
 * gives no single true figure, so every figure of a benchmark is shown with its spread.
 */
import { assert } from '#schema/assert.ts';

/** Figures of repeated runs, in the runs' own unit. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
}

/**
 * The smallest value that at least this share of the values does not exceed (nearest rank).
 * `share` is above 0 and at most 1.
 */
export function percentile(values: readonly number[], share: number): number {
  assert(values.length > 0, 'a percentile needs a value');
  assert(share > 0 && share <= 1, 'a share is above 0 and at most 1');
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1]!;
}

/** Median (the mean of the middle two for an even count), smallest and largest. */
export function spread(values: readonly number[]): Spread {
  assert(values.length > 0, 'a spread needs a value');
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  const low = sorted[Math.ceil(half) - 1]!;
  const high = sorted[Math.floor(half)]!;
  return {
    median: (low + high) / 2,
    min: sorted[0]!,
    max: sorted.at(-1)!,
    runs: sorted.length,
  };
}
