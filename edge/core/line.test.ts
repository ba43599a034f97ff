import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { START, TestPool, jobId, order } from './fixture.ts';
import { Line, isBefore } from './line.ts';
import type { LiveEntry } from './state.ts';

/** An entry as the pool makes it, for a job of this place. */
const ENTRY = (() => {
  const pool = new TestPool();
  pool.enqueue(order(1));
  return pool.state.jobs.get(jobId(1))!;
})();

function entryOf(place: number, of: Partial<LiveEntry>): LiveEntry {
  return { ...ENTRY, id: jobId(place), place, ...of };
}

const step = fc.record({
  isRemoval: fc.boolean(),
  /** Of a removal: which of those that are there, 0 being the front. */
  which: fc.oneof(fc.constant(0), fc.nat(200)),
  tag: fc.nat(20),
  queuedAfterMs: fc.nat(5_000_000),
  millitokens: fc.integer({ min: 1, max: 16_000 }),
});

describe('two waiting jobs', () => {
  it.each([
    ['by tag', { tag: 1, place: 9 }, { tag: 2, place: 1 }, true],
    ['by tag, the later way round', { tag: 2, place: 1 }, { tag: 1, place: 9 }, false],
    ['of one tag by place', { tag: 1, place: 1 }, { tag: 1, place: 2 }, true],
    ['not before themselves', { tag: 1, place: 1 }, { tag: 1, place: 1 }, false],
  ])('are ordered %s', (_, one, other, expected) => {
    expect(isBefore(one, other)).toBe(expected);
  });
});

describe('a line', () => {
  it('is a sorted list with its sums, whatever comes and goes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const line = new Line('painter', START);
        let model: LiveEntry[] = [];
        let place = 0;
        for (const { isRemoval, which, tag, queuedAfterMs, millitokens } of steps) {
          if (isRemoval && model.length > 0) {
            const gone = model[which % model.length]!;
            line.remove(gone);
            model = model.filter((entry) => entry !== gone);
          } else {
            place += 1;
            const entry = entryOf(place, { tag, queuedAt: START + queuedAfterMs, millitokens });
            line.add(entry);
            model = [...model, entry].toSorted((one, other) => (isBefore(one, other) ? -1 : 1));
          }
          expect(line.size).toBe(model.length);
          expect(line.at(0)).toBe(model[0]);
        }
        expect([...line]).toEqual(model);
        expect(model.map((_, index) => line.at(index))).toEqual(model);
        expect(line.at(model.length)).toBeUndefined();
        const now = START + 6_000_000;
        const ages = model.map(({ queuedAt }) => (now - queuedAt) / 1000);
        const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
        expect(line.ages(now).sum).toBeCloseTo(total(ages), 3);
        const squares = total(ages.map((age) => age * age));
        expect(Math.abs(line.ages(now).squares - squares)).toBeLessThan(1e-9 * squares + 1e-3);
        if (model.length === 0) return;
        const price = total(model.map(({ millitokens }) => millitokens));
        expect(line.meanMillitokens).toBeCloseTo(price / model.length, 6);
      }),
      { numRuns: 200 },
    );
  });

  it('counts those that go before any order, of a job in it or not', () => {
    const orders = fc.record({ tag: fc.nat(10), isOld: fc.boolean() });
    fc.assert(
      fc.property(
        fc.array(orders, { maxLength: 60 }),
        fc.nat(60),
        fc.record({ tag: fc.nat(10), place: fc.oneof(fc.nat(70), fc.constant(Infinity)) }),
        (all, taken, asked) => {
          const line = new Line('painter', START);
          const entries = all.map(({ tag }, index) => entryOf(index + 1, { tag }));
          for (const entry of entries) line.add(entry);
          // Taken from the front: what was there counts no more.
          for (let count = 0; count < Math.min(taken, entries.length); count += 1) {
            line.remove(line.at(0)!);
          }
          const before = [...line].filter((entry) => isBefore(entry, asked));
          expect(line.countBefore(asked)).toBe(before.length);
        },
      ),
    );
  });

  it('takes a job back at its front after many were taken from there', () => {
    const line = new Line('painter', START);
    const entries = Array.from({ length: 200 }, (_, index) => entryOf(index + 1, { tag: index }));
    for (const entry of entries) line.add(entry);
    for (const entry of entries.slice(0, 150)) line.remove(entry);
    line.add(entries[149]!);
    line.add(entries[10]!);
    expect([...line]).toEqual([entries[10], ...entries.slice(149)]);
  });

  it('refuses to take out a job that is not in it', () => {
    const line = new Line('painter', START);
    line.add(entryOf(1, { tag: 1 }));
    expect(() => line.remove(entryOf(1, { tag: 1 }))).toThrow('waits in its line');
    expect(() => line.remove(entryOf(2, { tag: 1 }))).toThrow('waits in its line');
  });
});
