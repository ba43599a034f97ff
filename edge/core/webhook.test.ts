import { describe, expect, it } from 'vitest';
import { DAY_MS } from '#schema/limits.ts';
import {
  WEBHOOK_DEAD_AFTER_FAILED,
  WEBHOOK_RETRY_AFTER_MS_MAX,
  WEBHOOK_TRIES_MAX,
} from '#schema/webhook-limits.ts';
import { faultOf, healthAfter, HEALTHY, isDead, judge } from './webhook.ts';
import type { CallOutcome, EndpointHealth } from './webhook.ts';

const NOW = 1_000_000_000_000;

function answered(statusCode: number, retryAfterMs: number | null = null): CallOutcome {
  return { kind: 'answered', statusCode, retryAfterMs };
}

/** The wait after the given number of tries, ms. */
function waitAfter(tries: number, outcome: CallOutcome, random = 0.5): number {
  const verdict = judge({ tries, since: NOW }, outcome, { now: NOW, random });
  if (verdict.kind !== 'again') throw new Error(verdict.kind);
  return verdict.at - NOW;
}

describe('a call', () => {
  it.each([200, 201, 202, 204, 299])('that is answered with %i has delivered', (statusCode) => {
    expect(faultOf(answered(statusCode))).toBeNull();
    const verdict = judge({ tries: 1, since: NOW }, answered(statusCode), { now: NOW, random: 0 });
    expect(verdict).toEqual({ kind: 'delivered' });
  });

  it.each([
    [301, 'redirect'],
    [302, 'redirect'],
    [308, 'redirect'],
    [100, 'status'],
    [400, 'status'],
    [401, 'status'],
    [404, 'status'],
    [429, 'status'],
    [500, 'status'],
    [503, 'status'],
  ])('that is answered with %i is made again (%s)', (statusCode, fault) => {
    expect(faultOf(answered(statusCode))).toBe(fault);
    expect(waitAfter(1, answered(statusCode))).toBeGreaterThan(0);
  });

  it('that is answered with 410 finds nobody, at the first try', () => {
    const verdict = judge({ tries: 1, since: NOW }, answered(410), { now: NOW, random: 0 });
    expect(verdict).toEqual({ kind: 'gone' });
  });

  it.each(['timeout', 'connection', 'unresolved', 'refused_address'] as const)(
    'that is not answered (%s) is made again',
    (fault) => expect(waitAfter(3, { kind: 'unanswered', fault })).toBeGreaterThan(0),
  );
});

describe('the waits between ten tries', () => {
  const failed = answered(500);
  const waits = (random: number) =>
    Array.from({ length: WEBHOOK_TRIES_MAX - 1 }, (_, index) =>
      waitAfter(index + 1, failed, random),
    );
  const sum = (numbers: number[]) => numbers.reduce((all, one) => all + one, 0);

  it('add up to about two hours', () => {
    const HOUR_MS = 3_600_000;
    expect(sum(waits(0.5)) / HOUR_MS).toBeCloseTo(2, 1);
    expect(sum(waits(0)) / HOUR_MS).toBeCloseTo(1.6, 1);
    expect(sum(waits(0.999999)) / HOUR_MS).toBeCloseTo(2.4, 1);
  });

  it('only grow', () => {
    const middle = waits(0.5);
    expect(middle).toEqual(middle.toSorted((a, b) => a - b));
  });

  it('end with the tenth', () => {
    const tried = { tries: WEBHOOK_TRIES_MAX, since: NOW };
    expect(judge(tried, failed, { now: NOW, random: 0 })).toEqual({ kind: 'failed' });
  });

  it.each([429, 503])('are as long as a %i asks, within a bound', (statusCode) => {
    expect(waitAfter(1, answered(statusCode, 600_000))).toBe(600_000);
    expect(waitAfter(9, answered(statusCode, 1000))).toBe(waitAfter(9, failed));
    expect(waitAfter(1, answered(statusCode, 10 * DAY_MS))).toBe(WEBHOOK_RETRY_AFTER_MS_MAX);
  });

  it('do not heed Retry-After of other answers', () => {
    expect(waitAfter(1, answered(500, 600_000))).toBe(waitAfter(1, failed));
  });
});

describe('a call for which our resolver was away', () => {
  const away: CallOutcome = { kind: 'unanswered', fault: 'resolver_away' };

  it('uses up no try, however many there were', () => {
    const tried = { tries: WEBHOOK_TRIES_MAX, since: NOW };
    expect(judge(tried, away, { now: NOW + 1, random: 0 })).toMatchObject({ kind: 'again' });
  });

  it('is not made for longer than a day', () => {
    const verdict = judge({ tries: 0, since: NOW }, away, { now: NOW + DAY_MS, random: 0 });
    expect(verdict).toEqual({ kind: 'failed' });
  });
});

describe('an endpoint', () => {
  const AGAIN = { kind: 'again', at: 0 } as const;
  const FAILED = { kind: 'failed' } as const;

  /** After so many deliveries that were given up, the first try of which failed at NOW. */
  function failing(count: number): EndpointHealth {
    let health = healthAfter(HEALTHY, AGAIN, NOW);
    for (let made = 0; made < count; made += 1) health = healthAfter(health, FAILED, NOW + made);
    return health;
  }

  it('is dead after five deliveries that were given up, over a day', () => {
    const health = failing(WEBHOOK_DEAD_AFTER_FAILED);
    expect(isDead(health, NOW + DAY_MS)).toBe(true);
  });

  it('is not dead after four, or within a day', () => {
    expect(isDead(failing(WEBHOOK_DEAD_AFTER_FAILED - 1), NOW + 30 * DAY_MS)).toBe(false);
    expect(isDead(failing(WEBHOOK_DEAD_AFTER_FAILED * 10), NOW + DAY_MS - 1)).toBe(false);
    expect(isDead(HEALTHY, NOW)).toBe(false);
  });

  it('is as new after one delivery that arrived', () => {
    const health = healthAfter(failing(50), { kind: 'delivered' }, NOW + DAY_MS);
    expect(health).toEqual(HEALTHY);
  });
});
