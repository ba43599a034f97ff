import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gapsIn } from './idle-gap.ts';
import { serviceMs, type TimedRun } from './timed-engine.ts';

/** Runs one after another, each of `runMs` and with `gapMs` before the next. */
function runsOf(parts: readonly { runMs: number; gapMs: number }[]): TimedRun[] {
  let at = 1000;
  return parts.map(({ runMs, gapMs }, seed) => {
    const run = { seed, startedAt: at, endedAt: at + runMs };
    at += runMs + gapMs;
    return run;
  });
}

describe('gapsIn', () => {
  it('tells the share of the time between the first and the last start', () => {
    const runs = runsOf([
      { runMs: 90, gapMs: 10 },
      { runMs: 70, gapMs: 30 },
      { runMs: 500, gapMs: 0 },
    ]);
    expect(gapsIn(runs)).toEqual({ share: 0.2, gapsMs: [10, 30] });
  });

  it('is the whole of the gaps whatever their order', () => {
    const part = fc.record({
      runMs: fc.integer({ min: 1, max: 5000 }),
      gapMs: fc.integer({ min: 0, max: 500 }),
    });
    fc.assert(
      fc.property(fc.array(part, { minLength: 2, maxLength: 40 }), (parts) => {
        const counted = parts.slice(0, -1);
        const gaps = counted.reduce((sum, { gapMs }) => sum + gapMs, 0);
        const runs = counted.reduce((sum, { runMs }) => sum + runMs, 0);
        const { share, gapsMs } = gapsIn(runsOf(parts));
        expect(share).toBeCloseTo(gaps / (gaps + runs), 10);
        expect(gapsMs).toHaveLength(counted.length);
      }),
    );
  });
});

describe('serviceMs', () => {
  it('gives each seed its own time between 2 and 5 seconds', () => {
    const times = Array.from({ length: 30 }, (_, seed) => serviceMs(seed + 1));
    expect(Math.min(...times)).toBeGreaterThanOrEqual(2000);
    expect(Math.max(...times)).toBeLessThan(5000);
    expect(new Set(times).size).toBe(30);
  });
});
