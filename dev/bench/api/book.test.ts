import { describe, expect, it } from 'vitest';
import { examine, type Witnesses } from './book.ts';

const JOBS = ['job_a', 'job_b', 'job_c'];

/** Three jobs that went as they must: one ran, one was cancelled, one had a client that gave up. */
const GOOD: Witnesses = {
  told: [
    { key: 'a', ids: ['job_a', 'job_a'] },
    { key: 'b', ids: ['job_b'] },
    { key: 'c', ids: [] },
    { key: 'd', ids: [] },
  ],
  ends: new Map([
    ['job_a', 1],
    ['job_c', 1],
  ]),
  jobs: [
    { id: 'job_a', key: 'a', status: 'completed', isFinished: true },
    { id: 'job_b', key: 'b', status: 'cancelled', isFinished: true },
    { id: 'job_c', key: 'c', status: 'completed', isFinished: true },
  ],
  entries: JOBS.flatMap((jobId) => [
    { jobId, kind: 'hold', millitokens: 70 },
    { jobId, kind: 'settle', millitokens: 50 },
    { jobId, kind: 'release', millitokens: 20 },
  ]),
  balances: [
    { accountId: 'acc', spentMillitokens: 150, heldMillitokens: 0, settledMillitokens: 150 },
  ],
  faults: [],
};

function brokenBy(change: Partial<Witnesses>): Record<string, readonly string[]> {
  const findings = examine({ ...GOOD, ...change });
  return Object.fromEntries(
    findings.filter(({ broken }) => broken.length > 0).map(({ claim, broken }) => [claim, broken]),
  );
}

const LOST = 'every acknowledged job exists, once';
const DOUBLE = 'no idempotency key has two jobs, whether repeated or cut off';
const UNENDED = 'every job ended, once';
const UNBALANCED = 'hold = settle + release, for every job';
const MISCOUNTED = 'every account has spent what its ledger says, and holds nothing';
const FAULTY = 'every answer was the job, or a refusal to come so often';

describe('the book of a crowd', () => {
  it('has nothing to say of jobs that went as they must', () => {
    expect(brokenBy({})).toEqual({});
    expect(examine(GOOD).map(({ checked }) => checked)).toEqual([2, 4, 3, 3, 1, 4]);
  });

  it('names a job that was acknowledged and is not there', () => {
    expect(brokenBy({ jobs: GOOD.jobs.slice(1) })).toEqual({ [LOST]: ['job_a'] });
  });

  it('names a job that is there twice', () => {
    const { [LOST]: lost } = brokenBy({ jobs: [...GOOD.jobs, GOOD.jobs[0]!] });
    expect(lost).toEqual(['job_a']);
  });

  it('names a key with two jobs, of which one client was told of both', () => {
    const told = [{ key: 'a', ids: ['job_a', 'job_b'] }, ...GOOD.told.slice(1)];
    expect(brokenBy({ told })).toEqual({ [DOUBLE]: ['a: job_a, job_b'] });
  });

  it('names a key with two jobs, of which a client that was cut off never heard', () => {
    const jobs = GOOD.jobs.map((job) => (job.id === 'job_b' ? { ...job, key: 'c' } : job));
    expect(brokenBy({ jobs })[DOUBLE]).toEqual(['c: job_b, job_c']);
  });

  it('names a job that nobody asked for', () => {
    const jobs = GOOD.jobs.map((job) => (job.id === 'job_c' ? { ...job, key: 'z' } : job));
    expect(brokenBy({ jobs })).toEqual({ [DOUBLE]: ['job_c: not asked for'] });
  });

  it.each([
    ['still runs', { status: 'running', isFinished: false }, 'job_a is running'],
    ['has an end without a time', { isFinished: false }, 'job_a is completed'],
  ])('names a job that %s', (_, change, told) => {
    const [first, ...others] = GOOD.jobs;
    expect(brokenBy({ jobs: [{ ...first!, ...change }, ...others] })).toEqual({
      [UNENDED]: [told],
    });
  });

  it.each([
    ['twice', 2],
    ['by nobody', 0],
  ])('names a completed job that was ended %s', (_, count) => {
    const ends = new Map(GOOD.ends).set('job_a', count);
    const told = `job_a is completed, ended by agents ${count} times`;
    expect(brokenBy({ ends })).toEqual({ [UNENDED]: [told] });
  });

  it('takes a cancelled job that an agent ended, once', () => {
    expect(brokenBy({ ends: new Map(GOOD.ends).set('job_b', 1) })).toEqual({});
    expect(Object.keys(brokenBy({ ends: new Map(GOOD.ends).set('job_b', 2) }))).toEqual([UNENDED]);
  });

  it.each([
    ['a release is missing', GOOD.entries.slice(0, -1)],
    ['a hold is missing', GOOD.entries.slice(1)],
    [
      'nothing closed the hold',
      GOOD.entries.filter(({ jobId: id, kind }) => id !== 'job_c' || kind === 'hold'),
    ],
    ['a settlement stands twice', [...GOOD.entries, GOOD.entries[1]!]],
  ])('names a job of which %s', (_, entries) => {
    const broken = brokenBy({ entries });
    expect(Object.keys(broken)).toEqual([UNBALANCED]);
    expect(broken[UNBALANCED]).toHaveLength(1);
  });

  it.each([
    ['spent more than its ledger says', { spentMillitokens: 151 }],
    ['still holds something', { heldMillitokens: 1 }],
  ])('names an account that %s', (_, change) => {
    const balances = [{ ...GOOD.balances[0]!, ...change }];
    expect(Object.keys(brokenBy({ balances }))).toEqual([MISCOUNTED]);
  });

  it('passes on what clients should never have seen', () => {
    expect(brokenBy({ faults: ['a: 500'] })).toEqual({ [FAULTY]: ['a: 500'] });
  });
});
