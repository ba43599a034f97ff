import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { BUGS } from './bugs.ts';
import { simulate } from './crew.ts';
import { applyPatch } from './hooks.ts';

/**
 * Seeds that find each bug, and the rule that it breaks. Any change of production code makes other
 * worlds of the same seeds, so when all named seeds miss a bug the first ones are searched too.
 */
const FOUND: Readonly<
  Record<string, { readonly seeds: readonly number[]; readonly rule: RegExp }>
> = {
  'agent-delivers-after-its-lease': {
    seeds: [6, 34],
    rule: /an agent ends no lease that has lapsed/,
  },
  'agent-runs-on-without-lease': {
    seeds: [2, 40, 42, 77],
    rule: /an agent runs a job only while its lease lasts/,
  },
  'ahead-counted-twice': {
    seeds: [5, 7, 27, 42],
    rule: /everything comes to rest|what was settled is spent, once/,
  },
  'ahead-forgotten': { seeds: [40, 44, 51, 65], rule: /what was settled is spent, once/ },
  'any-session-ends': { seeds: [9], rule: /only the holder ends an attempt/ },
  'attempts-unbounded': { seeds: [4, 7, 9, 11], rule: /a pool is sound/ },
  'cancelled-job-delivers': {
    seeds: [1, 3, 6, 7],
    rule: /a cancelled job delivers no result|a cancelled job never runs again/,
  },
  'cursor-passes-undelivered': {
    seeds: [5, 9, 15, 24],
    rule: /the history tells how a job ended|an accepted job is found/,
  },
  'double-settle': { seeds: [1, 2, 3, 4], rule: /what is held is held for open jobs/ },
  'duplicate-enqueue': { seeds: [1, 2, 3, 4], rule: /state and store stay in step/ },
  'hold-leak': { seeds: [1, 5, 21, 22], rule: /what was refused or only asked about never runs/ },
  'key-not-stored': { seeds: [2, 3, 4, 5], rule: /one idempotency key gives one job/ },
  'key-of-another-body': { seeds: [2, 3, 5, 9], rule: /a key is not reused for another body/ },
  'lease-never-lapses': { seeds: [6, 9, 27, 36], rule: /a restart gives the same state/ },
  'limit-not-held': { seeds: [30, 107], rule: /held and spent are within the day's limit/ },
  'lost-wake-up': { seeds: [5, 17, 27, 43], rule: /everything comes to rest/ },
  'no-fencing': {
    seeds: [17, 29, 35, 46],
    rule: /a stale token changes nothing and is told so/,
  },
  'offer-of-a-former-life-taken': {
    seeds: [5, 40],
    rule: /what was settled is spent, once/,
  },
  'outbox-forgets': {
    seeds: [4, 5, 12, 17],
    rule: /an accepted job is found|everything comes to rest|the history tells how a job ended/,
  },
  'outbox-overtakes': {
    seeds: [2, 5, 9, 27],
    rule: /an accepted job is found|whoever asked is told how a job ended|the history tells how a job ended/,
  },
  'parked-poll-forgotten': { seeds: [21, 22, 67, 95], rule: /an idle agent gets a waiting job/ },
  'place-lost-on-requeue': { seeds: [1, 2, 4, 5], rule: /a job handed back keeps its place/ },
  'requeue-on-cancel': { seeds: [59, 110, 125], rule: /a cancelled job never runs again/ },
  'restart-forgets-couriers': {
    seeds: [4, 5, 6, 7],
    rule: /whoever asked is told how a job ended/,
  },
  'restart-forgets-settlements': {
    seeds: [5, 37],
    rule: /a job that has ended never returns|what a user sees of a job never goes back/,
  },
  'stale-completion-accepted': {
    seeds: [29, 35, 73, 83],
    rule: /a stale token changes nothing and is told so/,
  },
  'terminal-overwritten': { seeds: [27, 39, 43, 76], rule: /a terminal state is final/ },
  'tier-inversion': { seeds: [1, 7, 11, 13], rule: /no lower tier goes before a higher one/ },
  'unbounded-bypass': { seeds: [5, 27, 51, 121], rule: /a head is passed over within its bound/ },
};

const SEARCHED = Array.from({ length: 80 }, (_, index) => index + 1);
const ROOT = join(import.meta.dirname, '../..');
const told = new Map<string, readonly string[]>();

describe('a planted bug', () => {
  beforeAll(async () => {
    const waiting = [...BUGS];
    const lane = async () => {
      for (let bug = waiting.shift(); bug; bug = waiting.shift()) {
        const { name } = bug;
        const seeds = [...(FOUND[name]?.seeds ?? []), ...SEARCHED];
        await simulate({ seeds, bug: name, threads: 1, stopsEarly: true }, ({ violations }) => {
          if (violations.length === 0) return;
          told.set(
            name,
            violations.map(({ rule }) => rule),
          );
        });
      }
    };
    await Promise.all([lane(), lane()]);
  }, 240_000);

  it.each(BUGS)('is found by a named seed: $name', ({ name }) => {
    expect(told.get(name)?.join('; ') ?? 'nothing').toMatch(FOUND[name]?.rule ?? /never/);
  });

  it.each(BUGS.flatMap(({ patches }) => patches))('still has what it changes: $from', (one) => {
    const source = readFileSync(join(ROOT, one.file), 'utf8');
    expect(applyPatch(source, one)).not.toBe(source);
  });

  it('whose text is gone, or is there twice, is refused', () => {
    const one = { file: 'x.ts', from: 'a', to: 'b' };
    expect(applyPatch('xay', one)).toBe('xby');
    expect(() => applyPatch('xy', one)).toThrow('0 times');
    expect(() => applyPatch('aya', one)).toThrow('2 times');
  });
});
