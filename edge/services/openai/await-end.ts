/**
 * Waits for the end of a job whose client wants the result in the answer to its request. When the
 * client goes away the job is cancelled; when the wait is over it goes on, and its id is told.
 */
import { isTerminal } from '#schema/job.ts';
import { ANSWER_WAIT_MS } from '#schema/limits.ts';
import type { JobRecord, LiveJob } from '#schema/record.ts';
import type { Result } from '../../core/result.ts';
import { fail, ok } from '../../core/result.ts';
import type { Env } from '../../env.ts';
import { findJob } from '../find-job.ts';
import type { FindRefusal, JobOwner } from '../find-job.ts';
import { abandonJob } from './abandon-job.ts';
import type { Client } from './abandon-job.ts';
import { followEvents } from './follow-events.ts';

/** Why there is no result. */
export type EndRefusal =
  | FindRefusal
  | { readonly reason: 'client_gone' }
  | { readonly reason: 'wait_over'; readonly jobId: string; readonly waitMs: number }
  | { readonly reason: 'job_unsuccessful'; readonly record: JobRecord };

export interface Awaited {
  readonly job: LiveJob;
  readonly client: Client;
  readonly origin: string;
  /** Tests wait less. */
  readonly waitMs?: number;
}

/** The job that was completed, or why it was not. */
export async function awaitEnd(env: Env, awaited: Awaited): Promise<Result<JobRecord, EndRefusal>> {
  const { job, client, origin, waitMs = ANSWER_WAIT_MS } = awaited;
  const owner = { jobId: job.record.id, accountId: job.record.accountId };
  if (isTerminal(job.record.status)) return judge(job.record, waitMs);
  const stop = new AbortController();
  const leave = (): void => {
    abandonJob(env, client, owner);
    stop.abort();
  };
  client.signal.addEventListener('abort', leave);
  if (client.signal.aborted) leave();
  const timer = setTimeout(() => stop.abort(), waitMs);
  try {
    const events = followEvents(env, { ...owner, origin, signal: stop.signal });
    for (let next = await events.next(); !next.done;) next = await events.next();
  } catch (error) {
    // Nobody would know of the job that goes on.
    abandonJob(env, client, owner);
    throw error;
  } finally {
    clearTimeout(timer);
    client.signal.removeEventListener('abort', leave);
  }
  if (client.signal.aborted) return fail({ reason: 'client_gone' });
  return findEnd(env, owner, waitMs);
}

/** The job that should have ended, or why it has no result. */
export async function findEnd(
  env: Env,
  owner: JobOwner,
  waitMs = 0,
): Promise<Result<JobRecord, EndRefusal>> {
  const found = await findJob(env, owner);
  return found.ok ? judge(found.value.record, waitMs) : found;
}

function judge(record: JobRecord, waitMs: number): Result<JobRecord, EndRefusal> {
  if (record.status === 'completed') return ok(record);
  if (isTerminal(record.status)) return fail({ reason: 'job_unsuccessful', record });
  return fail({ reason: 'wait_over', jobId: record.id, waitMs });
}
