import { describe, expect, it } from 'vitest';
import { UPLOAD_TICKET_MS } from '#schema/limits.ts';
import {
  equalSecret,
  hashSha256,
  makeSecret,
  signMedia,
  signTicket,
  verifyMedia,
  verifyTicket,
} from './token.ts';

const KEY = 'a signing key of thirty-two characters';
const CLAIM = { jobId: 'job_x', fencingToken: 1, secretHash: 'aa' };

it('hashes as SHA-256 does', async () => {
  expect(await hashSha256('abc')).toBe(
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  );
});

it('makes secrets that differ and fit a token', () => {
  const secrets = new Set(Array.from({ length: 50 }, makeSecret));
  expect(secrets.size).toBe(50);
  for (const secret of secrets) expect(secret).toMatch(/^[A-Za-z0-9_-]{43}$/);
});

it('compares secrets of any lengths', async () => {
  expect(await equalSecret('same', 'same')).toBe(true);
  expect(await equalSecret('same', 'other')).toBe(false);
  expect(await equalSecret('', 'longer')).toBe(false);
});

describe('a ticket', () => {
  it('holds for its own claim and time only', async () => {
    const text = await signTicket(KEY, CLAIM, 1000);
    const verify = (claim: typeof CLAIM, now: number, key = KEY) =>
      verifyTicket(key, { claim, text }, now);
    expect(await verify(CLAIM, 1000)).toBe(true);
    expect(await verify(CLAIM, 1000 + UPLOAD_TICKET_MS)).toBe(false);
    expect(await verify({ ...CLAIM, jobId: 'job_y' }, 1000)).toBe(false);
    expect(await verify({ ...CLAIM, fencingToken: 2 }, 1000)).toBe(false);
    expect(await verify({ ...CLAIM, secretHash: 'bb' }, 1000)).toBe(false);
    expect(await verify(CLAIM, 1000, `${KEY}!`)).toBe(false);
  });

  it.each(['', '.', '1.', 'x.y', `1.${'A'.repeat(43)}`, `9999999999999.${'A'.repeat(43)}`])(
    'is not %j',
    async (text) => {
      expect(await verifyTicket(KEY, { claim: CLAIM, text }, 0)).toBe(false);
    },
  );

  it('opens no media, nor does a media signature make a ticket', async () => {
    const { path, expiresAt } = await signMedia(KEY, 'result/x', 0);
    const signature = new URL(path, 'http://x').searchParams.get('signature')!;
    const claim = { key: 'result/x', expires: String(expiresAt), signature };
    expect(await verifyMedia(KEY, claim)).toBe(true);
    const ticket = await signTicket(KEY, CLAIM, 0);
    expect(await verifyMedia(KEY, { ...claim, signature: ticket.split('.')[1]! })).toBe(false);
    const text = `${expiresAt}.${signature}`;
    expect(await verifyTicket(KEY, { claim: CLAIM, text }, 0)).toBe(false);
  });
});

it.each(['', 'x', '%', '=', 'a\nb', 'é'.repeat(43), 'A'.repeat(42), 'A'.repeat(44)])(
  'refuses %j as the signature of a medium',
  async (signature) => {
    expect(await verifyMedia(KEY, { key: 'result/a', expires: '1', signature })).toBe(false);
  },
);

it('signs no key of several lines', async () => {
  const claim = { key: 'a\nb', expires: '1', signature: 'A'.repeat(43) };
  expect(await verifyMedia(KEY, claim)).toBe(false);
});
