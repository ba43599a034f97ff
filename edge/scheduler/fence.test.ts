import { runInDurableObject } from 'cloudflare:test';
import { expect, it } from 'vitest';
import { FENCE_KEEP_MS } from '#schema/limits.ts';
import { newPool, schedulerOf, stubOf } from '../test/world.ts';
import { Fences } from './fence.ts';

it('a fence is never lowered, and is forgotten when no offer can be on its way any more', async () => {
  await runInDurableObject(stubOf(schedulerOf(newPool())), (_, { storage }) => {
    const fences = new Fences(storage.sql);
    fences.raise('one', 5, 1000);
    fences.raise('one', 3, 1000);
    expect([4, 5, undefined].map((epoch) => fences.isPast('one', epoch))).toEqual([
      true,
      false,
      false,
    ]);
    expect(new Fences(storage.sql).isPast('one', 4)).toBe(true);
    fences.raise('other', 1, 1001 + FENCE_KEEP_MS);
    expect(fences.isPast('one', 4)).toBe(false);
    expect(fences.isPast('other', 0)).toBe(true);
  });
});
