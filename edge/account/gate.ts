/**
 * Who may come in: finds the key, looks at the account and its plan, counts the request, then
 * looks at what the key may do. Every key's hashes are compared, each in constant time.
 */
import { KEY_USED_WRITE_MS } from '#schema/limits.ts';
import { PLANS } from '#schema/plan.ts';
import type { Scope } from '#schema/scope.ts';
import { mayDo } from '../core/key.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import type { AccessRefusal, Caller, Principal, RateState } from '../rpc/account.ts';
import { equalHash } from '../io/token.ts';
import { withUse } from './books.ts';
import type { Books } from './books.ts';
import { chargeRequests, admitRequest, narrower } from './rate.ts';
import { endPlan } from './office.ts';
import type { AccountRow, ApiKeyRow } from './row.ts';

interface Entry {
  readonly scope: Scope;
  readonly now: number;
}

/** Verifies a caller and counts one request. */
export function admit(
  books: Books,
  caller: Caller,
  { scope, now }: Entry,
): Result<Principal, AccessRefusal> {
  const seen = look(books, caller, now);
  if (!seen.ok) return seen;
  const { counted } = seen.value;
  books.account = counted.account;
  books.isUseNews ||= counted.isUseNews;
  return enter(books, seen.value, scope);
}

/** Verifies a caller whose request is counted before or after; `rate` is as it stands. */
export function identify(
  books: Books,
  caller: Caller,
  { scope, now }: Entry,
): Result<Principal, AccessRefusal> {
  const seen = look(books, caller, now);
  if (!seen.ok) return seen;
  const { key, counted } = seen.value;
  const rate = standing(books, key, now);
  return enter(books, { key, counted: { ...counted, rate } }, scope);
}

/** A caller who may call, and what a request of theirs would change. */
interface Seen {
  readonly key: ApiKeyRow | null;
  readonly counted: Counted;
}

interface Counted {
  readonly account: AccountRow;
  readonly isUseNews: boolean;
  readonly rate: RateState;
}

function look(books: Books, caller: Caller, now: number): Result<Seen, AccessRefusal> {
  endPlan(books, now);
  const key = caller.kind === 'key' ? findKey(books.keys.values(), caller.secretHash, now) : null;
  if (caller.kind === 'key' && !key) return fail({ reason: 'unauthorized' });
  const expiredAt = key?.expiresAt ?? Infinity;
  if (expiredAt <= now) return fail({ reason: 'key_expired', expiredAt });
  const { account } = books;
  if (account.blocked) return fail({ reason: 'account_blocked' });
  if (key && !PLANS[account.plan].api) {
    return fail({ reason: 'plan_required', needed: 'starter', what: 'the API' });
  }
  const counted = count(books, key, now);
  return counted.ok ? ok({ key, counted: counted.value }) : counted;
}

function enter(
  { account }: Books,
  { key, counted: { rate } }: Seen,
  scope: Scope,
): Result<Principal, AccessRefusal> {
  if (key && !mayDo(key, scope)) return fail({ reason: 'scope_required', scope, rate });
  return ok({ accountId: account.id, apiKeyId: key?.id ?? null, plan: account.plan, rate });
}

/** The live key with this secret, or with this secret before its last rotation. */
function findKey(keys: Iterable<ApiKeyRow>, secretHash: string, now: number): ApiKeyRow | null {
  let found: ApiKeyRow | null = null;
  for (const key of keys) {
    const isCurrent = equalHash(key.secretHash, secretHash);
    const isPrevious =
      equalHash(key.previousHash ?? '', secretHash) && now < (key.overlapUntil ?? 0);
    if ((isCurrent || isPrevious) && key.revokedAt === null) found = key;
  }
  return found;
}

/** A request of the account, and of a key that has a rate of its own, counted. */
function count(
  books: Books,
  key: ApiKeyRow | null,
  now: number,
): Result<Counted, Extract<AccessRefusal, { reason: 'rate_limited' }>> {
  const { account } = books;
  const { requestsPerMinute } = PLANS[account.plan];
  const ofAccount = admitRequest(requestsPerMinute, account.tat, now);
  if (!ofAccount.ok) return fail({ reason: 'rate_limited', scope: 'account', ...ofAccount.error });
  const { tat, rate } = ofAccount.value;
  // A rate is written with the next hold; a restart forgives the requests since then.
  if (!key) return ok({ account: { ...account, tat }, isUseNews: false, rate });
  const use = books.use(key.id);
  const ofKey =
    key.requestsPerMinute === null ? null : admitRequest(key.requestsPerMinute, use.tat, now);
  if (ofKey && !ofKey.ok) return fail({ reason: 'rate_limited', scope: 'key', ...ofKey.error });
  const isUseNews = use.usedAt === null || now - use.usedAt >= KEY_USED_WRITE_MS;
  const usedAt = isUseNews ? now : use.usedAt;
  const used = { ...use, tat: ofKey?.value.tat ?? use.tat, usedAt };
  return ok({
    account: withUse({ ...account, tat }, key.id, used),
    isUseNews,
    rate: narrower(rate, ofKey?.value.rate ?? null),
  });
}

/** How the rate stands. */
function standing(books: Books, key: ApiKeyRow | null, now: number): RateState {
  const { plan, tat } = books.account;
  const limit = PLANS[plan].requestsPerMinute;
  const ofAccount = chargeRequests(limit, { tat, count: 0, now }).rate;
  if (!key || key.requestsPerMinute === null) return ofAccount;
  const use = { tat: books.use(key.id).tat, count: 0, now };
  return narrower(ofAccount, chargeRequests(key.requestsPerMinute, use).rate);
}

/** Counts requests beside the one that was counted before; how the rate stands then. */
export function charge(books: Books, principal: Principal, requests: number): Principal {
  if (requests <= 0) return principal;
  const { account } = books;
  const now = Date.now();
  const counted = { count: requests, now };
  const ofAccount = chargeRequests(PLANS[account.plan].requestsPerMinute, {
    tat: account.tat,
    ...counted,
  });
  books.account = { ...account, tat: ofAccount.tat };
  const key = books.keys.get(principal.apiKeyId ?? '');
  if (!key || key.requestsPerMinute === null) return { ...principal, rate: ofAccount.rate };
  const use = books.use(key.id);
  const ofKey = chargeRequests(key.requestsPerMinute, { tat: use.tat, ...counted });
  books.account = withUse(books.account, key.id, { ...use, tat: ofKey.tat });
  return { ...principal, rate: narrower(ofAccount.rate, ofKey.rate) };
}
