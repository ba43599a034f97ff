/** Lists the audit for the operator, newest first, by pages. */
import { and, desc, eq, gt, lt, or } from 'drizzle-orm';
import type { AuditList, AuditQuery } from '#schema/admin.ts';
import { audit } from '#schema/tables/index.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import type { Env } from '../env.ts';
import { openDb } from '../io/db.ts';
import { logError } from '../io/log.ts';
import type { ListRefusal } from './list-jobs.ts';

/** One page; its cursor is the time and id of its last entry. */
export async function listAudit(
  env: Env,
  query: AuditQuery,
): Promise<Result<AuditList, ListRefusal>> {
  const { cursor, actor, action, target, after, before, limit } = query;
  const last = cursor === undefined ? null : readCursor(cursor);
  if (cursor !== undefined && !last) return fail({ reason: 'bad_cursor', value: cursor });
  const conditions = [
    actor === undefined ? undefined : eq(audit.actor, actor),
    action === undefined ? undefined : eq(audit.action, action),
    target === undefined ? undefined : eq(audit.target, target),
    after === undefined ? undefined : gt(audit.createdAt, new Date(after)),
    before === undefined ? undefined : lt(audit.createdAt, new Date(before)),
    last === null
      ? undefined
      : or(lt(audit.createdAt, last.at), and(eq(audit.createdAt, last.at), lt(audit.id, last.id))),
  ];
  try {
    const rows = await openDb(env, (db) =>
      db
        .select()
        .from(audit)
        .where(and(...conditions))
        .orderBy(desc(audit.createdAt), desc(audit.id))
        .limit(limit + 1),
    );
    return ok(toPage(rows, limit));
  } catch (error) {
    logError('audit.list', error);
    return fail({ reason: 'history_unavailable' });
  }
}

function toPage(rows: readonly (typeof audit.$inferSelect)[], limit: number): AuditList {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const data = page.map(({ detail: { reason, ...detail }, ...row }) => ({
    id: row.id,
    actor: row.actor,
    action: row.action,
    target: row.target,
    request_id: row.requestId,
    reason: typeof reason === 'string' ? reason : null,
    detail,
    created_at: row.createdAt.toISOString(),
  }));
  const isMore = rows.length > limit && last !== undefined;
  return { data, next_cursor: isMore ? `${last.createdAt.getTime()}.${last.id}` : null };
}

function readCursor(cursor: string): { at: Date; id: string } | null {
  const match = /^(\d{1,13})\.([\x20-\x7e]{1,150})$/.exec(cursor);
  return match ? { at: new Date(Number(match[1])), id: match[2]! } : null;
}
