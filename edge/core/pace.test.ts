import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  closeGate,
  closedUntil,
  countMore,
  fillGate,
  leaveGates,
  loadOf,
  opensAt,
  passGates,
} from './pace.ts';
import type { Gate, Pace } from './pace.ts';

const WHOLE: Gate = { name: 'bot', limit: { emissionIntervalMs: 50, burst: 5 }, reserve: 3 };
const CHAT: Gate = { name: 'chat', limit: { emissionIntervalMs: 1000, burst: 1 }, reserve: 0 };

function fresh(): Pace {
  return new Map();
}

it('a fresh gate lets a burst pass at once, then one per interval', () => {
  const pace = fresh();
  for (let count = 0; count < 5; count += 1) passGates(pace, [WHOLE], 1000);
  expect(opensAt(pace, [WHOLE], { now: 1000, thin: false })).toBe(1050);
});

it('thin calls stop while the others still have the reserve', () => {
  const pace = fresh();
  for (let count = 0; count < 2; count += 1) passGates(pace, [WHOLE], 1000);
  expect(opensAt(pace, [WHOLE], { now: 1000, thin: true })).toBeGreaterThan(1000);
  expect(opensAt(pace, [WHOLE], { now: 1000, thin: false })).toBe(1000);
});

it('a call waits for the slowest of its gates', () => {
  const pace = fresh();
  passGates(pace, [WHOLE, CHAT], 1000);
  expect(opensAt(pace, [WHOLE, CHAT], { now: 1100, thin: false })).toBe(2000);
});

it('a gate of one at a time reopens counted from the end of the call', () => {
  const pace = fresh();
  passGates(pace, [CHAT], 1000);
  leaveGates(pace, [CHAT], 4000);
  expect(opensAt(pace, [CHAT], { now: 4000, thin: false })).toBe(5000);
});

it('a closed gate opens when the platform said', () => {
  const pace = fresh();
  closeGate(pace, 'chat', 9000);
  closeGate(pace, 'chat', 7000);
  expect(opensAt(pace, [CHAT], { now: 1000, thin: false })).toBe(9000);
  expect(closedUntil(pace, 'chat', 1000)).toBe(9000);
  expect(closedUntil(pace, 'chat', 9000)).toBeNull();
});

it('a filled gate has no burst, and its load says so', () => {
  const pace = fresh();
  fillGate(pace, WHOLE, 1000);
  expect(loadOf(pace, WHOLE, 1000)).toBe(1);
  expect(opensAt(pace, [WHOLE], { now: 1000, thin: false })).toBe(1050);
  expect(loadOf(pace, WHOLE, 1250)).toBe(0);
});

it('what an album carries more counts where several may come at once', () => {
  const pace = fresh();
  passGates(pace, [WHOLE, CHAT], 1000);
  countMore(pace, [WHOLE, CHAT], 3);
  expect(loadOf(pace, WHOLE, 1000)).toBeCloseTo(4 / 5);
  expect(opensAt(pace, [CHAT], { now: 1000, thin: false })).toBe(2000);
});

it('no window of any length ever has more calls than burst and rate allow', () => {
  const steps = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 3000 }), (pauses, spanMs) => {
      const pace = fresh();
      const passed: number[] = [];
      let now = 0;
      for (const pause of pauses) {
        now = Math.max(now + pause, opensAt(pace, [WHOLE], { now: now + pause, thin: false }));
        passGates(pace, [WHOLE], now);
        passed.push(now);
      }
      const most = Math.max(
        ...passed.map((from) => passed.filter((at) => at >= from && at < from + spanMs).length),
      );
      const { emissionIntervalMs, burst } = WHOLE.limit;
      expect(most).toBeLessThanOrEqual(burst + Math.ceil(spanMs / emissionIntervalMs));
    }),
  );
});
