/** Laws of the turns that sessions take on one engine. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lendEngine } from './turns.ts';
import type { Claim } from './turns.ts';

/** Claims of one to six sessions, at most one of which runs; and who ran last. */
const Claims = fc
  .record({
    waits: fc.array(fc.boolean(), { minLength: 1, maxLength: 6 }),
    runner: fc.option(fc.nat(5), { nil: null }),
    last: fc.nat(5),
  })
  .map(({ waits, runner, last }) => {
    const running = runner === null ? null : runner % waits.length;
    const claims = waits.map((waiting, place): Claim => {
      const runs = place === running;
      return { runs, waits: waiting, endsAt: runs ? 7000 : null };
    });
    return { claims, running, last: last % waits.length };
  });

const freeFor = (claims: readonly Claim[], last: number) =>
  [...lendEngine(claims, last).entries()].flatMap(([place, lent]) => (lent ? [] : [place]));

describe('an engine that is shared', () => {
  it('is never open to a session while another one runs', () => {
    fc.assert(
      fc.property(Claims, ({ claims, running, last }) => {
        const free = freeFor(claims, last);
        for (const place of free) expect(running === null || place === running).toBe(true);
      }),
    );
  });

  it('is open to exactly one that waits, when any waits and none runs', () => {
    fc.assert(
      fc.property(Claims, ({ claims, running, last }) => {
        fc.pre(running === null && claims.some(({ waits }) => waits));
        const free = freeFor(claims, last);
        expect(free).toHaveLength(1);
        expect(claims[free[0]!]!.waits).toBe(true);
      }),
    );
  });

  it('is open to all when nobody runs and nobody waits: the first to get a job has it', () => {
    fc.assert(
      fc.property(Claims, ({ claims, running, last }) => {
        fc.pre(running === null && claims.every(({ waits }) => !waits));
        expect(freeFor(claims, last)).toHaveLength(claims.length);
      }),
    );
  });

  it('tells the others when the run should end', () => {
    fc.assert(
      fc.property(Claims, ({ claims, running, last }) => {
        fc.pre(running !== null);
        for (const [place, lent] of lendEngine(claims, last).entries()) {
          if (place !== running) expect(lent).toEqual({ freeAt: 7000 });
        }
      }),
    );
  });

  it('comes to each that waits before anyone has it twice', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(4), { minLength: 1, maxLength: 6 }), fc.nat(5), (jobs, last) => {
        const left = [...jobs];
        let ran = last % jobs.length;
        let since = jobs.map(() => 0);
        while (left.some((count) => count > 0)) {
          const claims = left.map((count) => ({ runs: false, waits: count > 0, endsAt: null }));
          const [next] = freeFor(claims, ran);
          left[next!]!--;
          ran = next!;
          since = since.map((runs, place) => (place === next || left[place] === 0 ? 0 : runs + 1));
          for (const runs of since) expect(runs).toBeLessThan(jobs.length);
        }
      }),
    );
  });
});
