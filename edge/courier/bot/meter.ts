/**
 * How a bot fares: what it called, what failed, and how near its limits it is. Counted in memory
 * since the courier last started: a scrape reads rates, and a restart is a reset like any other.
 */
import type { BotHealth } from '#schema/bot.ts';
import { BOT_BUSY_MS } from '#schema/limits.ts';
import type { ChatFault } from '../../core/fault.ts';
import type { BotFigures } from '../../rpc/courier.ts';
import type { GivenUp } from './store.ts';

const MINUTE_MS = 60_000;
/** Calls in a row that the platform did not answer before the bot counts as failing. */
const FAILING_STREAK = 3;

/** How long results take from their end to their chat, seconds. */
const DELAY_BOUNDS_S = [0.25, 0.5, 1, 2, 5, 10, 30, 60, 300] as const;

/** What the courier knows of itself beside its counts. */
export interface Situation {
  readonly now: number;
  /** Share of the burst that is used up, 0 to 1, and the calls that a minute has room for. */
  readonly burstUsed: number;
  readonly callsPerMinute: number;
  readonly waiting: number;
  readonly oldestSince: number | null;
  readonly limitedUntil: number | null;
  readonly failures: readonly GivenUp[];
}

export class Meter {
  #calls = 0;
  #sends = 0;
  #failures = 0;
  #rateLimited = 0;
  #delivered = 0;
  #givenUp = 0;
  #toldToWaitMs = 0;
  #delayMs = 0;
  /** By the bound that the delay is within; the last is for what is beyond all. */
  readonly #delays: number[] = Array.from({ length: DELAY_BOUNDS_S.length + 1 }, () => 0);
  #streak = 0;
  #minute = { start: 0, calls: 0, before: 0 };

  /** Calls in a row that the platform did not answer. */
  get streak(): number {
    return this.#streak;
  }

  countCall(fault: ChatFault | null, now: number): void {
    this.#turnTo(now);
    this.#calls += 1;
    this.#minute.calls += 1;
    if (fault === null || fault.reason === 'unchanged') this.#sends += 1;
    if (fault?.reason === 'rate_limited') {
      this.#rateLimited += 1;
      this.#toldToWaitMs += fault.retryAfterMs;
    }
    const isAway =
      fault?.reason === 'unanswered' ||
      fault?.reason === 'platform_failed' ||
      fault?.reason === 'token_refused';
    this.#streak = isAway ? this.#streak + 1 : 0;
    if (isAway) this.#failures += 1;
  }

  /** A result stands in its chat, so long after its job's end. */
  countDelivered(ms: number): void {
    this.#delivered += 1;
    this.#delayMs += ms;
    const index = DELAY_BOUNDS_S.findIndex((bound) => ms <= bound * 1000);
    this.#delays[index < 0 ? DELAY_BOUNDS_S.length : index]! += 1;
  }

  /** What health leaves out. */
  figures(): Omit<BotFigures, 'health' | 'waiting'> {
    return {
      sends: this.#sends,
      toldToWaitMs: this.#toldToWaitMs,
      delay: { boundsS: DELAY_BOUNDS_S, counts: [...this.#delays], sumMs: this.#delayMs },
    };
  }

  countGivenUp(): void {
    this.#givenUp += 1;
  }

  health(at: Situation): BotHealth {
    this.#turnTo(at.now);
    const { calls, before, start } = this.#minute;
    const oldMs = Math.max(0, MINUTE_MS - (at.now - start));
    const waitMs = at.oldestSince === null ? 0 : at.now - at.oldestSince;
    const lastMinute = calls + Math.round((before * oldMs) / MINUTE_MS);
    return {
      status: this.#status(waitMs, at.limitedUntil),
      load: Math.min(1, Math.max(at.burstUsed, lastMinute / at.callsPerMinute)),
      waiting: at.waiting,
      oldest_wait_s: waitMs / 1000,
      calls_last_minute: lastMinute,
      limited_until: at.limitedUntil === null ? null : new Date(at.limitedUntil).toISOString(),
      calls: this.#calls,
      failures: this.#failures,
      rate_limited: this.#rateLimited,
      delivered: this.#delivered,
      given_up: this.#givenUp,
      last_given_up: at.failures.map(({ at: failedAt, slot, reason }) => ({
        at: new Date(failedAt).toISOString(),
        slot,
        reason,
      })),
    };
  }

  #status(waitMs: number, limitedUntil: number | null): BotHealth['status'] {
    if (this.#streak >= FAILING_STREAK) return 'failing';
    if (limitedUntil !== null) return 'limited';
    return waitMs > BOT_BUSY_MS ? 'busy' : 'ok';
  }

  #turnTo(now: number): void {
    const past = now - this.#minute.start;
    if (past < MINUTE_MS) return;
    const before = past < 2 * MINUTE_MS ? this.#minute.calls : 0;
    this.#minute = { start: now - (past % MINUTE_MS), calls: 0, before };
  }
}
