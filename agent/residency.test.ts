import { expect, it } from 'vitest';
import { place, residentModels } from './residency.ts';

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
