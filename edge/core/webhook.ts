/**
 * What follows from a try to deliver a webhook: done, another try and when, given up, or an
 * endpoint that wants no more. Also when an endpoint counts as dead.
 * The waits between tries add up to two hours; each is varied by a fifth, so that what failed
 * together does not come back together.
 */
import type { TryFault } from '#schema/webhook.ts';
import {
  WEBHOOK_AGE_MS_MAX,
  WEBHOOK_DEAD_AFTER_FAILED,
  WEBHOOK_DEAD_AFTER_MS,
  WEBHOOK_RETRY_AFTER_MS_MAX,
  WEBHOOK_TRIES_MAX,
} from '#schema/webhook-limits.ts';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
/** Waits after the first try, the second, and so on. */
const WAITS_MS = [
  5 * SECOND_MS,
  15 * SECOND_MS,
  MINUTE_MS,
  3 * MINUTE_MS,
  7 * MINUTE_MS,
  14 * MINUTE_MS,
  23 * MINUTE_MS,
  30 * MINUTE_MS,
  42 * MINUTE_MS,
] as const;
/** Waits are varied by this share, up and down. */
const JITTER = 0.2;
/** After the resolver was away. */
const RESOLVER_WAIT_MS = 30 * SECOND_MS;

/** What came of one call. */
export type CallOutcome =
  | {
      readonly kind: 'answered';
      readonly statusCode: number;
      /** As the answer asked, or null. */
      readonly retryAfterMs: number | null;
    }
  | {
      readonly kind: 'unanswered';
      readonly fault: Exclude<TryFault, 'status' | 'redirect'>;
    };

/** What follows. */
export type Verdict =
  | { readonly kind: 'delivered' }
  /** The receiver said that it is gone for good. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'again'; readonly at: number }
  | { readonly kind: 'failed' };

/** A delivery as far as the verdict depends on it. */
export interface Tried {
  /** Tries that count, with the one just made. */
  readonly tries: number;
  /** When it was first due, or was asked for again. */
  readonly since: number;
}

/** Why a call did not deliver, or null when it did. */
export function faultOf(outcome: CallOutcome): TryFault | null {
  if (outcome.kind === 'unanswered') return outcome.fault;
  const { statusCode } = outcome;
  if (statusCode >= 200 && statusCode < 300) return null;
  return statusCode >= 300 && statusCode < 400 ? 'redirect' : 'status';
}

/** Whether the call used up a try: not when it was our resolver that failed. */
export function countsAsTry(outcome: CallOutcome): boolean {
  return outcome.kind === 'answered' || outcome.fault !== 'resolver_away';
}

/** What follows from a call. `random` is in [0, 1). */
export function judge(
  { tries, since }: Tried,
  outcome: CallOutcome,
  { now, random }: { now: number; random: number },
): Verdict {
  if (faultOf(outcome) === null) return { kind: 'delivered' };
  if (outcome.kind === 'answered' && outcome.statusCode === 410) return { kind: 'gone' };
  if (!countsAsTry(outcome)) {
    if (now - since >= WEBHOOK_AGE_MS_MAX) return { kind: 'failed' };
    return { kind: 'again', at: now + vary(RESOLVER_WAIT_MS, random) };
  }
  if (tries >= WEBHOOK_TRIES_MAX) return { kind: 'failed' };
  const waitMs = vary(WAITS_MS[tries - 1] ?? WAITS_MS.at(-1)!, random);
  return { kind: 'again', at: now + Math.max(waitMs, askedWaitMs(outcome)) };
}

/** Only these two say that the receiver would rather have it later (RFC 9110, RFC 6585). */
function askedWaitMs(outcome: CallOutcome): number {
  if (outcome.kind !== 'answered' || outcome.retryAfterMs === null) return 0;
  if (outcome.statusCode !== 429 && outcome.statusCode !== 503) return 0;
  return Math.min(outcome.retryAfterMs, WEBHOOK_RETRY_AFTER_MS_MAX);
}

function vary(ms: number, random: number): number {
  return Math.round(ms * (1 - JITTER + 2 * JITTER * random));
}

/** How an endpoint has fared since the last delivery that arrived. */
export interface EndpointHealth {
  /** Deliveries given up after all their tries. */
  readonly failed: number;
  /** The first try that failed, or null. */
  readonly failingSince: number | null;
}

export const HEALTHY: EndpointHealth = { failed: 0, failingSince: null };

/** How it fares after one more call. */
export function healthAfter(health: EndpointHealth, verdict: Verdict, now: number): EndpointHealth {
  if (verdict.kind === 'delivered') return HEALTHY;
  return {
    failed: health.failed + (verdict.kind === 'failed' ? 1 : 0),
    failingSince: health.failingSince ?? now,
  };
}

/** Whether nothing has arrived for so long, and so often, that it is not tried any more. */
export function isDead({ failed, failingSince }: EndpointHealth, now: number): boolean {
  if (failingSince === null || failed < WEBHOOK_DEAD_AFTER_FAILED) return false;
  return now - failingSince >= WEBHOOK_DEAD_AFTER_MS;
}
