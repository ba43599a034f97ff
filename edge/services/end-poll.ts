/** Ends a parked poll by a timer of the Worker: a Durable Object sets none. */
import { POLL_MARGIN_MS } from '#schema/limits.ts';

/**
 * The answer, or `nothing` when the poll is over. What the Scheduler answers later is lost and
 * given again: an agent names the leases it has with every call.
 */
export async function endPoll<T>(
  asked: Promise<T>,
  { waitMs, nothing }: { waitMs: number; nothing: NoInfer<T> },
): Promise<T> {
  if (waitMs === 0) return asked;
  let timer: ReturnType<typeof setTimeout> | null = null;
  const over = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(nothing), waitMs + POLL_MARGIN_MS);
  });
  try {
    return await Promise.race([asked, over]);
  } finally {
    clearTimeout(timer);
  }
}
