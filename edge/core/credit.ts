/**
 * Tokens of one day, of an account or of a key's budget: what is spent, what is held and what was
 * granted beyond the limit. Amounts are millitokens. Always: 0 <= spent, held, granted;
 * spent + held <= limit + granted when a hold is placed. A hold belongs to the UTC day of its
 * submit and is settled against that day, even after midnight; a grant ends with its day.
 */
import { assert } from '#schema/assert.ts';
import { DAY_MS } from '#schema/limits.ts';

/** One day's tokens of an account or a key. */
export interface Credit {
  /** UTC day, YYYY-MM-DD. */
  readonly day: string;
  readonly spentMillitokens: number;
  readonly heldMillitokens: number;
  readonly grantedMillitokens: number;
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

/** A day at its start: nothing spent, held or granted. */
export function newDay(day: string): Credit {
  return { day, spentMillitokens: 0, heldMillitokens: 0, grantedMillitokens: 0 };
}

/** The credit as of `day`. */
export function rollTo(credit: Credit, day: string): Credit {
  // A clock that steps back over midnight must not give the day's tokens anew.
  return day > credit.day ? newDay(day) : credit;
}

/** Tokens that may still be held, never negative: the limit may be less than it was. */
export function available(credit: Credit, limitMillitokens: number): number {
  const { spentMillitokens, heldMillitokens, grantedMillitokens } = credit;
  return Math.max(0, limitMillitokens + grantedMillitokens - spentMillitokens - heldMillitokens);
}

/** Gives tokens beyond the limit, for the credit's day alone. */
export function grant(credit: Credit, amount: number): Credit {
  assert(Number.isSafeInteger(amount) && amount > 0, 'a grant is a positive integer');
  return { ...credit, grantedMillitokens: credit.grantedMillitokens + amount };
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
    ...credit,
    spentMillitokens: credit.spentMillitokens + settled,
    heldMillitokens: credit.heldMillitokens - hold.heldMillitokens,
  };
}
