import { expect, it } from 'vitest';
import { ERROR_CODES } from '#schema/error.ts';
import { describeError, describeProblem } from './problem.ts';

it('says for every code what happened and what to do', () => {
  for (const code of ERROR_CODES) {
    const text = describeError({ code, message: 'it went wrong' });
    expect(text).toMatchObject({ sentence: 'It went wrong.', code });
    expect(text.advice).not.toBe('');
  }
});

it('has words for a service that is away or not understood', () => {
  expect(describeProblem({ reason: 'unreachable' }).code).toBe('unreachable');
  expect(describeProblem({ reason: 'unreadable', status: 502 }).sentence).toContain('502');
});
