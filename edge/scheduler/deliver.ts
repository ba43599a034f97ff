/** Carries the pool's job records to Postgres, to Accounts and to Feeds: the outbox's three ways. */
import type { JobRecord } from '#schema/record.ts';
import type { Env, Settlement } from '../env.ts';
import { logWarn } from '../io/log.ts';
import { recordJobs } from '../services/record-jobs.ts';
import type { Deliver, Receiver } from './outbox.ts';

/** Objects called at once by one delivery. */
const PARALLEL_MAX = 8;

/** The deliveries for a pool; `recordOf` answers null for a job that is gone. */
export function deliveries(
  env: Env,
  recordOf: (jobId: string) => JobRecord | null,
): Record<Receiver, Deliver> {
  const load = (jobIds: readonly string[]) => {
    const records = jobIds.map(recordOf).filter((record) => record !== null);
    // A job that is gone needs nothing more.
    const gone = jobIds.filter((id) => !records.some((record) => record.id === id));
    return { records, arrived: new Map(gone.map((id) => [id, Infinity])) };
  };
  return {
    postgres: async (jobIds) => {
      const { records, arrived } = load(jobIds);
      await recordJobs(env, records);
      for (const record of records) arrived.set(record.id, record.sequence);
      return arrived;
    },
    account: async (jobIds) => {
      const { records, arrived } = load(jobIds);
      const byAccount = Map.groupBy(records, (record) => record.accountId);
      await inParallel([...byAccount], async ([accountId, ended]) => {
        await env.accounts.getByName(accountId).settle(ended.map(toSettlement));
        for (const record of ended) arrived.set(record.id, record.sequence);
      });
      return arrived;
    },
    feed: async (jobIds) => {
      const { records, arrived } = load(jobIds);
      await inParallel(records, async (record) => {
        await env.feeds.getByName(record.id).publish(record);
        arrived.set(record.id, record.sequence);
      });
      return arrived;
    },
  };
}

function toSettlement(record: JobRecord): Settlement {
  return { jobId: record.id, settledMillitokens: record.settledMillitokens ?? 0 };
}

/** Runs `work` for each item, a few at a time; one that fails is logged and left out. */
async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const lane = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) {
      try {
        await work(item);
      } catch (error) {
        logWarn('outbox.deliver', { message: error instanceof Error ? error.message : 'unknown' });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL_MAX, items.length) }, lane));
}
