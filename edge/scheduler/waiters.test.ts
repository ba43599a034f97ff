import { expect, it } from 'vitest';
import { POLL_MARGIN_MS } from '#schema/limits.ts';
import { Waiters } from './waiters.ts';

it('answers the older poll of an agent with nothing when it polls again', async () => {
  const waiters = new Waiters<string, string>('nothing');
  const first = waiters.park('a', 'one', { now: 0, waitMs: 10_000 });
  const second = waiters.park('a', 'two', { now: 0, waitMs: 10_000 });
  expect(await first.wait()).toBe('nothing');
  first[Symbol.dispose]();
  expect([...waiters.open(0)]).toEqual([['a', 'two']]);
  expect(waiters.answer('a', 'job')).toBe(true);
  expect(await second.wait()).toBe('job');
  expect(waiters.answer('a', 'job')).toBe(false);
});

it('passes over a poll that ends before an answer could arrive', () => {
  const waiters = new Waiters<string, string>('nothing');
  waiters.park('a', 'one', { now: 0, waitMs: 10_000 });
  waiters.park('b', 'two', { now: 0, waitMs: 20_000 });
  expect([...waiters.open(10_000 - POLL_MARGIN_MS)].map(([id]) => id)).toEqual(['a', 'b']);
  expect([...waiters.open(10_000 - POLL_MARGIN_MS + 1)].map(([id]) => id)).toEqual(['b']);
});

it('gives a short poll a short margin', () => {
  const waiters = new Waiters<string, string>('nothing');
  waiters.park('a', 'one', { now: 0, waitMs: 1000 });
  expect([...waiters.open(750)]).toHaveLength(1);
  expect([...waiters.open(751)]).toHaveLength(0);
});

it('forgets a poll that its caller gave up', () => {
  const waiters = new Waiters<string, string>('nothing');
  waiters.park('a', 'one', { now: 0, waitMs: 10_000 })[Symbol.dispose]();
  expect(waiters.answer('a', 'job')).toBe(false);
});
