/**
 * A call with a time limit whose timer ends with the call: one that stays, as that of
 * `AbortSignal.timeout` does, would keep a Durable Object awake until then.
 */

/** Does `work` with a signal that aborts after so many milliseconds. */
export async function withDeadline<T>(
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error('no answer in time')), ms);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
  }
}
