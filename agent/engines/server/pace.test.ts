import { expect, it } from 'vitest';
import { Pace } from './pace.ts';

/** Work that ends when told, under a clock and a timer of the test's own. */
function createDesk() {
  let now = 0;
  let act: (() => void) | null = null;
  const told: number[] = [];
  const pace = new Pace(
    (_, next) => {
      act = next;
      return () => {
        act = null;
      };
    },
    () => now,
  );
  return {
    told,
    begin(units: number) {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const ended = pace.measure(
        units,
        { onProgress: ({ fraction }) => told.push(fraction) },
        () => promise,
      );
      return { ended, resolve, reject };
    },
    pass(ms: number) {
      now += ms;
      act?.();
    },
    isTicking: () => act !== null,
  };
}

it('claims nothing before a run was measured, then what the last ones took, and never the end', async () => {
  const desk = createDesk();
  const first = desk.begin(10);
  desk.pass(1000);
  desk.pass(1000);
  first.resolve('made');
  expect(await first.ended).toBe('made');
  expect(desk.told).toEqual([0, 0, 0]);
  expect(desk.isTicking()).toBe(false);

  const second = desk.begin(20);
  for (let tick = 0; tick < 5; tick++) desk.pass(1000);
  expect(desk.told.slice(3)).toEqual([0, 0.25, 0.5, 0.75, 0.95, 0.95]);
  second.resolve('made');
  await second.ended;
});

it('learns nothing of a run that fails', async () => {
  const desk = createDesk();
  const first = desk.begin(10);
  desk.pass(1000);
  first.reject(new Error('no'));
  await expect(first.ended).rejects.toThrow('no');
  expect(desk.isTicking()).toBe(false);
  const second = desk.begin(10);
  desk.pass(1000);
  expect(desk.told.at(-1)).toBe(0);
  second.resolve('made');
  await second.ended;
});
