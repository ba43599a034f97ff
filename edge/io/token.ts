/**
 * Secrets, hashes and signatures, by Web Crypto.
 * A signed media URL opens one R2 key until a time; an upload ticket lets one agent upload for
 * one attempt until a time. Each purpose has its own prefix under the signing key, so that a
 * signature made for one never opens the other. Comparisons take constant time.
 */
import { assert } from '#schema/assert.ts';
import { MEDIA_URL_MS, UPLOAD_TICKET_MS } from '#schema/limits.ts';

const SECRET_BYTES = 32;
/** Expiries of media URLs fall on this grid: the same picture keeps its URL, so caches work. */
const MEDIA_GRID_MS = 10 * 60_000;

const encoder = new TextEncoder();

/** SHA-256 of a text, 64 hex digits. */
export async function hashSha256(text: string): Promise<string> {
  return toHex(await crypto.subtle.digest('SHA-256', encoder.encode(text)));
}

/** SHA-256 of bytes, 64 hex digits. */
export async function hashBytes(bytes: Uint8Array): Promise<string> {
  return toHex(await crypto.subtle.digest('SHA-256', bytes));
}

/** Whether two texts are equal, in a time that does not depend on where they differ. */
export async function equalSecret(given: string, known: string): Promise<boolean> {
  const [a, b] = await Promise.all([
    crypto.subtle.digest('SHA-256', encoder.encode(given)),
    crypto.subtle.digest('SHA-256', encoder.encode(known)),
  ]);
  return crypto.subtle.timingSafeEqual(a, b);
}

/** Compares two hex hashes in a time that depends on their lengths alone. */
export function equalHash(given: string, known: string): boolean {
  if (given.length !== known.length) return false;
  let difference = 0;
  for (let index = 0; index < known.length; index += 1) {
    difference |= given.charCodeAt(index) ^ known.charCodeAt(index);
  }
  return difference === 0;
}

/** 32 random bytes in base64url: 43 characters. */
export function makeSecret(): string {
  return toBase64Url(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)));
}

/** What tells a secret from others and opens nothing: its last characters. */
export function hintOf(secret: string): string {
  return secret.slice(-4);
}

/** A random integer from 0 to 2^32 - 1. */
export function makeSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}

export interface SignedPath {
  /** `/media/…`, to append to the origin. */
  readonly path: string;
  readonly expiresAt: number;
}

/** Signs the path of a result; it works for MEDIA_URL_MS at least. */
export async function signMedia(signingKey: string, key: string, now: number): Promise<SignedPath> {
  const expiresAt = Math.ceil((now + MEDIA_URL_MS) / MEDIA_GRID_MS) * MEDIA_GRID_MS;
  const signature = await sign(signingKey, 'media', [key, String(expiresAt)]);
  const query = new URLSearchParams({ expires: String(expiresAt), signature });
  return { path: `/media/${key}?${query.toString()}`, expiresAt };
}

/** Checks the signature of a media path, not its expiry. */
export async function verifyMedia(
  signingKey: string,
  claim: { key: string; expires: string; signature: string },
): Promise<boolean> {
  const { key, expires, signature } = claim;
  const isOurs = /^[A-Za-z0-9_-]{43}$/.test(signature) && !/\n/.test(key + expires);
  return isOurs && verify(signingKey, 'media', { parts: [key, expires], signature });
}

/** What a ticket binds: the attempt, and the agent by the hash of its token's secret. */
export interface TicketClaim {
  readonly jobId: string;
  readonly fencingToken: number;
  readonly secretHash: string;
}

/** A ticket for the uploads and the text stream of one attempt. */
export async function signTicket(
  signingKey: string,
  claim: TicketClaim,
  now: number,
): Promise<string> {
  const expires = String(now + UPLOAD_TICKET_MS);
  return `${expires}.${await sign(signingKey, 'upload', ticketParts(claim, expires))}`;
}

/** Whether a ticket is for this attempt and agent, and still good. */
export async function verifyTicket(
  signingKey: string,
  ticket: { claim: TicketClaim; text: string },
  now: number,
): Promise<boolean> {
  const match = /^(\d{1,16})\.([A-Za-z0-9_-]{43})$/.exec(ticket.text);
  if (!match || Number(match[1]) <= now) return false;
  const parts = ticketParts(ticket.claim, match[1]!);
  return verify(signingKey, 'upload', { parts, signature: match[2]! });
}

function ticketParts(claim: TicketClaim, expires: string): string[] {
  return [claim.jobId, String(claim.fencingToken), claim.secretHash, expires];
}

/** A secret of a subject that needs no place to be kept: 32 bytes in base64url. */
export async function deriveSecret(
  signingKey: string,
  purpose: 'webhook' | 'api_key' | 'endpoint',
  subject: string,
): Promise<string> {
  return sign(signingKey, purpose, [subject]);
}

async function sign(signingKey: string, purpose: string, parts: string[]): Promise<string> {
  const key = await importKey(signingKey);
  return toBase64Url(
    new Uint8Array(await crypto.subtle.sign('HMAC', key, message(purpose, parts))),
  );
}

async function verify(
  signingKey: string,
  purpose: string,
  claim: { parts: string[]; signature: string },
): Promise<boolean> {
  const signature = fromBase64Url(claim.signature);
  if (!signature) return false;
  const key = await importKey(signingKey);
  return crypto.subtle.verify('HMAC', key, signature, message(purpose, claim.parts));
}

function message(purpose: string, parts: string[]): Uint8Array {
  assert(
    parts.every((part) => !part.includes('\n')),
    'signed parts are single lines',
  );
  return encoder.encode([purpose, ...parts].join('\n'));
}

let imported: { from: string; key: CryptoKey } | null = null;

async function importKey(signingKey: string): Promise<CryptoKey> {
  if (imported?.from === signingKey) return imported.key;
  const key = await crypto.subtle.importKey(
    'raw',
    encoder.encode(signingKey),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign', 'verify'],
  );
  imported = { from: signingKey, key };
  return key;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Lower-case hex digits of bytes. */
export function toHex(bytes: ArrayBuffer): string {
  let text = '';
  for (const byte of new Uint8Array(bytes)) text += HEX[byte];
  return text;
}

function toBase64Url(bytes: Uint8Array): string {
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

function fromBase64Url(text: string): Uint8Array | null {
  if (!/^[A-Za-z0-9_-]{1,100}$/.test(text)) return null;
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
  // The last character has bits that decoding ignores: only one spelling is good.
  return toBase64Url(bytes) === text ? bytes : null;
}
