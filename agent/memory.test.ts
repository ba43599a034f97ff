import { expect, it } from 'vitest';
import { awaitMemory } from './memory.ts';
import { MEMORY_POLLS_MAX, MEMORY_POLLS_STILL } from './process/limits.ts';

/** Looks at what is free; `of` tells it by the number of the look. */
async function look(needMib: number, of: (poll: number) => number | null) {
  let polls = 0;
  let pauses = 0;
  const free = await awaitMemory(needMib, {
    askFreeMib: () => Promise.resolve(of(polls++)),
    pause: () => Promise.resolve(pauses++),
  });
  return { free, polls, pauses };
}

it('does not wait where there is enough, or where it cannot be told', async () => {
  expect(await look(6000, () => 8000)).toEqual({ free: 8000, polls: 1, pauses: 0 });
  expect(await look(6000, () => null)).toEqual({ free: null, polls: 1, pauses: 0 });
});

it('waits while memory comes back, and no longer than until there is enough', async () => {
  expect(await look(6000, (poll) => 1000 * poll)).toEqual({ free: 6000, polls: 7, pauses: 6 });
});

it('stops when no more comes: others hold the rest', async () => {
  const stuck = await look(20_000, (poll) => Math.min(3000, 1000 * poll));
  expect(stuck).toMatchObject({ free: 3000, polls: 4 + MEMORY_POLLS_STILL });
});

it('stops after a bound, also when it comes by drops', async () => {
  expect((await look(Infinity, (poll) => poll)).polls).toBe(MEMORY_POLLS_MAX + 1);
});
