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
import type { ApiKeyRow } from './row.ts';

/** Verifies a caller and counts one request. */
export function admit(
  books: Books,
  caller: Caller,
  { scope, now }: { readonly scope: Scope; readonly now: number },
): Result<Principal, AccessRefusal> {
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
  if (!counted.ok) return counted;
  const rate = counted.value;
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

/** Counts a request of the account, and of a key that has a rate of its own. */
function count(
  books: Books,
  key: ApiKeyRow | null,
  now: number,
): Result<RateState, Extract<AccessRefusal, { reason: 'rate_limited' }>> {
  const { account } = books;
  const { requestsPerMinute } = PLANS[account.plan];
  const ofAccount = admitRequest(requestsPerMinute, account.tat, now);
  if (!ofAccount.ok) return fail({ reason: 'rate_limited', scope: 'account', ...ofAccount.error });
  const { tat, rate } = ofAccount.value;
  // A rate is written with the next hold; a restart forgives the requests since then.
  if (!key) {
    books.account = { ...account, tat };
    return ok(rate);
  }
  const use = books.use(key.id);
  const ofKey =
    key.requestsPerMinute === null ? null : admitRequest(key.requestsPerMinute, use.tat, now);
  if (ofKey && !ofKey.ok) return fail({ reason: 'rate_limited', scope: 'key', ...ofKey.error });
  const isNews = use.usedAt === null || now - use.usedAt >= KEY_USED_WRITE_MS;
  const usedAt = isNews ? now : use.usedAt;
  const used = { ...use, tat: ofKey?.value.tat ?? use.tat, usedAt };
  books.account = withUse({ ...account, tat }, key.id, used);
  books.isUseNews ||= isNews;
  return ok(narrower(rate, ofKey?.value.rate ?? null));
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
