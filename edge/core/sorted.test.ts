import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SortedNumbers } from './sorted.ts';

it('behaves as a sorted set whatever is added and removed', () => {
  const step = fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 200 }));
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 400 }),
      fc.integer({ min: -1, max: 201 }),
      (steps, at) => {
        const sorted = new SortedNumbers();
        const model = new Set<number>();
        for (const [isAdd, value] of steps) {
          if (isAdd) {
            sorted.add(value);
            model.add(value);
          } else expect(sorted.remove(value)).toBe(model.delete(value));
          expect(sorted.size).toBe(model.size);
        }
        const values = [...model].sort((a, b) => a - b);
        expect(sorted.first()).toBe(values[0]);
        expect(sorted.upTo(at)).toEqual(values.filter((value) => value <= at));
        expect(sorted.countBelow(at)).toBe(values.filter((value) => value < at).length);
      },
    ),
  );
});

it('gives back the memory of what was taken from its front', () => {
  const sorted = new SortedNumbers();
  for (let value = 0; value < 1000; value++) sorted.add(value);
  for (let value = 0; value < 1000; value++) expect(sorted.remove(value)).toBe(true);
  expect(sorted.first()).toBeUndefined();
  sorted.add(5);
  expect(sorted.first()).toBe(5);
});
