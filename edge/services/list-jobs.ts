/** Lists an account's jobs from the history, newest first, by pages. */
import { JobId } from '#schema/id.ts';
import type { JobRecord } from '#schema/record.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import { logError } from '../io/log.ts';
import { readJobs } from './read-history.ts';
import type { JobSearch } from './read-history.ts';

export type ListRefusal =
  | { readonly reason: 'bad_cursor'; readonly value: string }
  | { readonly reason: 'history_unavailable' };

export interface JobPage {
  readonly records: readonly JobRecord[];
  readonly nextCursor: string | null;
}

/** One page; its cursor is the id of its last job, so new jobs shift nothing. */
export async function listJobs(env: Env, search: JobSearch): Promise<Result<JobPage, ListRefusal>> {
  const { accountId, query } = search;
  if (query.cursor !== undefined && !JobId.safeParse(query.cursor).success) {
    return fail({ reason: 'bad_cursor', value: query.cursor });
  }
  try {
    const found = await readJobs(env, search);
    const records = found.slice(0, query.limit);
    const nextCursor = found.length > records.length ? (records.at(-1)?.id ?? null) : null;
    return ok({ records, nextCursor });
  } catch (error) {
    logError('history.list', error, { account_id: accountId });
    return fail({ reason: 'history_unavailable' });
  }
}
