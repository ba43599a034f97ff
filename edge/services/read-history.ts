/** Reads jobs of one account from Postgres. Throws when Postgres is away. */
import { and, asc, desc, eq, gt, inArray, lt, sql } from 'drizzle-orm';
import type { JobQuery } from '#schema/api.ts';
import type { JobRecord } from '#schema/record.ts';
import { artifact, job } from '#schema/tables/index.ts';
import type { Env } from '../env.ts';
import { openDb } from '../io/db.ts';
import type { Database } from '../io/db.ts';
import { fromJobRow } from './job-row.ts';

/** One job of the account, or null. */
export async function readJob(
  env: Env,
  { jobId, accountId }: { jobId: string; accountId: string },
): Promise<JobRecord | null> {
  return openDb(env, async (db) => {
    const rows = await db
      .select()
      .from(job)
      .where(and(eq(job.id, jobId), eq(job.accountId, accountId)));
    const [record] = await withArtifacts(db, rows);
    return record ?? null;
  });
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
    query.created_after ? gt(job.createdAt, new Date(query.created_after)) : undefined,
    query.created_before ? lt(job.createdAt, new Date(query.created_before)) : undefined,
  ];
  return openDb(env, async (db) => {
    const rows = await db
      .select()
      .from(job)
      .where(and(...conditions))
      .orderBy(desc(job.id))
      .limit(query.limit + 1);
    return withArtifacts(db, rows);
  });
}

async function withArtifacts(
  db: Database,
  rows: (typeof job.$inferSelect)[],
): Promise<JobRecord[]> {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const artifacts = await db
    .select()
    .from(artifact)
    .where(inArray(artifact.jobId, ids))
    .orderBy(asc(artifact.index));
  const byJob = Map.groupBy(artifacts, ({ jobId }) => jobId);
  return rows.map((row) => fromJobRow(row, byJob.get(row.id) ?? []));
}
