/**
 * An account's API keys: making, rotating, revoking, showing. A key never hands out more than it
 * may itself (core/key.ts). Revoked keys stay for a while, so that a repeated revocation is none.
 */
import { KEYS_KEPT_MAX } from '#schema/limits.ts';
import { PLANS } from '#schema/plan.ts';
import { renewalAfter, rollTo, utcDay } from '../core/credit.ts';
import { mayGive } from '../core/key.ts';
import type { KeyPowers } from '../core/key.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import type { Deed, KeyChange, KeyRefusal, KeyState, NewKey, Repeat } from '../rpc/account.ts';
import type { Books } from './books.ts';
import { accountRows } from './mirror.ts';
import type { ApiKeyRow, Idempotent } from './row.ts';

/** Its keys that are not revoked, oldest first. */
export function listKeys(books: Books, now: number): KeyState[] {
  const live = [...books.keys.values()].filter(({ revokedAt }) => revokedAt === null);
  const oldestFirst = live.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return oldestFirst.map((key) => showKey(books, key, now));
}

/** A key and how it is used, without its hashes. */
export function showKey(books: Books, key: ApiKeyRow, now: number): KeyState {
  const { id, name, hint, scopes, models, requestsPerMinute } = key;
  const { createdAt, expiresAt, revokedAt, dailyMillitokens, overlapUntil } = key;
  const { credit, usedAt } = books.use(id);
  const { day, spentMillitokens, heldMillitokens } = rollTo(credit, utcDay(now));
  const budget =
    dailyMillitokens === null
      ? null
      : {
          day,
          limitMillitokens: dailyMillitokens,
          spentMillitokens,
          heldMillitokens,
          renewsAt: renewalAfter(now),
        };
  const isOverlapping = overlapUntil !== null && now < overlapUntil;
  return {
    ...{ id, name, hint, scopes, models, requestsPerMinute, budget },
    ...{ createdAt, expiresAt, revokedAt, usedAt },
    overlapUntil: isOverlapping ? overlapUntil : null,
  };
}

/** Makes a key; a repeat of the request finds the one that it made. */
export function makeKey(
  books: Books,
  { repeat, ...made }: NewKey,
  change: KeyChange,
): Result<KeyState, KeyRefusal> {
  const now = Date.now();
  const before = repeat && books.store.findIdempotent(markOf(repeat), now);
  if (before) return recallKey(books, before, { ...change, bodyHash: repeat.bodyHash, now });
  const { keysMax: limit } = PLANS[books.account.plan];
  const live = [...books.keys.values()].filter(({ revokedAt }) => revokedAt === null);
  if (live.length >= limit) return fail({ reason: 'too_many_keys', limit });
  const refusal = refuseToGive(books, made, change);
  if (refusal) return fail(refusal);
  const key = { ...made, createdAt: now, revokedAt: null, previousHash: null, overlapUntil: null };
  write(books, key, { ...change, action: 'key.create', repeat, now });
  return ok(showKey(books, key, now));
}

/** No idempotency key of a job or a grant begins so. */
function markOf({ idempotencyKey }: Repeat): string {
  return ` key ${idempotencyKey}`;
}

/** The key of an earlier request, known by its secret's hash: it must have that secret still. */
function recallKey(
  books: Books,
  before: Idempotent,
  change: KeyChange & { bodyHash: string; now: number },
): Result<KeyState, KeyRefusal> {
  if (before.bodyHash !== change.bodyHash) return fail({ reason: 'idempotency_conflict' });
  const known = [...books.keys.values()].find(({ secretHash }) => secretHash === before.jobId);
  if (!known || known.revokedAt !== null) return fail({ reason: 'key_changed' });
  const refusal = refuseToGive(books, known, change);
  return refusal ? fail(refusal) : ok(showKey(books, known, change.now));
}

/** Gives a key a new secret; of an overlap under way the older secret ends. */
export function rotateKey(
  books: Books,
  to: { id: string; secretHash: string; hint: string; overlapMs: number },
  change: KeyChange,
): Result<KeyState, KeyRefusal> {
  const now = Date.now();
  const known = books.keys.get(to.id);
  if (!known || known.revokedAt !== null) return fail({ reason: 'key_not_found' });
  const refusal = refuseToGive(books, known, change);
  if (refusal) return fail(refusal);
  const { secretHash, hint, overlapMs } = to;
  const previous =
    overlapMs > 0
      ? { previousHash: known.secretHash, overlapUntil: now + overlapMs }
      : { previousHash: null, overlapUntil: null };
  const key = { ...known, secretHash, hint, ...previous };
  write(books, key, { ...change, action: 'key.rotate', now });
  return ok(showKey(books, key, now));
}

/** Revokes a key. False when there is no such key. */
export function revokeKey(books: Books, id: string, deed: Deed): boolean {
  const known = books.keys.get(id);
  if (!known) return false;
  if (known.revokedAt !== null) return true;
  const now = Date.now();
  const key = { ...known, revokedAt: now, previousHash: null, overlapUntil: null };
  write(books, key, { ...deed, action: 'key.revoke', now });
  return true;
}

function refuseToGive(books: Books, given: KeyPowers, { byKeyId }: KeyChange): KeyRefusal | null {
  if (byKeyId === null) return null;
  const giver = books.keys.get(byKeyId);
  if (giver && giver.revokedAt === null && mayGive(giver, given)) return null;
  return { reason: 'key_too_narrow', scopes: giver?.scopes ?? [] };
}

/** Writes a key, forgets the oldest revoked ones that are too many, tells Postgres. */
function write(
  books: Books,
  key: ApiKeyRow,
  { repeat, ...cause }: Deed & { action: string; repeat?: Repeat | undefined; now: number },
): void {
  const others = [...books.keys.values()].filter(({ id }) => id !== key.id);
  const revoked = others
    .filter(({ revokedAt }) => revokedAt !== null)
    .toSorted((a, b) => a.revokedAt! - b.revokedAt!);
  const forgotten = revoked.slice(0, Math.max(0, others.length + 1 - KEYS_KEPT_MAX));
  const uses = { ...books.account.uses };
  for (const { id } of forgotten) delete uses[id];
  const account = { ...books.account, uses };
  books.store.transaction(() => {
    books.store.saveKey(key);
    if (repeat) {
      const made = { bodyHash: repeat.bodyHash, jobId: key.secretHash };
      books.store.saveIdempotent(markOf(repeat), made, cause.now);
    }
    for (const { id } of forgotten) books.store.deleteKey(id);
    if (forgotten.length > 0) books.store.saveAccount(account);
    books.mirror.add(accountRows(account, [key], { ...cause, detail: { key: key.id } }));
  });
  books.account = account;
  books.keys.set(key.id, key);
  for (const { id } of forgotten) books.keys.delete(id);
  books.flush();
}
