/**
 * GCRA, the generic cell rate algorithm (ATM Forum TM 4.0; brandur.org/rate-limiting): one
 * number, the theoretical arrival time (TAT), tells whether a request conforms.
 * Times are epoch milliseconds.
 */
/** A rate and how much of it may come at once. */
export interface GcraLimit {
  /** Time one request uses up: 60000 / requests per minute. */
  readonly emissionIntervalMs: number;
  /** Requests that may come at once. */
  readonly burst: number;
}

/** What GCRA says of one request. */
export interface GcraVerdict {
  readonly allowed: boolean;
  /** The TAT to keep; unchanged when refused. */
  readonly tat: number;
  /** Requests that would be allowed right now. */
  readonly remaining: number;
  /** Until the full burst is there again. */
  readonly resetMs: number;
  /** Until one request would be allowed; 0 when it was. */
  readonly retryAfterMs: number;
}

/** The limit of so many requests a minute, with as many at once. */
export function perMinute(requests: number): GcraLimit {
  return { emissionIntervalMs: 60_000 / requests, burst: requests };
}

/** Judges one request at `now`. */
export function gcra(tat: number, now: number, limit: GcraLimit): GcraVerdict {
  const tolerance = limit.emissionIntervalMs * limit.burst;
  const start = Math.max(tat, now);
  const next = start + limit.emissionIntervalMs;
  const excess = next - tolerance - now;
  // A rounding error of doubles must not cost the last request of a burst.
  const allowed = excess <= 1e-6;
  const kept = allowed ? next : tat;
  const used = Math.max(kept, now) - now;
  return {
    allowed,
    tat: kept,
    remaining: Math.max(0, Math.floor((tolerance - used) / limit.emissionIntervalMs + 1e-6)),
    resetMs: Math.max(0, Math.ceil(used)),
    retryAfterMs: allowed ? 0 : Math.ceil(excess),
  };
}
