/**
 * Deletes what nobody can ask for any more, a bounded part each run (a cron, every 5 minutes):
 * results past ARTIFACT_KEEP_MS with their rows, and orphans, the uploads of attempts that lost
 * their lease. An orphan is an object of a job that has ended whose key no row names; a job the
 * history does not know yet is left alone. Keys sort by the time of their job, so each run looks
 * at the jobs that just reached one of ORPHAN_AGES_MS; the later ages catch what was missed.
 * Input files carry their time in their keys: the oldest are looked at until one is young enough.
 * Uploads in parts that nobody can finish any more, because their ticket is no longer good, are
 * aborted by their marks; one that broke off before it had a mark is R2's to abort, after a week
 * by the rule that every bucket begins with.
 */
import { and, asc, eq, inArray, lt, or } from 'drizzle-orm';
import { isTerminal } from '#schema/job.ts';
import type { JobStatus } from '#schema/job.ts';
import { DAY_MS, FILE_ARRIVAL_MS, FILE_KEEP_MS, UPLOAD_TICKET_MS } from '#schema/limits.ts';
import { artifact, job } from '#schema/tables/index.ts';
import type { Env } from '../env.ts';
import { openDb } from '../io/db.ts';
import { logInfo } from '../io/log.ts';
import { abortUpload, DELETE_KEYS_MAX } from '../io/r2.ts';
import { MARK_ID, MARK_PREFIX } from './begin-upload.ts';
import { ARRIVAL_PREFIX } from './receive-file.ts';
import { shelfKey, timeKey } from './store-file.ts';

/** Rows of one page: each has up to two objects, deleted in one call. */
const PAGE_ROWS = DELETE_KEYS_MAX / 2;
/** Pages of one run of either kind. */
const PAGES_MAX = 10;
const ORPHAN_AGES_MS = [DAY_MS, 2 * DAY_MS, 7 * DAY_MS] as const;
/** Two runs overlap, so that one that fails is made up for. */
const WINDOW_MS = 10 * 60_000;
/** What began with a ticket that was good may take this long. */
const UPLOAD_SLACK_MS = 10 * 60_000;
/** Uploads of one run: each is a call of its own. */
const UPLOADS_MAX = 100;

export interface Swept {
  readonly expired: number;
  readonly orphans: number;
  /** Input files past their day, and uploads that were never finished. */
  readonly files: number;
  /** Uploads in parts that were left unfinished. */
  readonly uploads: number;
}

/** One run; safe to repeat and to run twice at once. */
export async function sweep(env: Env, now: number): Promise<Swept> {
  // First: Postgres may be away, and these need none.
  const files =
    (await sweepOld(env, 'input/file_', now - FILE_KEEP_MS)) +
    (await sweepOld(env, `${ARRIVAL_PREFIX}file_`, now - FILE_ARRIVAL_MS));
  const uploads = await sweepUploads(env, now - UPLOAD_TICKET_MS - UPLOAD_SLACK_MS);
  const expired = await sweepExpired(env, now);
  let orphans = 0;
  for (const ageMs of ORPHAN_AGES_MS) orphans += await sweepOrphans(env, now - ageMs);
  const swept = { expired, orphans, files, uploads };
  if (expired + orphans + files + uploads > 0) logInfo('artifact.sweep', swept);
  return swept;
}

/** Objects whose key goes on with a time before this. */
async function sweepOld(env: Env, prefix: string, before: number): Promise<number> {
  const end = `${prefix}${timeKey(before)}`;
  let deleted = 0;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const listed = await env.artifacts.list({ prefix, limit: DELETE_KEYS_MAX / 2 });
    const old = listed.objects.filter(({ key }) => key < end);
    if (old.length > 0) await env.artifacts.delete(old.flatMap(withMark));
    deleted += old.length;
    if (!listed.truncated || old.length < listed.objects.length) break;
  }
  return deleted;
}

