/**
 * Finds a job of an account wherever it is: live in the Scheduler, accepted in the Account,
 * ended in the history. Another account's job is not found, like one that never was.
 */
import { poolOfJob } from '#schema/id.ts';
import { isTerminal } from '#schema/job.ts';
import type { JobRecord, LiveJob } from '#schema/record.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { SchedulerObject } from '../rpc/scheduler.ts';
import { logError } from '../io/log.ts';
import { readJob } from './read-history.ts';

export type FindRefusal =
  | { readonly reason: 'job_not_found' }
  | { readonly reason: 'history_unavailable' };

export interface JobOwner {
  readonly jobId: string;
  readonly accountId: string;
}

/** The job as it stands. Throws when the Scheduler is away and the job has not ended. */
export async function findJob(env: Env, owner: JobOwner): Promise<Result<LiveJob, FindRefusal>> {
  const scheduler = schedulerOf(env, owner.jobId);
  if (!scheduler) return fail({ reason: 'job_not_found' });
  let live: LiveJob | null;
  try {
    live = await scheduler.find(owner.jobId, owner.accountId);
  } catch (error) {
    // A job that has ended does not need the Scheduler.
    const past = await findPast(env, owner);
    if (past.ok && isTerminal(past.value.record.status)) return past;
    throw error;
  }
  if (live) return ok(live);
  // Most often it has ended long ago.
  const past = await findPast(env, owner);
  if (past.ok && isTerminal(past.value.record.status)) return past;
  const created = await env.accounts.getByName(owner.accountId).findCreated(owner.jobId);
  if (created) return ok(toLive(created));
  // A job goes from its Account to its Scheduler to the history, and is in the next before it
  // leaves the last: asked once more in that order, it cannot slip by.
  const handedOver = await scheduler.find(owner.jobId, owner.accountId);
  if (handedOver) return ok(handedOver);
  const isAway = !past.ok && past.error.reason === 'history_unavailable';
  return isAway ? past : findPast(env, owner);
}

/** The job as the history has it. */
export async function findPast(env: Env, owner: JobOwner): Promise<Result<LiveJob, FindRefusal>> {
  try {
    const record = await readJob(env, owner);
    return record ? ok(toLive(record)) : fail({ reason: 'job_not_found' });
  } catch (error) {
    logError('history.read', error, { job_id: owner.jobId });
    return fail({ reason: 'history_unavailable' });
  }
}

/** The Scheduler that a job id names, or null when there is none. */
export function schedulerOf(env: Env, jobId: string): SchedulerObject | null {
  const pool = poolOfJob(jobId);
  return pool !== null && env.pools.includes(pool) ? env.schedulers.getByName(pool) : null;
}

/** A record with nothing that only a Scheduler would know. */
export function toLive(record: JobRecord): LiveJob {
  return { record, progress: null, waiting: null };
}
