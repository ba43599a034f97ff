import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeAction,
  DISCORD_DATA_CHARS_MAX,
  encodeAction,
  TELEGRAM_DATA_BYTES_MAX,
} from './action.ts';
import { JOB_DEEDS } from './message.ts';
import type { Action } from './message.ts';

const ulid = fc
  .array(fc.constantFrom(...'0123456789abcdefghjkmnpqrstvwxyz'.split('')), {
    minLength: 25,
    maxLength: 25,
  })
  .map((letters) => `0${letters.join('')}`);
const pool = fc
  .array(fc.constantFrom(...'abcz019'.split('')), { maxLength: 15 })
  .map((letters) => `p${letters.join('')}`);
const index = fc.integer({ min: 0, max: 7 });
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    kind: fc.constant('job' as const),
    deed: fc.constantFrom(...JOB_DEEDS),
    jobId: fc.tuple(ulid, pool).map(([id, of]) => `job_${id}_${of}`),
    index,
  }),
  fc.record({
    kind: fc.constant('draft' as const),
    draftId: fc.nat().map((number) => `bot${number.toString(36)}`),
    choice: index,
  }),
  fc.record({ kind: fc.constant('example' as const), index }),
  fc.record({
    kind: fc.constant('command' as const),
    name: fc.constantFrom('help' as const, 'plan' as const, 'upgrade' as const),
  }),
);
const owner = fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String));

describe('the data of a button', () => {
  it('says again what it was made of, within the limits of both platforms', () => {
    fc.assert(
      fc.property(action, owner, (made, ownerId) => {
        const data = encodeAction(made, ownerId);
        expect(decodeAction(data)).toEqual({ action: made, ownerId });
        const most = ownerId === null ? TELEGRAM_DATA_BYTES_MAX : DISCORD_DATA_CHARS_MAX;
        expect(data.length).toBeLessThanOrEqual(most);
      }),
    );
  });

  it.each([
    '',
    'j',
    'j:z:01k00000000000000000000000_main:0',
    'j:c:../../x:0',
    'd:!:0',
    'e:',
    'c:drop',
  ])('is nothing when it was never made: %s', (data) => {
    expect(decodeAction(data)).toBeNull();
  });

  it('never fails, whatever it is given', () => {
    fc.assert(
      fc.property(fc.string(), (data) => {
        decodeAction(data);
      }),
    );
  });
});
