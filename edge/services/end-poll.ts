/** Waits for a parked poll by a timer of the Worker: the object that parked it sets none. */
import { POLL_MARGIN_MS } from '#schema/limits.ts';
import type { Poll } from '../rpc/scheduler.ts';

/**
 * The answer, or `nothing` when the poll is over. However the wait ends, the poll is given up;
 * when the client goes away the platform does that, so that no job is granted to nobody.
 */
export async function endPoll<T>(
  poll: Poll<T>,
  { waitMs, nothing }: { waitMs: number; nothing: NoInfer<T> },
): Promise<T> {
  if ('answer' in poll) return poll.answer;
  using parked = poll.parked;
  let timer: ReturnType<typeof setTimeout> | null = null;
  const over = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(nothing), waitMs + POLL_MARGIN_MS);
  });
  try {
    return await Promise.race([parked.wait(), over]);
  } finally {
    clearTimeout(timer);
  }
}
