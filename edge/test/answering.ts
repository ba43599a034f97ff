/** The real environment, but for what a pool and an account answer when they are asked for a job. */
import type { JobRecord } from '#schema/record.ts';
import { asCreated } from '../account/order.ts';
import { parseEnv } from '../env.ts';
import type { Env } from '../env.ts';
import { makeAccountId, makeJobId } from '../io/id.ts';
import type { AccountObject } from '../rpc/account.ts';
import type { SchedulerObject } from '../rpc/scheduler.ts';
import { toLive } from '../services/find-job.ts';
import { bindings, newOrder } from './world.ts';

/** A job that its Account has just created. */
export function newRecord(pool: string): JobRecord {
  const now = Date.now();
  const id = makeJobId(pool, now);
  return asCreated(newOrder(pool, makeAccountId(now), { id, createdAt: now })).record;
}

/** What is not in `live`, in the order of the questions, is null. */
export function answering(
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

/** An object with other answers to some calls. */
export function answerWith<T extends object>(object: T, answers: Partial<T>): T {
  return new Proxy(object, {
    get: (target, name) => Reflect.get(name in answers ? answers : target, name),
  });
}
