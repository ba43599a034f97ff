import { describe, expect, it } from 'vitest';
import { Bots } from './chat.ts';

const TELEGRAM = {
  id: 'painter',
  platform: 'telegram',
  type: 'image',
  token: '900:very-secret',
  webhookSecret: 'webhook-secret-of-tests',
};
const DISCORD = {
  id: 'studio',
  platform: 'discord',
  type: 'video',
  token: 'very-secret',
  publicKey: 'ab'.repeat(32),
  applicationId: '77',
};

describe('the secret BOTS', () => {
  it('is a list of bots of both platforms, or nothing at all', () => {
    expect(Bots.parse(JSON.stringify([TELEGRAM, DISCORD]))).toEqual([TELEGRAM, DISCORD]);
    expect(Bots.parse(undefined)).toEqual([]);
  });

  it.each<[string, string]>([
    ['no JSON', '[{"token":"very-secret"'],
    ['no list', JSON.stringify(TELEGRAM)],
    ['two bots of one id', JSON.stringify([TELEGRAM, TELEGRAM])],
    ['an id that is no part of a path', JSON.stringify([{ ...TELEGRAM, id: 'a/b' }])],
    ['a short webhook secret', JSON.stringify([{ ...TELEGRAM, webhookSecret: 'short' }])],
    ['no key', JSON.stringify([{ ...DISCORD, publicKey: 'x' }])],
    ['an unknown platform', JSON.stringify([{ ...DISCORD, platform: 'irc' }])],
  ])('is refused with %s, without a word of what it holds', (_, text) => {
    const parsed = Bots.safeParse(text);
    expect(parsed.success).toBe(false);
    expect(parsed.error?.message).not.toContain('very-secret');
  });
});
