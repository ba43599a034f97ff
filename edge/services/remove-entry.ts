/** Takes an entry out of the gallery for good, by the operator, who says why. Audited. */
import { eq } from 'drizzle-orm';
import { audit, galleryEntry } from '#schema/tables/index.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import { openDb } from '../io/db.ts';
import { logError } from '../io/log.ts';
import type { WithdrawRefusal } from './withdraw-job.ts';

/** Its prompt goes, its row stays: it cannot be published again. */
export async function removeEntry(
  env: Env,
  { jobId, reason }: { jobId: string; reason: string },
  { requestId, now }: { requestId: string; now: number },
): Promise<Result<void, WithdrawRefusal>> {
  const removedAt = new Date(now);
  try {
    const isThere = await openDb(env, (db) =>
      db.transaction(async (tx) => {
        const removed = await tx
          .update(galleryEntry)
          .set({ removedAt, removedReason: reason, prompt: null })
          .where(eq(galleryEntry.jobId, jobId))
          .returning();
        const [entry] = removed;
        if (!entry) return false;
        await tx.insert(audit).values({
          id: `${requestId}:gallery.remove`,
          actor: 'admin',
          action: 'gallery.remove',
          target: jobId,
          requestId,
          detail: { reason, account_id: entry.accountId },
          createdAt: removedAt,
        });
        return true;
      }),
    );
    return isThere ? ok(undefined) : fail({ reason: 'not_in_gallery' });
  } catch (error) {
    logError('gallery.remove', error, { job_id: jobId });
    return fail({ reason: 'history_unavailable' });
  }
}
