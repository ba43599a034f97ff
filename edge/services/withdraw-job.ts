/**
 * Takes a job out of the gallery: its owner's wish, or the end of the job's results. What the
 * operator removed keeps its row, so that it stays out.
 */
import { and, eq, isNull } from 'drizzle-orm';
import { audit, galleryEntry } from '#schema/tables/index.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import { openDb } from '../io/db.ts';
import { logError } from '../io/log.ts';

export type WithdrawRefusal =
  | { readonly reason: 'not_in_gallery' }
  | { readonly reason: 'history_unavailable' };

/** Takes out an entry of this account. */
export async function withdrawJob(
  env: Env,
  { jobId, accountId }: { jobId: string; accountId: string },
  { requestId, now }: { requestId: string; now: number },
): Promise<Result<void, WithdrawRefusal>> {
  const own = and(
    eq(galleryEntry.jobId, jobId),
    eq(galleryEntry.accountId, accountId),
    isNull(galleryEntry.removedAt),
  );
  try {
    const isGone = await openDb(env, (db) =>
      db.transaction(async (tx) => {
        const gone = await tx.delete(galleryEntry).where(own).returning();
        if (gone.length === 0) return false;
        await tx.insert(audit).values({
          id: `${requestId}:gallery.withdraw`,
          actor: accountId,
          action: 'gallery.withdraw',
          target: jobId,
          requestId,
          detail: {},
          createdAt: new Date(now),
        });
        return true;
      }),
    );
    return isGone ? ok(undefined) : fail({ reason: 'not_in_gallery' });
  } catch (error) {
    logError('gallery.withdraw', error, { job_id: jobId });
    return fail({ reason: 'history_unavailable' });
  }
}
