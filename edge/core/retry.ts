/** Backoff with full jitter (aws.amazon.com/builders-library, timeouts and jitter). */
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN } from '#schema/limits.ts';

/**
 * Wait before the next try, ms. `failures` counts from 1; `random` is in [0, 1): half of the
 * span is fixed, so that no try comes at once.
 */
export function backoffMs(failures: number, random: number): number {
  const span = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(failures - 1, 20));
  return Math.round(span / 2 + (span / 2) * random);
}
