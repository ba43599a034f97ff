import { expect, it } from 'vitest';
import { freedFor, place, residentModels } from './residency.ts';

const engine = (name: string, models: string[], resident: string[] = []) => ({
  name,
  models,
  resident,
});

it.each([
  ['no engine has it', [engine('a', ['svd'])], null],
  ['one engine has it', [engine('a', ['svd']), engine('b', ['chat'])], { engine: 'b', free: [] }],
  [
    'the other engine holds the GPU',
    [engine('a', ['svd'], ['svd']), engine('b', ['chat'])],
    { engine: 'b', free: ['a'] },
  ],
  [
    'the other engine holds only what needs no GPU',
    [engine('a', ['painter'], ['painter']), engine('b', ['chat'])],
    { engine: 'b', free: [] },
  ],
  [
    'two have it, and one has it loaded',
    [engine('a', ['chat']), engine('b', ['chat'], ['chat'])],
    { engine: 'b', free: [] },
  ],
  [
    'two have it, and one is on the GPU already',
    [engine('a', ['chat']), engine('b', ['chat', 'svd'], ['svd'])],
    { engine: 'b', free: [] },
  ],
])('places a model when %s', (_, engines, placement) => {
  expect(place('chat', engines)).toEqual(placement);
});

it('frees an engine whose process is there, even with nothing loaded or known', () => {
  const idle = { ...engine('a', ['svd']), occupies: true };
  expect(place('chat', [idle, engine('b', ['chat'])])).toEqual({ engine: 'b', free: ['a'] });
  const unknown = { ...engine('a', []), occupies: true };
  expect(place('chat', [unknown, engine('b', ['chat'])])).toEqual({ engine: 'b', free: ['a'] });
  const small = { ...engine('a', ['painter']), occupies: true };
  expect(place('chat', [small, engine('b', ['chat'])])).toEqual({ engine: 'b', free: [] });
});

it('frees every other engine that holds the GPU for one that nobody has asked yet', () => {
  const engines = [engine('a', ['svd'], ['svd']), engine('b', []), engine('c', ['chat'])];
  expect(freedFor('b', engines)).toEqual(['a']);
  expect(freedFor('a', engines)).toEqual([]);
});

it('never frees the GPU for a model that does not need it', () => {
  const engines = [engine('a', ['svd'], ['svd']), engine('b', ['painter'])];
  expect(place('painter', engines)).toEqual({ engine: 'b', free: [] });
});

it('takes a model that the catalog does not know for one that needs the GPU', () => {
  const engines = [engine('a', ['svd'], ['svd']), engine('b', ['mystery'])];
  expect(place('mystery', engines)).toEqual({ engine: 'b', free: ['a'] });
});

it('names what is loaded once, models on the GPU first', () => {
  const engines = [engine('a', [], ['painter', 'flite']), engine('b', [], ['chat', 'painter'])];
  expect(residentModels(engines)).toEqual(['chat', 'painter', 'flite']);
});
