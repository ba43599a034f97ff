import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { divide, dollars, mapBill, MONTH_S, OBJECT_GB, PRICED_ITEMS, PRICES } from './price.ts';

const NOTHING = mapBill(() => 0);
const bills = fc
  .array(fc.integer({ min: 0, max: 1_000_000 }), {
    minLength: PRICED_ITEMS.length,
    maxLength: PRICED_ITEMS.length,
  })
  .map((amounts) => mapBill((item) => amounts[PRICED_ITEMS.indexOf(item)]!));

describe('dollars', () => {
  it.each(PRICED_ITEMS)('charges a million %s at the listed price', (item) => {
    expect(dollars({ ...NOTHING, [item]: 1_000_000 })).toBeCloseTo(PRICES[item], 10);
  });

  it('charges an object that is active all month a little over four dollars', () => {
    const bill = { ...NOTHING, objectGbSeconds: MONTH_S * OBJECT_GB };
    expect(bill.objectGbSeconds).toBeCloseTo(331_776, 6);
    expect(dollars(bill)).toBeCloseTo(4.1472, 6);
  });

  it('adds up: a bill costs what its items cost', () => {
    fc.assert(
      fc.property(bills, (bill) => {
        const items = PRICED_ITEMS.map((item) => dollars({ ...NOTHING, [item]: bill[item] }));
        const sum = items.reduce((total, one) => total + one, 0);
        expect(dollars(bill)).toBeCloseTo(sum, 8);
      }),
    );
  });
});

describe('divide', () => {
  it('gives parts that together cost the whole', () => {
    fc.assert(
      fc.property(bills, fc.integer({ min: 1, max: 1000 }), (bill, count) => {
        expect(dollars(divide(bill, count)) * count).toBeCloseTo(dollars(bill), 6);
      }),
    );
  });
});
