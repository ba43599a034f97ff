/** Carries the pool's job records to Postgres, Accounts, Feeds and couriers: the outbox's ways. */
import { isTerminal } from '#schema/job.ts';
import { DELIVERY_MS_MAX, RECORD_BATCH_BYTES_MAX } from '#schema/limits.ts';
import type { JobRecord, Notice } from '#schema/record.ts';
import type { Env } from '../env.ts';
import type { Settlement } from '../rpc/account.ts';
import { inLanes } from '../io/lane.ts';
import { logWarn } from '../io/log.ts';
import { recordJobs } from '../services/record-jobs.ts';
import type { Deliver, Delivery, Receiver } from './outbox.ts';

/** A job as its receivers need it; null when it is gone. */
export interface Sources {
  readonly record: (jobId: string) => { record: JobRecord; bytes: number } | null;
  readonly settlement: (jobId: string) => EndedJob | null;
}

/** What an Account is told of a job that ended. */
export interface EndedJob extends Settlement {
  readonly accountId: string;
  readonly sequence: number;
}

/** The deliveries for a pool. A job that is gone needs nothing more: it counts as arrived. */
export function deliveries(env: Env, sources: Sources): Record<Receiver, Deliver> {
  return {
    postgres: async (jobIds) => {
      const arrived = new Map<string, number>();
      const records: JobRecord[] = [];
      let size = 0;
      for (const id of jobIds) {
        const found = sources.record(id);
        size += found?.bytes ?? 0;
        // Long chats are large: what does not fit is left for the next batch.
        if (size > RECORD_BATCH_BYTES_MAX && records.length > 0) break;
        if (found) records.push(found.record);
        arrived.set(id, found?.record.sequence ?? Infinity);
      }
      await recordJobs(env, records);
      return { arrived, failed: [] };
    },
    account: async (jobIds) => {
      const ended = jobIds.map((id) => [id, sources.settlement(id)] as const);
      const byAccount = Map.groupBy(ended, ([, job]) => job?.accountId ?? null);
      return inParallel(jobIds, [...byAccount], async ([accountId, jobs]) => {
        const live = jobs.map(([, job]) => job).filter((job) => job !== null);
        const taken =
          accountId === null ? [] : await env.accounts.getByName(accountId).settle(live);
        return jobs
          .filter(([id, job]) => job === null || taken.includes(id))
          .map(([id, job]) => [id, job?.sequence ?? Infinity]);
      });
    },
    feed: (jobIds) =>
      inParallel(jobIds, jobIds, async (id) => {
        const found = sources.record(id);
        if (found) await env.feeds.getByName(id).publish(found.record);
        return [[id, found?.record.sequence ?? Infinity]];
      }),
    courier: (jobIds) => {
      const found = jobIds.map((id) => [id, sources.record(id)?.record ?? null] as const);
      return inParallel(jobIds, [...found], async ([id, record]) => {
        await Promise.all((record?.notices ?? []).map((notice) => tell(env, notice, record!)));
        return [[id, record?.sequence ?? Infinity]];
      });
    },
  };
}

async function tell(env: Env, notice: Notice, record: JobRecord): Promise<void> {
  switch (notice.kind) {
    case 'chat':
      return env.botCouriers.getByName(notice.courier).publish([record]);
    case 'webhook':
      // An endpoint is told of ends alone.
      if (!isTerminal(record.status)) return;
      return env.webhookCouriers.getByName(notice.courier).publish([record]);
  }
}

/** Runs `work` for each item, a few at a time; jobs that it does not answer for have failed. */
async function inParallel<T>(
  jobIds: readonly string[],
  items: readonly T[],
  work: (item: T) => Promise<[jobId: string, sequence: number][]>,
): Promise<Delivery> {
  const arrived = new Map<string, number>();
  await inLanes(items, async (item) => {
    try {
      for (const [id, sequence] of await inTime(work(item))) arrived.set(id, sequence);
    } catch (error) {
      logWarn('outbox.deliver', { message: error instanceof Error ? error.message : 'unknown' });
    }
  });
  return { arrived, failed: jobIds.filter((id) => !arrived.has(id)) };
}

/** An object that does not answer must not hold up the others for ever. */
async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), DELIVERY_MS_MAX);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
