import { describe, expect, it } from 'vitest';
import { JobRequest } from '#schema/job.ts';
import type { PoolSurvey } from '../rpc/scheduler.ts';
import { makeAccountId } from '../io/id.ts';
import { pickPool } from './pick-pool.ts';
import { resolveModel, toCanonicalJson } from './prepare-job.ts';

const online = (...models: string[]): PoolSurvey => ({
  models: Object.fromEntries(models.map((model) => [model, 'installed'])),
  recent: [],
  agentsOnline: 1,
  agentsKnown: 1,
});
const image = (more: object = {}) => JobRequest.parse({ type: 'image', prompt: 'x', ...more });

describe('a job without a model', () => {
  it.each([
    ['the first of the catalog when nothing is known', null, {}, 'sdxl'],
    ['the one that is online', online('painter'), {}, 'painter'],
    [
      'one for every plan before a preferred one that is not',
      online('flux-dev', 'painter'),
      {},
      'painter',
    ],
    [
      'the one of an agent that is away since a moment',
      { ...online(), recent: ['painter'] },
      {},
      'painter',
    ],
    ['one that takes its parameters', online('painter', 'flux-dev'), { guidance: 3 }, 'flux-dev'],
    ['the first that takes its parameters when none is online', online(), { guidance: 3 }, 'sdxl'],
  ])('gets %s', (_, survey, more, model) => {
    expect(resolveModel(image(more), survey)?.id).toBe(model);
  });
});

it('knows no model of another type', () => {
  expect(resolveModel(image({ model: 'chat' }), null)).toBeUndefined();
  expect(resolveModel(image({ model: 'painter' }), null)?.id).toBe('painter');
});

it('writes equal requests alike, whatever the order of their fields', () => {
  expect(toCanonicalJson({ b: [{ d: 1, c: 2 }], a: null })).toBe('{"a":null,"b":[{"c":2,"d":1}]}');
  expect(toCanonicalJson({ a: 1 })).not.toBe(toCanonicalJson({ a: '1' }));
});

describe('an account', () => {
  const accounts = Array.from({ length: 2000 }, () => makeAccountId(Date.now()));

  it('keeps its pool unless the new one takes it over, and pools share evenly', () => {
    const moved = accounts.filter(
      (id) => pickPool(['a', 'b', 'c'], id) !== pickPool(['c', 'b', 'a', 'd'], id),
    );
    expect(moved.every((id) => pickPool(['a', 'b', 'c', 'd'], id) === 'd')).toBe(true);
    expect(moved.length).toBeGreaterThan(400);
    expect(moved.length).toBeLessThan(600);
  });
});
