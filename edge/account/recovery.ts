/**
 * How an account that went ahead of its disk becomes whole again after its object died: the jobs
 * that its pool has and its row does not count yet are taken up with their holds, in one write.
 * From the first question on the pool takes no first offers of the life before.
 */
import { rollTo } from '../core/credit.ts';
import type { Credit, Hold } from '../core/credit.ts';
import { RECONCILE_MS } from '#schema/limits.ts';
import type { JobOrder } from '#schema/record.ts';
import type { Env } from '../env.ts';
import { logInfo } from '../io/log.ts';
import { holdOf } from './ahead.ts';
import { withUse } from './books.ts';
import type { Books } from './books.ts';
import type { AccountRow } from './row.ts';

/** Rejects, and has changed nothing, while the pool is away. */
export async function recover(env: Env, books: Books): Promise<void> {
  const { id: accountId, life } = books.account;
  if (life.aheadIn === null) return;
  const scheduler = env.schedulers.getByName(life.aheadIn);
  const epoch = life.epoch + 1;
  const found: JobOrder[] = [];
  for (let after = life.ordinal, isMore = true; isMore; after = ordinalOf(found.at(-1))) {
    const taken = await scheduler.takenAhead({ accountId, epoch, after });
    found.push(...taken.orders);
    ({ isMore } = taken);
  }
  const now = Date.now();
  let account = books.account;
  for (const order of found) account = withHold(books, account, order);
  const ordinal = found.length === 0 ? life.ordinal : ordinalOf(found.at(-1));
  account = { ...account, life: { epoch, aheadIn: null, ordinal } };
  books.store.transaction(() => {
    for (const order of found) books.store.insertJob(order, now + RECONCILE_MS);
    books.store.saveAccount(account);
  });
  books.account = account;
  books.jobsOpen += found.length;
  logInfo('account.recover', { account_id: accountId, epoch, jobs: found.length });
}

function ordinalOf(order: JobOrder | undefined): number {
  return order?.ahead?.ordinal ?? 0;
}

function withHold(books: Books, account: AccountRow, order: JobOrder): AccountRow {
  const hold = holdOf(order);
  const held = { ...account, credit: heldOn(account.credit, hold) };
  const { keyId } = hold;
  // As when the hold was placed: a key without a budget has none.
  if (keyId === null || (books.keys.get(keyId)?.dailyMillitokens ?? null) === null) return held;
  const use = account.uses[keyId] ?? books.use(keyId);
  return withUse(held, keyId, { ...use, credit: heldOn(use.credit, hold) });
}

/** It was within the limit when it was placed: the limit may be another now. */
function heldOn(credit: Credit, { day, heldMillitokens }: Hold): Credit {
  const then = rollTo(credit, day);
  if (then.day !== day) return then;
  return { ...then, heldMillitokens: then.heldMillitokens + heldMillitokens };
}
