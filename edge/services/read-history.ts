/** Reads jobs of one account from Postgres. Throws when Postgres is away. */
import { and, asc, desc, eq, gt, lt, sql } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import type { JobQuery } from '#schema/api.ts';
import type { JobRecord } from '#schema/record.ts';
import { artifact, job } from '#schema/tables/index.ts';
import type { Env } from '../env.ts';
import { openDb } from '../io/db.ts';
import { fromJobRow } from './job-row.ts';
import { timeKey } from './store-file.ts';

/** A job's id is made before the job, by a clock that may be another. */
const SKEW_MS = 60 * 60 * 1000;

/** One job of the account, or null. */
export async function readJob(
  env: Env,
  { jobId, accountId }: { jobId: string; accountId: string },
): Promise<JobRecord | null> {
  const rows = await openDb(env, (db) =>
    db
      .select()
      .from(job)
      .leftJoin(artifact, eq(artifact.jobId, job.id))
      .where(and(eq(job.id, jobId), eq(job.accountId, accountId)))
      .orderBy(asc(artifact.index)),
  );
  return toRecords(rows)[0] ?? null;
}

/** Which jobs of an account. */
export interface JobSearch {
  readonly accountId: string;
  readonly query: JobQuery;
  /** Leaves out those whose prompt is gone: their user has deleted them. */
  readonly hasPrompt?: boolean;
}

/** A page of the account's jobs, newest first, and one more when there are more. */
export async function readJobs(
  env: Env,
  { accountId, query, hasPrompt = false }: JobSearch,
): Promise<JobRecord[]> {
  const { cursor, type, status } = query;
  const conditions = [
    eq(job.accountId, accountId),
    cursor === undefined ? undefined : lt(job.id, cursor),
    type && eq(job.type, type),
    status && eq(job.status, status),
    hasPrompt ? sql`${job.spec} ->> 'prompt' <> ''` : undefined,
    ...createdBetween(query.created_after, query.created_before),
  ];
  const rows = await openDb(env, (db) => {
    const page = db
      .select()
      .from(job)
      .where(and(...conditions))
      .orderBy(desc(job.id))
      .limit(query.limit + 1)
      .as('job');
    return db
      .select()
      .from(page)
      .leftJoin(artifact, eq(artifact.jobId, page.id))
      .orderBy(desc(page.id), asc(artifact.index));
  });
  return toRecords(rows);
}

/** Ids sort by time, so that the index finds the span; the times themselves say it exactly. */
function createdBetween(after: string | undefined, before: string | undefined): SQL[] {
  const conditions: SQL[] = [];
  if (after !== undefined) {
    const at = Date.parse(after);
    conditions.push(gt(job.createdAt, new Date(at)), gt(job.id, idAt(at - SKEW_MS)));
  }
  if (before !== undefined) {
    const at = Date.parse(before);
    conditions.push(lt(job.createdAt, new Date(at)), lt(job.id, idAt(at + SKEW_MS)));
  }
  return conditions;
}

/** Where ids of jobs made at `at` (epoch ms) begin. */
function idAt(at: number): string {
  return `job_${timeKey(Math.max(0, at))}`;
}

/** A job beside one of its results, or none. */
interface JoinedRow {
  readonly job: typeof job.$inferSelect;
  readonly artifact: typeof artifact.$inferSelect | null;
}

/** One record of each job, in the order of the rows: a job's own stand together. */
function toRecords(rows: readonly JoinedRow[]): JobRecord[] {
  const byJob = Map.groupBy(rows, (row) => row.job.id);
  return [...byJob.values()].map((own) =>
    fromJobRow(
      own[0]!.job,
      own.flatMap((row) => row.artifact ?? []),
    ),
  );
}
