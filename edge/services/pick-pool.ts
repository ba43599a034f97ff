/**
 * Which pool an account's jobs go to: rendezvous hashing, so that adding a pool moves only the
 * accounts that it takes over.
 */
import { assert } from '#schema/assert.ts';
import type { PoolId } from '#schema/id.ts';

/** The pool of an account, the same whenever asked with the same pools. */
export function pickPool(pools: readonly PoolId[], accountId: string): PoolId {
  let best: { pool: PoolId; weight: number } | null = null;
  for (const pool of pools) {
    const weight = hash(`${pool}:${accountId}`);
    if (!best || weight > best.weight || (weight === best.weight && pool < best.pool)) {
      best = { pool, weight };
    }
  }
  assert(best, 'there is a pool');
  return best.pool;
}

/** FNV-1a, 32 bits, with a final mix: neighbouring names must not order the same way. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
