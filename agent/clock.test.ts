import { expect, it } from 'vitest';
import { createClock } from './clock.ts';
import { SLEEP_MS_MIN } from './limits.ts';

function clockOf() {
  const sources = { mono: 100, epoch: 1_000_000 };
  const clock = createClock({ monotonic: () => sources.mono, wall: () => sources.epoch });
  const pass = (mono: number, epoch = mono) => {
    sources.mono += mono;
    sources.epoch += epoch;
    return clock.now();
  };
  return { pass, start: clock.now() };
}

it('follows the monotonic clock', () => {
  const { pass, start } = clockOf();
  expect(pass(1234) - start).toBe(1234);
});

it('counts the sleep of the machine, which only the wall clock saw', () => {
  const { pass, start } = clockOf();
  expect(pass(1000, 3_600_000) - start).toBe(3_600_000);
  expect(pass(1000) - start).toBe(3_601_000);
});

it.each([
  ['small corrections of the wall clock', 1000, 1000 + SLEEP_MS_MIN - 1],
  ['a wall clock that is set back', 1000, -3_600_000],
])('passes over %s, and never runs backwards', (_, mono, epoch) => {
  const { pass, start } = clockOf();
  expect(pass(mono, epoch) - start).toBe(mono);
});
