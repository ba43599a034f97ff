/** Sums up what an account used, by day, type, model and key, from the history. */
import { and, asc, count, eq, gte, lte, sql } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import { DAY_MS, USAGE_DAYS_MAX } from '#schema/limits.ts';
import { toTokens } from '#schema/price.ts';
import type { UsageGroup, UsageQuery, UsageReport, UsageSums } from '#schema/report.ts';
import { usage } from '#schema/tables/index.ts';
import { utcDay } from '../core/credit.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import type { Env } from '../env.ts';
import { openDb } from '../io/db.ts';
import type { Database } from '../io/db.ts';
import { logError } from '../io/log.ts';

/** Days of a question that names none. */
const DAYS_DEFAULT = 30;

export type UsageRefusal =
  | { readonly reason: 'bad_cursor'; readonly value: string }
  | { readonly reason: 'bad_span'; readonly field: 'from' | 'to'; readonly value: string }
  | { readonly reason: 'history_unavailable' };

const COLUMNS: Readonly<Record<UsageGroup, PgColumn>> = {
  day: usage.day,
  type: usage.type,
  model: usage.model,
  key: usage.apiKeyId,
};
/** The names of groups in an answer. */
const NAMES = { day: 'day', type: 'type', model: 'model', key: 'api_key_id' } as const;

const SUMS = {
  jobs: count(),
  millitokens: sql<number>`coalesce(sum(${usage.millitokens}), 0)::float8`,
  serviceMs: sql<number>`coalesce(sum(${usage.serviceMs}), 0)::float8`,
  completionTokens: sql<number>`coalesce(sum(${usage.completionTokens}), 0)::float8`,
  audioS: sql<number>`coalesce(sum(${usage.audioS}), 0)::float8`,
};
type SummedRow = Record<keyof typeof SUMS, number>;

/** One page; a cursor is the number of rows before it, since days that are over do not change. */
export async function reportUsage(
  env: Env,
  { accountId, query }: { accountId: string; query: UsageQuery },
  now: number,
): Promise<Result<UsageReport, UsageRefusal>> {
  const to = query.to ?? utcDay(now);
  const from = query.from ?? utcDay(Date.parse(to) - (DAYS_DEFAULT - 1) * DAY_MS);
  const days = (Date.parse(to) - Date.parse(from)) / DAY_MS + 1;
  if (days < 1 || days > USAGE_DAYS_MAX) {
    return fail(
      query.from === undefined
        ? { reason: 'bad_span', field: 'to', value: to }
        : { reason: 'bad_span', field: 'from', value: from },
    );
  }
  const offset = readOffset(query.cursor);
  if (offset === null) return fail({ reason: 'bad_cursor', value: query.cursor ?? '' });
  const by = query.by.split(',') as UsageGroup[];
  const span = and(eq(usage.accountId, accountId), gte(usage.day, from), lte(usage.day, to))!;
  try {
    const page = { by, span, offset, limit: query.limit };
    const { rows, total } = await openDb(env, (db) => readSums(db, page));
    const data = rows
      .slice(0, query.limit)
      .map((row) => ({ ...toGroups(row, by), ...toSums(row) }));
    const nextCursor = rows.length > query.limit ? String(offset + query.limit) : null;
    return ok({ from, to, by, data, total: toSums(total), next_cursor: nextCursor });
  } catch (error) {
    logError('usage.report', error, { account_id: accountId });
    return fail({ reason: 'history_unavailable' });
  }
}

async function readSums(
  db: Database,
  page: { by: readonly UsageGroup[]; span: SQL; offset: number; limit: number },
): Promise<{ rows: SummedRow[]; total: SummedRow }> {
  const columns = page.by.map((group) => COLUMNS[group]);
  const groups = Object.fromEntries(page.by.map((group) => [NAMES[group], COLUMNS[group]]));
  const rows = await db
    .select({ ...groups, ...SUMS })
    .from(usage)
    .where(page.span)
    .groupBy(...columns)
    .orderBy(...columns.map((column) => asc(column)))
    .limit(page.limit + 1)
    .offset(page.offset);
  const [total] = await db.select(SUMS).from(usage).where(page.span);
  return { rows, total: total! };
}

function toGroups(row: object, by: readonly UsageGroup[]): object {
  const found = row as Record<string, unknown>;
  return Object.fromEntries(by.map((group) => [NAMES[group], found[NAMES[group]]]));
}

function toSums(row: SummedRow): UsageSums {
  return {
    jobs: row.jobs,
    tokens: toTokens(row.millitokens),
    gpu_s: row.serviceMs / 1000,
    completion_tokens: row.completionTokens,
    // The column is of single precision, in which no sum is round.
    audio_s: Math.round(row.audioS * 1000) / 1000,
  };
}

/** Null for what is no cursor of ours. */
function readOffset(cursor: string | undefined): number | null {
  if (cursor === undefined) return 0;
  return /^\d{1,9}$/.test(cursor) ? Number(cursor) : null;
}
