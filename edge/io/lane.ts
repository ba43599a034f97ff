/**
 * A few calls at a time: what waits for many others side by side keeps the connections, and the
 * memory of their answers, within a bound.
 */
import { DELIVERIES_MAX } from '#schema/limits.ts';

/** Does `work` for each item, at most DELIVERIES_MAX at once; answers in their order. */
export async function inLanes<Item, T>(
  items: readonly Item[],
  work: (item: Item) => Promise<T>,
): Promise<T[]> {
  const done: T[] = [];
  const left = items.entries();
  const lane = async () => {
    // One iterator for all lanes: each takes the next item.
    for (const [index, item] of left) done[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(DELIVERIES_MAX, items.length) }, lane));
  return done;
}
