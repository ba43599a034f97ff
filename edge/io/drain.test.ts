import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BACKOFF_MS_MAX, DELIVERY_CHECK_MS } from '#schema/limits.ts';
import { Drain } from './drain.ts';

const real = Date.now;
let now = 0;

beforeEach(() => {
  now = 1000;
  Date.now = () => now;
});
afterEach(() => {
  Date.now = real;
});

/** A drain of these items, whose deliveries a test plays. */
function testDrain(items: number[], deliver: () => Promise<void>) {
  const failures: unknown[] = [];
  const source = {
    next: () => items.slice(0, 2),
    deliver,
    remove: (batch: readonly number[]) => void items.splice(0, batch.length),
    onFailure: (error: unknown) => failures.push(error),
  };
  return { drain: new Drain(source, items.length > 0), items, failures };
}

describe('a drain', () => {
  it('delivers batch after batch, and then needs nothing', async () => {
    const { drain, items } = testDrain([1, 2, 3], async () => {});
    await drain.run();
    expect(items).toEqual([]);
    expect(drain.nextAt()).toBeNull();
    drain.fill();
    expect(drain.nextAt()).toBe(now + DELIVERY_CHECK_MS);
  });

  it('keeps what failed, and waits before it tries again', async () => {
    const { drain, items, failures } = testDrain([1], () => Promise.reject(new Error('away')));
    await drain.run();
    await drain.run();
    expect(failures).toHaveLength(1);
    expect(items).toEqual([1]);
    expect(drain.nextAt()).toBeGreaterThan(now);
    expect(drain.nextAt()).toBeLessThanOrEqual(now + BACKOFF_MS_MAX);
  });

  it('is looked after no sooner while a retry is under way', async () => {
    let calls = 0;
    const { drain } = testDrain([1], () => {
      calls += 1;
      return calls === 1 ? Promise.reject(new Error('away')) : new Promise(() => {});
    });
    await drain.run();
    now = drain.nextAt()!;
    void drain.run();
    expect(calls).toBe(2);
    expect(drain.nextAt()).toBe(now + DELIVERY_CHECK_MS);
  });
});
