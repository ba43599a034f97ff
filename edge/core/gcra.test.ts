import fc from 'fast-check';
import { expect, it } from 'vitest';
import { gcra, perMinute } from './gcra.ts';

const START = 1_800_000_000_000;

it('allows a full burst at once and then one request per interval', () => {
  const limit = perMinute(60);
  let tat = 0;
  for (let count = 0; count < 60; count++) {
    const verdict = gcra(tat, START, limit);
    expect(verdict).toMatchObject({ allowed: true, remaining: 59 - count });
    tat = verdict.tat;
  }
  const refused = gcra(tat, START, limit);
  expect(refused).toMatchObject({ allowed: false, remaining: 0, retryAfterMs: 1000, tat });
  expect(gcra(tat, START + 999, limit).allowed).toBe(false);
  expect(gcra(tat, START + 1000, limit).allowed).toBe(true);
});

it('never lets more through than the burst and the rate allow', () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 200 });
  fc.assert(
    fc.property(gaps, fc.integer({ min: 1, max: 600 }), (waits, requests) => {
      const limit = perMinute(requests);
      let now = START;
      let tat = 0;
      let passed = 0;
      for (const wait of waits) {
        now += wait;
        const verdict = gcra(tat, now, limit);
        if (verdict.allowed) passed += 1;
        else expect(gcra(tat, now + verdict.retryAfterMs, limit).allowed).toBe(true);
        tat = verdict.tat;
      }
      const most = limit.burst + (now - START) / limit.emissionIntervalMs + 1e-6;
      expect(passed).toBeLessThanOrEqual(Math.floor(most) + 1);
    }),
  );
});