/** There are as many marks as uploads under way; those left behind sort by job, so first. */
async function sweepUploads(env: Env, before: number): Promise<number> {
  const { objects } = await env.artifacts.list({
    prefix: MARK_PREFIX,
    limit: DELETE_KEYS_MAX / 2,
    include: ['customMetadata'],
  });
  const old = objects.filter(({ uploaded }) => uploaded.getTime() < before).slice(0, UPLOADS_MAX);
  for (const { key, customMetadata } of old) {
    const uploadId = customMetadata?.[MARK_ID];
    const of = key.slice(MARK_PREFIX.length);
    if (uploadId !== undefined) await abortUpload(env.artifacts, { key: of, uploadId });
    await env.artifacts.delete(key);
  }
  return old.length;
}

async function sweepExpired(env: Env, now: number): Promise<number> {
  let deleted = 0;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const rows = await openDb(env, (db) =>
      db
        .select({
          jobId: artifact.jobId,
          index: artifact.index,
          key: artifact.key,
          thumbnailKey: artifact.thumbnailKey,
        })
        .from(artifact)
        .where(lt(artifact.expiresAt, new Date(now)))
        .orderBy(asc(artifact.expiresAt))
        .limit(PAGE_ROWS),
    );
    if (rows.length === 0) break;
    // Objects first: a row is deleted only when nothing is left for it to name.
    await env.artifacts.delete(
      rows.flatMap(({ key, thumbnailKey }) => (thumbnailKey ? [key, thumbnailKey] : [key])),
    );
    const these = rows.map((row) =>
      and(eq(artifact.jobId, row.jobId), eq(artifact.index, row.index)),
    );
    await openDb(env, (db) => db.delete(artifact).where(or(...these)));
    deleted += rows.length;
    if (rows.length < PAGE_ROWS) break;
  }
  return deleted;
}

async function sweepOrphans(env: Env, createdBefore: number): Promise<number> {
  const first = `result/job_${timeKey(createdBefore - WINDOW_MS)}`;
  const end = `result/job_${timeKey(createdBefore)}`;
  let deleted = 0;
  let cursor: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const listed = await env.artifacts.list({
      prefix: 'result/',
      limit: DELETE_KEYS_MAX,
      ...(cursor === undefined ? { startAfter: first } : { cursor }),
    });
    const keys = listed.objects.map(({ key }) => key).filter((key) => key < end);
    const orphans = await findOrphans(env, keys);
    if (orphans.length > 0) await env.artifacts.delete(orphans);
    deleted += orphans.length;
    if (!listed.truncated || keys.length < listed.objects.length) break;
    cursor = listed.cursor;
  }
  return deleted;
}

/** An input file's key, and that of the mark by which it is counted. */
function withMark({ key, size: bytes }: R2Object): string[] {
  const [kind, id, accountId] = key.split('/');
  return kind === 'input' && id && accountId ? [key, shelfKey({ id, bytes }, accountId)] : [key];
}

async function findOrphans(env: Env, keys: readonly string[]): Promise<string[]> {
  const jobIds = [...new Set(keys.map(jobOfKey))];
  if (jobIds.length === 0) return [];
  return openDb(env, async (db) => {
    const jobs = await db
      .select({ id: job.id, status: job.status })
      .from(job)
      .where(inArray(job.id, jobIds));
    const named = await db
      .select({ key: artifact.key, thumbnailKey: artifact.thumbnailKey })
      .from(artifact)
      .where(inArray(artifact.jobId, jobIds));
    const ended = new Set(
      jobs.filter(({ status }) => isTerminal(status as JobStatus)).map(({ id }) => id),
    );
    const kept = new Set(named.flatMap(({ key, thumbnailKey }) => [key, thumbnailKey]));
    return keys.filter((key) => ended.has(jobOfKey(key)) && !kept.has(key));
  });
}

function jobOfKey(key: string): string {
  return key.split('/')[1] ?? '';
}
