import { expect, it } from 'vitest';
import { JobRequest } from '#schema/job.ts';
import { DELIVERIES_MAX, JOBS_PER_BATCH_MAX } from '#schema/limits.ts';
import { asCreated } from '../account/order.ts';
import { ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { Principal, SubmitInput } from '../rpc/account.ts';
import { makeAccountId } from '../io/id.ts';
import { PAINTING } from '../test/http.ts';
import { newOrder } from '../test/world.ts';
import { submitJobs } from './submit-job.ts';

it('finds the jobs of a batch that was made before, a few at a time and in their places', async () => {
  const accountId = makeAccountId(0);
  const principal = { accountId } as Principal;
  let open = 0;
  let most = 0;
  const find = async (id: string) => {
    open += 1;
    most = Math.max(most, open);
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    open -= 1;
    return asCreated(newOrder('main', accountId, { id }));
  };
  let asked: readonly SubmitInput[] = [];
  const submitAll = async (_: string, inputs: readonly SubmitInput[]) => {
    asked = inputs;
    const jobs = inputs.map(({ jobId }) => ok({ replayed: true, principal, jobId }));
    return ok({ principal, jobs });
  };
  const env = {
    pools: ['main'],
    accounts: { getByName: () => ({ submitAll }) },
    schedulers: { getByName: () => ({ find }) },
  } as unknown as Env;
  const request = JobRequest.parse(PAINTING);
  const submitted = await submitJobs(env, {
    credential: { accountId, caller: { kind: 'key', secretHash: '' } },
    requests: Array.from({ length: JOBS_PER_BATCH_MAX }, (_, place) => ({ place, request })),
    idempotencyKey: 'batch',
    requestId: 'req_test',
    now: 0,
  });
  expect(most).toBe(DELIVERIES_MAX);
  const jobs = submitted.ok ? submitted.value.jobs : new Map();
  expect(jobs.size).toBe(JOBS_PER_BATCH_MAX);
  for (const [place, { jobId }] of asked.entries()) {
    expect(jobs.get(place)).toMatchObject({
      value: { replayed: true, job: { record: { id: jobId } } },
    });
  }
});
