/** Finds accounts for the operator, by id, identity, key or part of a name; newest first. */
import { and, desc, eq, ilike, inArray, lt } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import type { AccountList, AccountQuery } from '#schema/admin.ts';
import { AccountId, ApiKeyId, Identity, splitIdentity } from '#schema/id.ts';
import type { PlanId } from '#schema/plan.ts';
import { account, apiKey, identity } from '#schema/tables/index.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import type { Env } from '../env.ts';
import { openDb } from '../io/db.ts';
import type { Database } from '../io/db.ts';
import { logError } from '../io/log.ts';
import type { ListRefusal } from './list-jobs.ts';

/** One page; its cursor is the id of its last account. From the mirror: a moment behind. */
export async function findAccounts(
  env: Env,
  query: AccountQuery,
): Promise<Result<AccountList, ListRefusal>> {
  const { cursor, limit } = query;
  if (cursor !== undefined && !AccountId.safeParse(cursor).success) {
    return fail({ reason: 'bad_cursor', value: cursor });
  }
  try {
    return ok(await openDb(env, (db) => readPage(db, query, limit)));
  } catch (error) {
    logError('account.find', error);
    return fail({ reason: 'history_unavailable' });
  }
}

/** The identities of an account, or null while Postgres is away. */
export async function findIdentities(env: Env, accountId: string): Promise<string[] | null> {
  try {
    const found = await openDb(env, (db) => readIdentities(db, [accountId]));
    return found.get(accountId) ?? [];
  } catch (error) {
    logError('identity.find', error, { account_id: accountId });
    return null;
  }
}

async function readPage(db: Database, query: AccountQuery, limit: number): Promise<AccountList> {
  const { cursor, q, plan, blocked } = query;
  const rows = await db
    .select()
    .from(account)
    .where(
      and(
        cursor === undefined ? undefined : lt(account.id, cursor),
        plan && eq(account.plan, plan),
        blocked === undefined ? undefined : eq(account.blocked, blocked === 'true'),
        q === undefined ? undefined : matches(db, q),
      ),
    )
    .orderBy(desc(account.id))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  const identities = await readIdentities(
    db,
    page.map(({ id }) => id),
  );
  const data = page.map((row) => ({
    id: row.id,
    name: row.name,
    plan: row.plan as PlanId,
    plan_until: row.planEndsAt?.toISOString() ?? null,
    blocked: row.blocked,
    block_reason: row.blockReason,
    identities: identities.get(row.id) ?? [],
    created_at: row.createdAt.toISOString(),
  }));
  return { data, next_cursor: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
}

function matches(db: Database, q: string): SQL {
  if (AccountId.safeParse(q).success) return eq(account.id, q);
  if (ApiKeyId.safeParse(q).success) {
    const owner = db.select({ id: apiKey.accountId }).from(apiKey).where(eq(apiKey.id, q));
    return inArray(account.id, owner);
  }
  if (Identity.safeParse(q).success) {
    const { provider, subject } = splitIdentity(q);
    const isIt = and(eq(identity.provider, provider), eq(identity.subject, subject));
    const owner = db.select({ id: identity.accountId }).from(identity).where(isIt);
    return inArray(account.id, owner);
  }
  return ilike(account.name, `%${q.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`);
}

async function readIdentities(
  db: Database,
  accountIds: readonly string[],
): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  if (accountIds.length === 0) return found;
  const rows = await db
    .select()
    .from(identity)
    .where(inArray(identity.accountId, [...accountIds]));
  for (const { accountId, provider, subject } of rows) {
    found.set(accountId, [...(found.get(accountId) ?? []), `${provider}:${subject}`]);
  }
  return found;
}
