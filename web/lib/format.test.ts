import { describe, expect, it } from 'vitest';
import { formatEstimate, formatSpan, formatTokens, joinWords } from './format.ts';

it.each([
  [1, '1 token'],
  [0.25, '0.25 tokens'],
  [0.001, '0.001 tokens'],
  [1200, '1,200 tokens'],
])('writes %d tokens as %s', (tokens, text) => expect(formatTokens(tokens)).toBe(text));

it.each([
  [-5, '0 s'],
  [4400, '4 s'],
  [120_000, '2 min'],
  [7_800_000, '2 h 10 min'],
  [7_200_000, '2 h'],
])('writes %d ms as %s', (ms, text) => expect(formatSpan(ms)).toBe(text));

describe('formatEstimate', () => {
  const at = (ms: number) => new Date(1000 + ms).toISOString();
  it.each([
    [0, 500, 'It should start at any moment.'],
    [0, 9000, 'It should start within 9 s.'],
    [4000, 9000, 'It should start in 4 s to 9 s.'],
    [120_000, 121_000, 'It should start in about 2 min.'],
  ])('tells %d to %d ms', (earliest, latest, text) => {
    const estimate = { earliest_at: at(earliest), latest_at: at(latest) };
    expect(formatEstimate(estimate, 1000)).toBe(text);
  });
});

it('joins words as one says them', () => {
  expect([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(joinWords)).toEqual([
    '',
    'a',
    'a and b',
    'a, b and c',
  ]);
});
