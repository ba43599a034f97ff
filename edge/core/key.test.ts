import { describe, expect, it } from 'vitest';
import type { Scope } from '#schema/scope.ts';
import { mayDo, mayGive, mayUse } from './key.ts';
import type { KeyPowers } from './key.ts';

const WHOLE: KeyPowers = {
  scopes: [],
  models: null,
  dailyMillitokens: null,
  requestsPerMinute: null,
  expiresAt: null,
};
const key = (more: Partial<KeyPowers>): KeyPowers => ({ ...WHOLE, ...more });
const scoped = (...scopes: Scope[]) => key({ scopes });

it.each<[string, KeyPowers, Scope, boolean]>([
  ['does everything without scopes', WHOLE, 'keys:write', true],
  ['does what its scopes say', scoped('jobs:read'), 'jobs:read', true],
  ['does nothing else', scoped('jobs:read'), 'jobs:write', false],
  ['makes no keys when it is kept to models', key({ models: ['chat'] }), 'keys:write', false],
  ['makes no keys when it has a budget', key({ dailyMillitokens: 1 }), 'keys:write', false],
  ['makes no keys when it has a rate', key({ requestsPerMinute: 1 }), 'keys:write', false],
  ['does all else with a budget', key({ dailyMillitokens: 1 }), 'webhooks:write', true],
])('a key %s', (_, powers, scope, expected) => {
  expect(mayDo(powers, scope)).toBe(expected);
});

it('a key uses the models it is kept to, or all', () => {
  expect(mayUse(key({ models: ['chat'] }), 'chat')).toBe(true);
  expect(mayUse(key({ models: ['chat'] }), 'painter')).toBe(false);
  expect(mayUse(WHOLE, 'painter')).toBe(true);
});

describe('a key hands out', () => {
  const manager = scoped('keys:write', 'jobs:read');
  it.each<[string, KeyPowers, KeyPowers, boolean]>([
    ['anything when it is whole', WHOLE, WHOLE, true],
    ['its own scopes', manager, scoped('jobs:read'), true],
    ['itself', manager, manager, true],
    ['no other scope', manager, scoped('jobs:read', 'jobs:write'), false],
    ['no key without scopes', manager, WHOLE, false],
    ['nothing when it is kept', key({ models: ['chat'] }), key({ models: ['chat'] }), false],
    ['no key that outlives it', key({ expiresAt: 5 }), WHOLE, false],
    ['no key that ends later', key({ expiresAt: 5 }), key({ expiresAt: 6 }), false],
    ['a key that ends with it', key({ expiresAt: 5 }), key({ expiresAt: 5 }), true],
  ])('%s', (_, giver, given, expected) => {
    expect(mayGive(giver, given)).toBe(expected);
  });
});
