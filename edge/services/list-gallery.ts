/**
 * Lists what is shown to everybody, newest first, by pages. An entry is there while the results
 * of its job are: when these expire or are deleted, it is gone without further ado.
 */
import { and, asc, desc, eq, exists, gt, isNull, sql } from 'drizzle-orm';
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

/** One statement: the page, each entry beside all results of its job. */
async function readPage(
  env: Env,
  { query, after, now }: { query: GalleryQuery; after: Place | null; now: number },
): Promise<ShownJob[]> {
  const { publishedAt, jobId } = galleryEntry;
  const rows = await openDb(env, (db) => {
    const kept = db
      .select({ one: sql`1` })
      .from(artifact)
      .where(and(eq(artifact.jobId, jobId), gt(artifact.expiresAt, new Date(now))));
    const page = db
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
      .limit(query.limit + 1)
      .as('entry');
    return db
      .select()
      .from(page)
      .leftJoin(artifact, eq(artifact.jobId, page.jobId))
      .orderBy(desc(page.publishedAt), desc(page.jobId), asc(artifact.index));
  });
  const byJob = Map.groupBy(rows, ({ entry }) => entry.jobId);
  return [...byJob.values()].map((own) => {
    const { entry } = own[0]!;
    return {
      jobId: entry.jobId,
      type: entry.type as GalleryType,
      model: entry.model,
      prompt: entry.prompt,
      publishedAt: entry.publishedAt.getTime(),
      artifacts: own.flatMap((row) => (row.artifact ? [fromArtifactRow(row.artifact)] : [])),
    };
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
