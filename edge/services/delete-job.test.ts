import { expect, it } from 'vitest';
import type { SchedulerObject } from '../rpc/scheduler.ts';
import { answering, answerWith, newRecord } from '../test/answering.ts';
import { newPool } from '../test/world.ts';
import { deleteJob } from './delete-job.ts';

const CALL = { requestId: 'req_test', now: 0 };

it('does not delete a job that is handed over while it is asked for', async () => {
  const pool = newPool();
  const record = newRecord(pool);
  const owner = { jobId: record.id, accountId: record.accountId };
  const env = answering(pool, { live: [null, record], created: null });
  expect(await deleteJob(env, owner, CALL)).toEqual({
    ok: false,
    error: { reason: 'job_active', status: record.status },
  });
});

it('knows of no job that its pool and its account twice know nothing of', async () => {
  const pool = newPool();
  const { id: jobId, accountId } = newRecord(pool);
  let asked = 0;
  const find: SchedulerObject['find'] = async () => {
    asked += 1;
    return null;
  };
  const env = answering(pool, { live: [], created: null });
  const schedulers = {
    getByName: (name: string) => answerWith(env.schedulers.getByName(name), { find }),
  };
  const found = await deleteJob({ ...env, schedulers }, { jobId, accountId }, CALL);
  expect(found).toEqual({ ok: false, error: { reason: 'job_not_found' } });
  expect(asked).toBe(2);
});
