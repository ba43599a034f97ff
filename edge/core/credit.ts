/**
 * A user's tokens of one day: what is spent and what is held. Amounts are millitokens.
 * Always: 0 <= spent, 0 <= held, spent + held <= the day's limit when a hold is placed. A hold
 * belongs to the UTC day of its submit and is settled against that day, even after midnight.
 */
import { assert } from '#schema/assert.ts';
import { DAY_MS } from '#schema/limits.ts';

/** One day's tokens of an account. */
export interface Credit {
  /** UTC day, YYYY-MM-DD. */
  readonly day: string;
  readonly spentMillitokens: number;
  readonly heldMillitokens: number;
}

/** One open hold. */
export interface Hold {
  readonly day: string;
  readonly heldMillitokens: number;
}

/** When the UTC day of an instant ends and its tokens renew, epoch ms. */
export function renewalAfter(now: number): number {
  return (Math.floor(now / DAY_MS) + 1) * DAY_MS;
}

/** The UTC day of an instant, YYYY-MM-DD (civil-from-days, howardhinnant.github.io/date_algorithms.html). */
export function utcDay(now: number): string {
  const z = Math.floor(now / DAY_MS) + 719_468;
  const era = Math.floor(z / 146_097);
  const doe = z - era * 146_097;
  const yoe = Math.floor(
    (doe - Math.floor(doe / 1460) + Math.floor(doe / 36_524) - Math.floor(doe / 146_096)) / 365,
  );
  const doy = doe - (365 * yoe + Math.floor(yoe / 4) - Math.floor(yoe / 100));
  const mp = Math.floor((5 * doy + 2) / 153);
  const date = doy - Math.floor((153 * mp + 2) / 5) + 1;
  const month = mp < 10 ? mp + 3 : mp - 9;
  const year = yoe + era * 400 + (month <= 2 ? 1 : 0);
  return `${year}-${String(month).padStart(2, '0')}-${String(date).padStart(2, '0')}`;
}

/** The credit as of `day`: a new day starts with nothing spent or held. */
export function rollTo(credit: Credit, day: string): Credit {
  // A clock that steps back over midnight must not give the day's tokens anew.
  return day > credit.day ? { day, spentMillitokens: 0, heldMillitokens: 0 } : credit;
}

/** Tokens that may still be held, never negative. */
export function available(credit: Credit, limitMillitokens: number): number {
  return Math.max(0, limitMillitokens - credit.spentMillitokens - credit.heldMillitokens);
}

/** Places a hold, or null when the day's limit does not cover it. */
export function placeHold(credit: Credit, amount: number, limitMillitokens: number): Credit | null {
  assert(Number.isSafeInteger(amount) && amount > 0, 'a hold is a positive integer');
  if (amount > available(credit, limitMillitokens)) return null;
  return { ...credit, heldMillitokens: credit.heldMillitokens + amount };
}

/** Ends a hold: `settled` of it is spent, the rest released. */
export function endHold(credit: Credit, hold: Hold, settled: number): Credit {
  assert(Number.isSafeInteger(settled) && settled >= 0, 'a settlement is an integer');
  assert(settled <= hold.heldMillitokens, 'a settlement never exceeds its hold');
  if (hold.day !== credit.day) return credit;
  assert(credit.heldMillitokens >= hold.heldMillitokens, 'what is released was held');
  return {
    day: credit.day,
    spentMillitokens: credit.spentMillitokens + settled,
    heldMillitokens: credit.heldMillitokens - hold.heldMillitokens,
  };
}
