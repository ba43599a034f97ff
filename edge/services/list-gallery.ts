/**
 * Lists what is shown to everybody, newest first, by pages. An entry is there while the results
 * of its job are: when these expire or are deleted, it is gone without further ado.
 */
import { and, asc, desc, eq, exists, gt, inArray, isNull, sql } from 'drizzle-orm';
import type { GalleryQuery, GalleryType } from '#schema/gallery.ts';
import { JobId } from '#schema/id.ts';
import type { Artifact } from '#schema/artifact.ts';
import { artifact, galleryEntry } from '#schema/tables/index.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import { openDb } from '../io/db.ts';
import { logError } from '../io/log.ts';
import { fromArtifactRow } from './job-row.ts';
import type { ListRefusal } from './list-jobs.ts';

export interface ShownJob {
  readonly jobId: string;
  readonly type: GalleryType;
  readonly model: string;
  readonly prompt: string | null;
  readonly publishedAt: number;
  readonly artifacts: readonly Artifact[];
}

export interface GalleryFound {
  readonly entries: readonly ShownJob[];
  readonly nextCursor: string | null;
}

/** One page; its cursor names its last entry, so new ones shift nothing. */
export async function listGallery(
  env: Env,
  query: GalleryQuery,
  now: number,
): Promise<Result<GalleryFound, ListRefusal>> {
  const after = query.cursor === undefined ? null : parseCursor(query.cursor);
  if (query.cursor !== undefined && !after) {
    return fail({ reason: 'bad_cursor', value: query.cursor });
  }
  try {
    const found = await readPage(env, { query, after, now });
    const entries = found.slice(0, query.limit);
    const last = entries.at(-1);
    const nextCursor = found.length > entries.length && last ? toCursor(last) : null;
    return ok({ entries, nextCursor });
  } catch (error) {
    logError('gallery.list', error);
    return fail({ reason: 'history_unavailable' });
  }
}

interface Place {
  readonly publishedAt: number;
  readonly jobId: string;
}

function readPage(
  env: Env,
  { query, after, now }: { query: GalleryQuery; after: Place | null; now: number },
): Promise<ShownJob[]> {
  const { publishedAt, jobId } = galleryEntry;
  return openDb(env, async (db) => {
    const kept = db
      .select({ one: sql`1` })
      .from(artifact)
      .where(and(eq(artifact.jobId, jobId), gt(artifact.expiresAt, new Date(now))));
    const rows = await db
      .select()
      .from(galleryEntry)
      .where(
        and(
          isNull(galleryEntry.removedAt),
          query.type && eq(galleryEntry.type, query.type),
          after
            ? sql`(${publishedAt}, ${jobId}) < (${new Date(after.publishedAt).toISOString()}::timestamptz, ${after.jobId})`
            : undefined,
          exists(kept),
        ),
      )
      .orderBy(desc(publishedAt), desc(jobId))
      .limit(query.limit + 1);
    if (rows.length === 0) return [];
    const ids = rows.map((row) => row.jobId);
    const results = await db
      .select()
      .from(artifact)
      .where(inArray(artifact.jobId, ids))
      .orderBy(asc(artifact.index));
    const byJob = Map.groupBy(results, (row) => row.jobId);
    return rows.map((row) => ({
      jobId: row.jobId,
      type: row.type as GalleryType,
      model: row.model,
      prompt: row.prompt,
      publishedAt: row.publishedAt.getTime(),
      artifacts: (byJob.get(row.jobId) ?? []).map(fromArtifactRow),
    }));
  });
}

function toCursor({ publishedAt, jobId }: Place): string {
  return `${publishedAt}-${jobId}`;
}

function parseCursor(text: string): Place | null {
  const [, at, jobId = ''] = /^(\d{13})-(job_\S+)$/.exec(text) ?? [];
  return at !== undefined && JobId.safeParse(jobId).success
    ? { publishedAt: Number(at), jobId }
    : null;
}
