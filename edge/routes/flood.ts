/**
 * A limit on all callers together: each isolate of the Worker lets in so many requests a second,
 * by one number in its own memory. No object is asked, so it costs nothing and cannot be a
 * bottleneck itself. Isolates do not know of one another: the whole service takes this many times
 * the isolates that the platform runs, and it is each isolate that is kept from drowning what is
 * behind it. Exact limits are those of accounts, keys and queues.
 */
import { createMiddleware } from 'hono/factory';
import { ISOLATE_REQUESTS_BURST_MAX, ISOLATE_REQUESTS_PER_S_MAX } from '#schema/limits.ts';
import { gcra } from '../core/gcra.ts';
import type { GcraLimit } from '../core/gcra.ts';
import type { AppEnv } from '../env.ts';
import { refuse } from './wire.ts';

const LIMIT: GcraLimit = {
  emissionIntervalMs: 1000 / ISOLATE_REQUESTS_PER_S_MAX,
  burst: ISOLATE_REQUESTS_BURST_MAX,
};

/** Refuses what comes too fast, whoever it is; `now` is epoch ms. */
export function limitFlood(limit: GcraLimit = LIMIT, now: () => number = Date.now) {
  let tat = 0;
  return createMiddleware<AppEnv>(async (_, next) => {
    const verdict = gcra(tat, now(), limit);
    tat = verdict.tat;
    if (!verdict.allowed) {
      refuse({
        code: 'rate_limited',
        message: 'The service is busy; try again soon.',
        details: { scope: 'global' },
        retryAfterMs: verdict.retryAfterMs,
      });
    }
    await next();
  });
}
