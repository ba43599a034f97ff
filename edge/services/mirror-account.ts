/**
 * Writes accounts, keys, identities, agents and audit entries to Postgres, for listing; the truth stays
 * in the Durable Objects. Idempotent: a row replaces the one with its id, an audit entry is
 * written once. Of several rows with one id in a batch the last counts.
 */
import { RECORD_BATCH_MAX } from '#schema/limits.ts';
import { account, agent, apiKey, audit, identity } from '#schema/tables/index.ts';
import type { Env } from '../env.ts';
import { openDb, setExcluded, toStorable, writeWithoutRefused } from '../io/db.ts';
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
      rows.slice(start, start + RECORD_BATCH_MAX).map(toStorable),
      (batch) => openDb(env, (db) => db.transaction((tx) => writeRows(tx, batch))),
      (item, error) => logError('mirror.row_refused', error, { table: item.table, id: idOf(item) }),
    );
  }
}

async function writeRows(tx: Queries, rows: readonly MirrorRow[]): Promise<void> {
  const accounts = gather<AccountRow>(rows, 'account');
  const keys = gather<ApiKeyRow>(rows, 'api_key');
  const identities = gather<IdentityRow>(rows, 'identity');
  const agents = gather<AgentRow>(rows, 'agent');
  const entries = gather<AuditRow>(rows, 'audit');
  if (accounts.length > 0) {
    const conflict = { target: account.id, set: setExcluded(account) };
    await tx.insert(account).values(accounts).onConflictDoUpdate(conflict);
  }
  if (keys.length > 0) {
    const conflict = { target: apiKey.id, set: setExcluded(apiKey) };
    await tx.insert(apiKey).values(keys).onConflictDoUpdate(conflict);
  }
  if (identities.length > 0) {
    const target = [identity.provider, identity.subject];
    const conflict = { target, set: setExcluded(identity) };
    await tx.insert(identity).values(identities).onConflictDoUpdate(conflict);
  }
  if (agents.length > 0) {
    const conflict = { target: agent.id, set: setExcluded(agent) };
    await tx.insert(agent).values(agents).onConflictDoUpdate(conflict);
  }
  if (entries.length > 0) await tx.insert(audit).values(entries).onConflictDoNothing();
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
