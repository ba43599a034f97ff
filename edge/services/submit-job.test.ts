import { expect, it } from 'vitest';
import type { AccountId } from '#schema/id.ts';
import { JobRequest } from '#schema/job.ts';
import { DELIVERIES_MAX, JOBS_PER_BATCH_MAX } from '#schema/limits.ts';
import { asCreated } from '../account/order.ts';
import { ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { Principal, Repeat, SubmitInput } from '../rpc/account.ts';
import { makeAccountId, makeJobId } from '../io/id.ts';
import { HttpWorld, PAINTING } from '../test/http.ts';
import { pack, unpack } from '../rpc/packed.ts';
import type { Packed } from '../rpc/packed.ts';
import { newOrder } from '../test/world.ts';
import { submitJobs } from './submit-job.ts';

const FILE_ID = 'file_01k00000000000000000000000';

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
  const ids = Array.from({ length: JOBS_PER_BATCH_MAX }, () => makeJobId('main', 0));
  const recall = async (_: string, repeats: readonly Repeat[]) => {
    const jobs = repeats.map(({ idempotencyKey }) => ok(ids[Number(idempotencyKey.split(' ')[1])]));
    return ok({ principal, jobs });
  };
  const submitAll = async (_: string, inputs: Packed<readonly SubmitInput[]>) => {
    expect(unpack(inputs)).toEqual([]);
    return pack(ok({ principal, jobs: [] }));
  };
  const env = {
    pools: ['main'],
    accounts: { getByName: () => ({ recall, submitAll }) },
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
  for (const [place, id] of ids.entries()) {
    expect(jobs.get(place)).toMatchObject({ value: { replayed: true, job: { record: { id } } } });
  }
});

it('looks at no job of a batch whose key opens nothing', async () => {
  const { env } = new HttpWorld();
  const touched: string[] = [];
  const watch = <T extends object>(name: string, port: T) =>
    new Proxy(port, {
      get: (target, property) => {
        touched.push(`${name}.${String(property)}`);
        const value: unknown = Reflect.get(target, property);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  const watched: Env = {
    ...env,
    schedulers: watch('schedulers', env.schedulers),
    artifacts: watch('artifacts', env.artifacts),
  };
  const request = JobRequest.parse({ type: 'image', prompt: 'x', input_image: FILE_ID });
  const submit = (accountId: AccountId) =>
    submitJobs(watched, {
      credential: { accountId, caller: { kind: 'identity' } },
      requests: [{ place: 0, request }],
      idempotencyKey: null,
      requestId: 'req_test',
      now: Date.now(),
    });
  expect(await submit(makeAccountId(0))).toEqual({ ok: false, error: { reason: 'unauthorized' } });
  expect(touched).toEqual([]);
  const { id } = await new HttpWorld().newAccount();
  expect(await submit(id)).toMatchObject({ ok: true });
  expect(touched).toContain('artifacts.head');
  expect(touched).toContain('schedulers.getByName');
});
