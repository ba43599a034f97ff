/**
 * Deletes what a user sent and got with a job that has ended: words, labels, results, the live
 * events, the place in the gallery. The job itself stays, with its times and its cost, and so do
 * the ledger and the usage: money is never forgotten. May be repeated.
 */
import { and, eq, isNull } from 'drizzle-orm';
import { isTerminal } from '#schema/job.ts';
import type { JobStatus } from '#schema/job.ts';
import type { JobRecord } from '#schema/record.ts';
import { artifact, audit, galleryEntry, job } from '#schema/tables/index.ts';
import { redactSpec } from '../core/redact.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import { openDb } from '../io/db.ts';
import { logError } from '../io/log.ts';
import { DELETE_KEYS_MAX } from '../io/r2.ts';
import { findPast, schedulerOf } from './find-job.ts';
import type { FindRefusal, JobOwner } from './find-job.ts';

export type DeleteRefusal =
  | FindRefusal
  | { readonly reason: 'job_active'; readonly status: JobStatus };

/** A job that has just ended is in the history within this; then its client is to ask again. */
const LOOKS_MAX = 40;
const LOOK_MS = 100;

/** The job's words and results are gone when this resolves well. */
export async function deleteJob(
  env: Env,
  owner: JobOwner,
  { requestId, now }: { requestId: string; now: number },
): Promise<Result<null, DeleteRefusal>> {
  const ended = await findEnded(env, owner);
  if (!ended.ok) return ended;
  // Objects first: a row is deleted only when nothing is left for it to name.
  await deleteResults(env, owner.jobId);
  try {
    await scrub(env, ended.value, { requestId, now });
  } catch (error) {
    logError('job.delete', error, { job_id: owner.jobId });
    return fail({ reason: 'history_unavailable' });
  }
  await env.feeds.getByName(owner.jobId).forget();
  return ok(null);
}

/**
 * The job as the history has it, once the Scheduler has let go of it: what is deleted before
 * would come back with the record.
 */
async function findEnded(env: Env, owner: JobOwner): Promise<Result<JobRecord, DeleteRefusal>> {
  const pool = schedulerOf(env, owner.jobId);
  if (!pool) return fail({ reason: 'job_not_found' });
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    const live = await pool.find(owner.jobId, owner.accountId);
    if (live && !isTerminal(live.record.status)) {
      return fail({ reason: 'job_active', status: live.record.status });
    }
    if (!live) {
      const created = await env.accounts.getByName(owner.accountId).findCreated(owner.jobId);
      if (created) return fail({ reason: 'job_active', status: created.status });
      const past = await findPast(env, owner);
      if (past.ok && isTerminal(past.value.record.status)) return ok(past.value.record);
      // It may have come to the Scheduler between the first two questions.
      if (!past.ok && (look > 0 || past.error.reason !== 'job_not_found')) return past;
      if (!past.ok) continue;
    }
    await scheduler.wait(LOOK_MS);
  }
  return fail({ reason: 'history_unavailable' });
}

async function deleteResults(env: Env, jobId: string): Promise<void> {
  let isMore = true;
  while (isMore) {
    const listed = await env.artifacts.list({ prefix: `result/${jobId}/`, limit: DELETE_KEYS_MAX });
    const keys = listed.objects.map(({ key }) => key);
    if (keys.length > 0) await env.artifacts.delete(keys);
    isMore = listed.truncated;
  }
}

async function scrub(
  env: Env,
  { id, accountId, spec }: JobRecord,
  { requestId, now }: { requestId: string; now: number },
): Promise<void> {
  await openDb(env, (db) =>
    db.transaction(async (tx) => {
      await tx.delete(artifact).where(eq(artifact.jobId, id));
      // What the operator removed keeps its row, so that it stays out.
      await tx
        .delete(galleryEntry)
        .where(and(eq(galleryEntry.jobId, id), isNull(galleryEntry.removedAt)));
      await tx
        .update(job)
        .set({ spec: redactSpec(spec), metadata: {} })
        .where(and(eq(job.id, id), eq(job.accountId, accountId)));
      await tx
        .insert(audit)
        .values({
          id: `${id}:delete`,
          actor: accountId,
          action: 'job.delete',
          target: id,
          requestId,
          detail: {},
          createdAt: new Date(now),
        })
        .onConflictDoNothing();
    }),
  );
}
