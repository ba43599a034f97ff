/**
 * What the operator does to an account, each with a reason and an audit entry, and what he sees of
 * it. A plan granted for a time gives way by itself to the one before. A grant of tokens is for
 * the day on which it is made, and is made once however often it is asked for.
 */
import { PLANS } from '#schema/plan.ts';
import { grant, renewalAfter, rollTo, utcDay } from '../core/credit.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import type {
  AccountProfile,
  AccountState,
  Deed,
  Measure,
  MeasureRefusal,
} from '../rpc/account.ts';
import type { Books } from './books.ts';
import { listKeys } from './keyring.ts';
import { accountRows, auditRow } from './mirror.ts';
import type { AccountRow } from './row.ts';

/** Puts the plan that comes after one that has ended in its place. */
export function endPlan(books: Books, now: number): void {
  const { account } = books;
  const { planUntil } = account;
  if (planUntil === null || planUntil > now) return;
  const ended: AccountRow = {
    ...account,
    plan: account.planAfter,
    planUntil: null,
    planAfter: 'free',
  };
  const detail = { from: account.plan, to: ended.plan };
  const deed = { actor: account.id, requestId: `${account.id}:${planUntil}`, reason: null };
  write(books, ended, { ...deed, action: 'plan.end', detail, now });
}

/** Does it, unless it was done before. */
export function administer(
  books: Books,
  measure: Measure,
  deed: Deed,
): Result<AccountProfile, MeasureRefusal> {
  const now = Date.now();
  endPlan(books, now);
  const { account } = books;
  switch (measure.kind) {
    case 'set_plan': {
      const changed = { ...account, ...toPlan(account, measure) };
      const detail = { from: account.plan, to: measure.plan, until: measure.until };
      write(books, changed, { ...deed, action: 'plan.set', detail, now });
      break;
    }
    case 'grant':
      if (!grantTokens(books, measure, { ...deed, now })) {
        return fail({ reason: 'idempotency_conflict' });
      }
      break;
    case 'block':
      write(
        books,
        { ...account, blocked: true, blockReason: deed.reason },
        { ...deed, action: 'account.block', now },
      );
      break;
    case 'unblock':
      write(
        books,
        { ...account, blocked: false, blockReason: null },
        { ...deed, action: 'account.unblock', now },
      );
      break;
    case 'note': {
      const { action, target, detail } = measure;
      books.mirror.add([auditRow(target, { ...deed, action, detail, now })]);
      books.flush();
      break;
    }
  }
  return ok(showProfile(books, now));
}

/** A plan without an end is for good; one with an end gives way to the last that had none. */
function toPlan(
  { plan, planUntil, planAfter }: AccountRow,
  to: Extract<Measure, { kind: 'set_plan' }>,
): Pick<AccountRow, 'plan' | 'planUntil' | 'planAfter'> {
  if (to.until === null) return { plan: to.plan, planUntil: null, planAfter: 'free' };
  const after = planUntil === null ? plan : planAfter;
  return { plan: to.plan, planUntil: to.until, planAfter: after };
}

/** False when the same id has granted something else. */
function grantTokens(
  books: Books,
  { grantId, millitokens }: Extract<Measure, { kind: 'grant' }>,
  deed: Deed & { now: number },
): boolean {
  const { store, account } = books;
  const { now } = deed;
  // No idempotency key of a user, nor what is made of one for the jobs of a batch, begins so.
  const key = ` grant ${grantId}`;
  const bodyHash = JSON.stringify([millitokens, deed.reason]);
  const before = store.findIdempotent(key, now);
  if (before) return before.bodyHash === bodyHash;
  const credit = grant(rollTo(account.credit, utcDay(now)), millitokens);
  const granted = { ...account, credit };
  const detail = { day: credit.day, millitokens };
  store.transaction(() => {
    store.saveIdempotent(key, { bodyHash, jobId: '' }, now);
    store.saveAccount(granted);
    books.mirror.add(accountRows(granted, [], { ...deed, action: 'tokens.grant', detail }));
  });
  books.account = granted;
  books.flush();
  return true;
}

/** Writes the account and the audit entry of why. */
function write(
  books: Books,
  account: AccountRow,
  cause: Deed & { action: string; detail?: Record<string, unknown>; now: number },
): void {
  books.store.transaction(() => {
    books.store.saveAccount(account);
    books.mirror.add(accountRows(account, [], cause));
  });
  books.account = account;
  books.flush();
}

/** How the account stands at `now`. */
export function showState(books: Books, now: number): AccountState {
  const { account, jobsOpen } = books;
  const credit = books.credit(now);
  return {
    id: account.id,
    plan: account.plan,
    planUntil: account.planUntil,
    planAfter: account.planAfter,
    day: credit.day,
    spentMillitokens: credit.spentMillitokens,
    heldMillitokens: credit.heldMillitokens,
    grantedMillitokens: credit.grantedMillitokens,
    limitMillitokens: PLANS[account.plan].dailyMillitokens + credit.grantedMillitokens,
    renewsAt: renewalAfter(now),
    jobsOpen,
  };
}

/** All the operator sees. */
export function showProfile(books: Books, now: number): AccountProfile {
  const { name, createdAt, blocked, blockReason } = books.account;
  return {
    name,
    createdAt,
    blockReason: blocked ? (blockReason ?? '') : null,
    state: showState(books, now),
    keys: listKeys(books, now),
    endpoints: [...books.endpoints.values()],
  };
}
