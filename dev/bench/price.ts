/**
 * What Cloudflare charges beyond the amounts that the paid plan includes, in US dollars, as its
 * public price lists stood on PRICED_ON:
 * https://developers.cloudflare.com/durable-objects/platform/pricing
 * https://developers.cloudflare.com/workers/platform/pricing
 * https://developers.cloudflare.com/r2/pricing
 */

export const PRICED_ON = '2026-11-22';

/** Dollars for one million of each. */
export const PRICES = {
  /** Rows and index entries written or deleted in an object's SQLite; each setAlarm is one. */
  rowsWritten: 1,
  rowsRead: 0.001,
  /** Calls of an object from outside, and alarms. */
  objectRequests: 0.15,
  /** Gigabyte-seconds in which an object is active or cannot hibernate. */
  objectGbSeconds: 12.5,
  workerRequests: 0.3,
  workerCpuMs: 0.02,
  /** R2 operations that write, and that read. */
  r2Writes: 4.5,
  r2Reads: 0.36,
} as const;

export type PricedItem = keyof typeof PRICES;
/** Amounts of what is charged. */
export type Bill = Readonly<Record<PricedItem, number>>;

export const PRICED_ITEMS = Object.keys(PRICES) as PricedItem[];
/** An object is billed as if it used all of its 128 MB. */
export const OBJECT_GB = 0.128;
/** A month of 30 days. */
export const MONTH_S = 30 * 24 * 3600;

/** Dollars for these amounts. */
export function dollars(bill: Bill): number {
  return PRICED_ITEMS.reduce((sum, item) => sum + (bill[item] * PRICES[item]) / 1e6, 0);
}

/** The amounts of one of `count` equal parts; of a part of one, when `count` is below 1. */
export function divide(bill: Bill, count: number): Bill {
  return mapBill((item) => bill[item] / count);
}

/** A bill with this amount of each item. */
export function mapBill(amountOf: (item: PricedItem) => number): Bill {
  return Object.fromEntries(PRICED_ITEMS.map((item) => [item, amountOf(item)])) as Bill;
}
