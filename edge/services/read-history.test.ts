import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import type { JobRecord } from '#schema/record.ts';
import { asCreated } from '../account/order.ts';
import { picture } from '../core/fixture.ts';
import { parseEnv } from '../env.ts';
import { makeAccountId, makeJobId } from '../io/id.ts';
import { bindings, newOrder } from '../test/world.ts';
import { readJob, readJobs } from './read-history.ts';
import { recordJobs } from './record-jobs.ts';

const env = parseEnv(bindings);
const NOW = Date.UTC(2026, 10, 22, 12);
const DAY_MS = 24 * 60 * 60 * 1000;
const DAYS = 6;
const PER_DAY = 4;
const accountId = makeAccountId(NOW);

/** One job each six hours, oldest first, with none to three results; its id is a second older. */
const records: readonly JobRecord[] = Array.from({ length: DAYS * PER_DAY }, (_, n) => {
  const createdAt = NOW + (n * DAY_MS) / PER_DAY;
  const id = makeJobId('main', createdAt - 1000);
  return {
    ...asCreated(newOrder('main', accountId, { id, createdAt })).record,
    status: n % 3 === 0 ? 'cancelled' : 'completed',
    sequence: 3,
    finishedAt: createdAt + 1,
    settledMillitokens: 0,
    artifacts: Array.from({ length: n % 4 }, (__, index) =>
      picture({ index, key: `result/${id}/1/${index}.png` }),
    ),
  };
});
const newestFirst = records.toReversed();

beforeAll(async () => {
  const stranger = makeAccountId(NOW);
  const theirs = records.map(({ createdAt }) => {
    const id = makeJobId('main', createdAt);
    return asCreated(newOrder('main', stranger, { id, createdAt })).record;
  });
  await recordJobs(env, [...records, ...theirs]);
});

it('gives each job with all its results, in their order', async () => {
  for (const record of records) {
    expect(await readJob(env, { jobId: record.id, accountId })).toEqual(record);
  }
});

it('gives a page newest first, each job whole and once, however many results it has', async () => {
  expect(await readJobs(env, { accountId, query: { limit: 9 } })).toEqual(newestFirst.slice(0, 10));
  const cursor = newestFirst[9]!.id;
  const next = await readJobs(env, { accountId, query: { limit: 3, cursor } });
  expect(next).toEqual(newestFirst.slice(10, 14));
});

it('gives of any span of time exactly the jobs that were made in it', async () => {
  const time = fc.integer({ min: -DAY_MS, max: (DAYS + 1) * DAY_MS }).map((ms) => NOW + ms);
  const edge = fc.constantFrom(...records.map(({ createdAt }) => createdAt));
  const bound = fc.option(fc.oneof(time, edge), { nil: undefined });
  await fc.assert(
    fc.asyncProperty(bound, bound, async (after, before) => {
      const found = await readJobs(env, {
        accountId,
        query: {
          limit: 100,
          ...(after === undefined ? {} : { created_after: new Date(after).toISOString() }),
          ...(before === undefined ? {} : { created_before: new Date(before).toISOString() }),
        },
      });
      const wanted = newestFirst.filter(
        ({ createdAt }) =>
          (after === undefined || createdAt > after) &&
          (before === undefined || createdAt < before),
      );
      expect(found.map(({ id }) => id)).toEqual(wanted.map(({ id }) => id));
    }),
    { numRuns: 40 },
  );
});

it('gives the jobs of a status, and none of a type that was not asked for', async () => {
  const cancelled = await readJobs(env, { accountId, query: { limit: 50, status: 'cancelled' } });
  expect(cancelled).toEqual(newestFirst.filter(({ status }) => status === 'cancelled'));
  expect(await readJobs(env, { accountId, query: { limit: 50, type: 'speech' } })).toEqual([]);
});
