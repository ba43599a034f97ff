/**
 * Writes accounts, keys, identities, agents and audit entries to Postgres, for listing; the truth stays
 * in the Durable Objects. Idempotent: a row replaces the one with its id, an audit entry is
 * written once. Of several rows with one id in a batch the last counts.
 */
import { sql } from 'drizzle-orm';
import type { PgTable } from 'drizzle-orm/pg-core';
import { RECORD_BATCH_MAX } from '#schema/limits.ts';
import { account, agent, apiKey, audit, identity } from '#schema/tables/index.ts';
import type { Env } from '../env.ts';
import { insertRows, openDb, setAllExcluded, writeWithoutRefused } from '../io/db.ts';
import type { Queries } from '../io/db.ts';
import { logError } from '../io/log.ts';

/** A row as a Durable Object keeps it until it is written: times are ISO 8601. */
type Kept<Row> = { readonly [K in keyof Row]: KeptValue<Row[K]> };
type KeptValue<Value> = Value extends Date ? string : Value;

type AccountRow = typeof account.$inferInsert;
type ApiKeyRow = typeof apiKey.$inferInsert;
type IdentityRow = typeof identity.$inferInsert;
type AgentRow = typeof agent.$inferInsert;
type AuditRow = typeof audit.$inferInsert;

export type MirrorRow =
  | { readonly table: 'account'; readonly row: Kept<AccountRow> }
  | { readonly table: 'api_key'; readonly row: Kept<ApiKeyRow> }
  | { readonly table: 'identity'; readonly row: Kept<IdentityRow> }
  | { readonly table: 'agent'; readonly row: Kept<AgentRow> }
  | { readonly table: 'audit'; readonly row: Kept<AuditRow> };

/**
 * Throws when Postgres is away; the caller keeps the rows and repeats. A row that Postgres
 * refuses is logged and left out, so that it does not hold up those behind it.
 */
export async function mirrorAccount(env: Env, rows: readonly MirrorRow[]): Promise<void> {
  for (let start = 0; start < rows.length; start += RECORD_BATCH_MAX) {
    await writeWithoutRefused(
      rows.slice(start, start + RECORD_BATCH_MAX),
      (batch) => openDb(env, (db) => writeRows(db, batch)),
      (item, error) => logError('mirror.row_refused', error, { table: item.table, id: idOf(item) }),
    );
  }
}

/** All tables in one statement: one round trip, and all of a batch or nothing. */
async function writeRows(db: Queries, rows: readonly MirrorRow[]): Promise<void> {
  const byId = (table: PgTable) => sql`(id) do update set ${setAllExcluded(table)}`;
  const byPlatform = sql`(provider, subject) do update set ${setAllExcluded(identity)}`;
  const once = sql`do nothing`;
  await db.execute(sql`with
    accounts as (${insertRows(account, gather<AccountRow>(rows, 'account'), byId(account))}),
    keys as (${insertRows(apiKey, gather<ApiKeyRow>(rows, 'api_key'), byId(apiKey))}),
    identities as (${insertRows(identity, gather<IdentityRow>(rows, 'identity'), byPlatform)}),
    agents as (${insertRows(agent, gather<AgentRow>(rows, 'agent'), byId(agent))})
    ${insertRows(audit, gather<AuditRow>(rows, 'audit'), once)}`);
}

/** The rows of one table, the last of each id: Postgres takes a row once a statement. */
function gather<Row>(rows: readonly MirrorRow[], table: MirrorRow['table']): Row[] {
  const last = new Map<string, Row>();
  for (const item of rows) {
    if (item.table === table) last.set(idOf(item), restoreDates(item.row) as Row);
  }
  return [...last.values()];
}

function idOf({ table, row }: MirrorRow): string {
  return table === 'identity' ? `${row.provider}:${row.subject}` : row.id;
}

function restoreDates(row: MirrorRow['row']): Record<string, unknown> {
  const entries = Object.entries(row).map(([name, value]): [string, unknown] =>
    name.endsWith('At') && typeof value === 'string' ? [name, new Date(value)] : [name, value],
  );
  return Object.fromEntries(entries);
}
