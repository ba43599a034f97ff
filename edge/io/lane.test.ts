import { expect, it } from 'vitest';
import { DELIVERIES_MAX } from '#schema/limits.ts';
import { inLanes } from './lane.ts';

it('does all work, so much at once as it may, and answers in the order of the items', async () => {
  let open = 0;
  let most = 0;
  const items = Array.from({ length: DELIVERIES_MAX * 3 + 1 }, (_, index) => index);
  const answers = await inLanes(items, async (item) => {
    open += 1;
    most = Math.max(most, open);
    for (let turn = 0; turn <= item % 3; turn += 1) await Promise.resolve();
    open -= 1;
    return item * 2;
  });
  expect(most).toBe(DELIVERIES_MAX);
  expect(answers).toEqual(items.map((item) => item * 2));
  expect(await inLanes([], async () => 1)).toEqual([]);
});
