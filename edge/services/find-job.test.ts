import { expect, it } from 'vitest';
import { parseEnv } from '../env.ts';
import type { SchedulerObject } from '../rpc/scheduler.ts';
import { answering, answerWith, newRecord } from '../test/answering.ts';
import { bindings, newPool } from '../test/world.ts';
import { findJob } from './find-job.ts';
import { recordJobs } from './record-jobs.ts';

/** Nothing listens there. */
const NOWHERE = 'postgres://nobody:nothing@127.0.0.1:1/none';

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
