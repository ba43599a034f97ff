/**
 * Shows a completed picture or clip in the public gallery, because its owner wishes it. Its texts
 * are judged once more, by the rules of today. What the operator took out stays out. Repeating it
 * changes at most whether the prompt is shown.
 */
import { sql } from 'drizzle-orm';
import { assert } from '#schema/assert.ts';
import { GALLERY_TYPES } from '#schema/gallery.ts';
import type { GalleryType, Publish } from '#schema/gallery.ts';
import { ARTIFACT_KEEP_MS } from '#schema/limits.ts';
import type { JobRecord } from '#schema/record.ts';
import { audit, galleryEntry } from '#schema/tables/index.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { AccessRefusal } from '../rpc/account.ts';
import { openDb } from '../io/db.ts';
import { logError } from '../io/log.ts';
import type { Credential } from './authenticate.ts';
import { findJob } from './find-job.ts';
import type { FindRefusal } from './find-job.ts';
import { moderatePrompt } from './moderate-prompt.ts';
import type { ContentRefusal } from './moderate-prompt.ts';

export type PublishRefusal =
  | FindRefusal
  | ContentRefusal
  | AccessRefusal
  | { readonly reason: 'not_publishable'; readonly type: string; readonly status: string }
  | { readonly reason: 'removed_by_operator'; readonly why: string };

export interface Publication {
  readonly credential: Credential;
  readonly jobId: string;
  readonly wish: Publish;
  readonly requestId: string;
  readonly now: number;
}

/** What is shown, and since when. */
export interface PublishedJob {
  readonly record: JobRecord;
  readonly type: GalleryType;
  readonly prompt: string | null;
  readonly publishedAt: number;
}

/** Publishes; the entry appears once the history knows the job's results. */
export async function publishJob(
  env: Env,
  { credential, jobId, wish, requestId, now }: Publication,
): Promise<Result<PublishedJob, PublishRefusal>> {
  const { accountId } = credential;
  const found = await findJob(env, { jobId, accountId });
  if (!found.ok) return found;
  const { record } = found.value;
  const { spec, status } = record;
  const type = GALLERY_TYPES.find((known) => known === spec.type);
  const isKept = (record.finishedAt ?? 0) + ARTIFACT_KEEP_MS > now;
  if (!type || status !== 'completed' || record.artifacts.length === 0 || !isKept) {
    return fail({ reason: 'not_publishable', type: spec.type, status });
  }
  const moderated = await moderatePrompt(env, { credential, spec, requestId, now });
  if (!moderated.ok) return moderated;
  const prompt = wish.show_prompt && 'prompt' in spec ? spec.prompt : null;
  const row = { jobId, accountId, type, model: spec.model, prompt, publishedAt: new Date(now) };
  try {
    const entry = await writeEntry(env, row, requestId);
    if (entry.removedAt !== null) {
      return fail({ reason: 'removed_by_operator', why: entry.removedReason ?? '' });
    }
    return ok({ record, type, prompt, publishedAt: entry.publishedAt.getTime() });
  } catch (error) {
    logError('gallery.publish', error, { job_id: jobId });
    return fail({ reason: 'history_unavailable' });
  }
}

type Row = typeof galleryEntry.$inferSelect;
type NewRow = typeof galleryEntry.$inferInsert & { readonly prompt: string | null };

/** The entry as it stands then: one that the operator removed is left as it is. */
function writeEntry(env: Env, row: NewRow, requestId: string): Promise<Row> {
  return openDb(env, (db) =>
    db.transaction(async (tx) => {
      const [entry] = await tx
        .insert(galleryEntry)
        .values(row)
        .onConflictDoUpdate({
          target: galleryEntry.jobId,
          set: { prompt: sql`case when ${galleryEntry.removedAt} is null then ${row.prompt} end` },
        })
        .returning();
      assert(entry, 'an upsert answers its row');
      if (entry.removedAt !== null) return entry;
      await tx.insert(audit).values({
        id: `${requestId}:gallery.publish`,
        actor: row.accountId,
        action: 'gallery.publish',
        target: row.jobId,
        requestId,
        detail: { show_prompt: row.prompt !== null },
        createdAt: row.publishedAt,
      });
      return entry;
    }),
  );
}
