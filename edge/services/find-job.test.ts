import { expect, it } from 'vitest';
import type { JobRecord } from '#schema/record.ts';
import { asCreated } from '../account/order.ts';
import { parseEnv } from '../env.ts';
import type { Env } from '../env.ts';
import { makeAccountId, makeJobId } from '../io/id.ts';
import type { AccountObject } from '../rpc/account.ts';
import type { SchedulerObject } from '../rpc/scheduler.ts';
import { bindings, newOrder, newPool } from '../test/world.ts';
import { findJob, toLive } from './find-job.ts';
import { recordJobs } from './record-jobs.ts';

/** Nothing listens there. */
const NOWHERE = 'postgres://nobody:nothing@127.0.0.1:1/none';

function newRecord(pool: string): JobRecord {
  const now = Date.now();
  const id = makeJobId(pool, now);
  return asCreated(newOrder(pool, makeAccountId(now), { id, createdAt: now })).record;
}

/** The real ones, but for what the Scheduler and the Account answer to each question. */
function answering(
  pool: string,
  { live, created }: { live: readonly (JobRecord | null)[]; created: JobRecord | null },
  more: Partial<Env> = {},
): Env {
  const env = parseEnv({ ...bindings, POOLS: pool });
  const left = [...live];
  const find: SchedulerObject['find'] = async () => {
    const record = left.shift();
    return record ? toLive(record) : null;
  };
  const findCreated: AccountObject['findCreated'] = async () => created;
  return {
    ...env,
    schedulers: { getByName: (name) => answerWith(env.schedulers.getByName(name), { find }) },
    accounts: { getByName: (name) => answerWith(env.accounts.getByName(name), { findCreated }) },
    ...more,
  };
}

function answerWith<T extends object>(object: T, answers: Partial<T>): T {
  return new Proxy(object, {
    get: (target, name) => Reflect.get(name in answers ? answers : target, name),
  });
}

it('finds a job that was handed over while it was asked for, whether or not the history answers', async () => {
  const pool = newPool();
  const record = newRecord(pool);
  const owner = { jobId: record.id, accountId: record.accountId };
  for (const more of [{}, { databaseUrl: NOWHERE, databaseWsProxy: '127.0.0.1:1' }]) {
    const env = answering(pool, { live: [null, record], created: null }, more);
    expect(await findJob(env, owner)).toMatchObject({ ok: true, value: { record } });
  }
});

it('finds a job that was handed over and ended while it was asked for', async () => {
  const pool = newPool();
  const record = newRecord(pool);
  const ended = { ...record, status: 'cancelled' as const, sequence: 3, settledMillitokens: 0 };
  let asked = 0;
  const find: SchedulerObject['find'] = async () => {
    asked += 1;
    if (asked === 2) await recordJobs(parseEnv(bindings), [ended]);
    return null;
  };
  const env = answering(pool, { live: [], created: null });
  const schedulers = {
    getByName: (name: string) => answerWith(env.schedulers.getByName(name), { find }),
  };
  const owner = { jobId: record.id, accountId: record.accountId };
  const found = await findJob({ ...env, schedulers }, owner);
  expect(found).toMatchObject({ ok: true, value: { record: { status: 'cancelled' } } });
});

it('says that the history is away, not that there is no such job, when nobody else has it', async () => {
  const pool = newPool();
  const { id: jobId, accountId } = newRecord(pool);
  const away = { databaseUrl: NOWHERE, databaseWsProxy: '127.0.0.1:1' };
  const env = answering(pool, { live: [], created: null }, away);
  expect(await findJob(env, { jobId, accountId })).toEqual({
    ok: false,
    error: { reason: 'history_unavailable' },
  });
});

it('takes the word of whoever has the job over a history that lags behind', async () => {
  const pool = newPool();
  const record = newRecord(pool);
  const owner = { jobId: record.id, accountId: record.accountId };
  const running = { ...record, status: 'running' as const, sequence: 2 };
  await recordJobs(parseEnv(bindings), [{ ...record, status: 'queued', sequence: 1 }]);
  const env = answering(pool, { live: [null, running], created: null });
  expect(await findJob(env, owner)).toMatchObject({ ok: true, value: { record: running } });
});
