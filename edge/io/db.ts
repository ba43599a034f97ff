/**
 * Postgres, through the Neon driver. A statement alone is one HTTP request: a Worker may not share
 * a connection between requests, and to open one costs more than most statements. A transaction
 * opens a connection, by WebSocket, and ends it. A use that takes longer than its time limit
 * throws DatabaseTimeout, and what it has under way is cut. Locally a bridge takes both.
 */
import { neonConfig, Pool } from '@neondatabase/serverless';
import type { PoolClient } from '@neondatabase/serverless';
import { DrizzleQueryError, getTableColumns, sql } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/neon-serverless';
import type { NeonDatabase } from 'drizzle-orm/neon-serverless';
import type { PgTable } from 'drizzle-orm/pg-core';
import { DATABASE_TIMEOUT_MS } from '#schema/limits.ts';
import type { Env } from '../env.ts';
import { logWarn } from './log.ts';

export type Database = NeonDatabase;
/** A database or a transaction in it. */
export type Queries = Pick<Database, 'insert' | 'select' | 'update' | 'delete' | 'execute'>;

/** Enough of a query to know which it is. */
const QUERY_CHARS_MAX = 80;

/** Postgres did not answer in time. */
export class DatabaseTimeout extends Error {
  override readonly name = 'DatabaseTimeout';
}

/** Runs `work` with a database and always gives the connection back. */
export async function openDb<T>(
  env: Pick<Env, 'databaseUrl' | 'databaseWsProxy'>,
  work: (db: Database) => Promise<T>,
  timeoutMs = DATABASE_TIMEOUT_MS,
): Promise<T> {
  configure(env.databaseWsProxy);
  const pool = new KnownPool({
    connectionString: env.databaseUrl,
    max: 1,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
  });
  let isOver = false;
  // Without a listener a connection that breaks while idle would throw out of nowhere.
  pool.on('error', (error: Error) => {
    if (!isOver) logWarn('database.connection', { message: error.message });
  });
  let timer: ReturnType<typeof setTimeout> | null = null;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new DatabaseTimeout(`no answer from the database in ${timeoutMs} ms`)),
      timeoutMs,
    );
  });
  const running = work(drizzle({ client: pool, casing: 'snake_case' }));
  try {
    const value = await Promise.race([running, timeout]);
    isOver = true;
    await pool.end();
    return value;
  } catch (error) {
    isOver = true;
    running.catch(() => {});
    // Work that hangs holds a client, for which `end` would wait: cut its socket.
    if (error instanceof DatabaseTimeout) for (const client of pool.clients) cut(client);
    pool.end().catch(() => {});
    throw withoutParameters(error);
  } finally {
    clearTimeout(timer);
  }
}

/** Drizzle puts the parameters into its message, and so users' texts into the log. */
function withoutParameters(error: unknown): unknown {
  if (!(error instanceof DrizzleQueryError)) return error;
  const cause: unknown = error.cause;
  return new Error(`query failed: ${error.query.slice(0, QUERY_CHARS_MAX)}`, { cause });
}

/** Ends a client's socket, which the driver keeps to itself: its types do not name it. */
function cut(client: PoolClient): void {
  const { connection } = client as unknown as {
    connection?: { stream?: { destroy?: () => void } };
  };
  connection?.stream?.destroy?.();
}

/** A pool that knows its clients. (With a listener for them it would send nothing by HTTP.) */
class KnownPool extends Pool {
  readonly clients = new Set<PoolClient>();

  override connect(): Promise<PoolClient>;
  override connect(callback: Parameters<Pool['connect']>[0]): void;
  override connect(callback?: Parameters<Pool['connect']>[0]): Promise<PoolClient> | void {
    if (callback) return super.connect(callback);
    return super.connect().then((client) => {
      this.clients.add(client);
      // One that breaks fails its query; without a listener it would throw out of nowhere too.
      client.on('error', () => {});
      return client;
    });
  }
}

let configuredFor: string | null | undefined;

function configure(proxy: string | null): void {
  if (configuredFor === proxy) return;
  configuredFor = proxy;
  neonConfig.poolQueryViaFetch = true;
  neonConfig.fetchFunction = fetchWhole;
  if (proxy === null) return;
  neonConfig.fetchEndpoint = () => `http://${new URL(`http://${proxy}`).host}/sql`;
  neonConfig.wsProxy = () => proxy;
  neonConfig.useSecureWebSocket = false;
  neonConfig.pipelineConnect = 'password';
}

/** Whoever asked has given up by then; a timer that is left would keep an object awake. */
async function fetchWhole(url: string, init: RequestInit): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), DATABASE_TIMEOUT_MS);
  try {
    const answer = await fetch(url, { ...init, signal: late.signal });
    return new Response(await answer.text(), { status: answer.status });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A value as Postgres can store it in jsonb: NUL and broken UTF-16, which it refuses, become
 * U+FFFD. Input is checked at the door; this keeps a stray one from stopping all history.
 */
export function toStorable<T>(value: T): T {
  return clean(value) as T;
}

function clean(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed().replaceAll('\0', '\ufffd');
  if (Array.isArray(value)) return value.map(clean);
  if (value === null || typeof value !== 'object' || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [clean(key), clean(item)]));
}

/** What `toStorable` would change, as JSON escapes it. */
const UNSTORABLE = /\\u(?:0000|d[89a-f])/;

/**
 * An insert of any number of rows with one parameter: a document that Postgres takes apart.
 * Building one placeholder per value costs a Worker more than all else it does for a job. What
 * a row leaves out is its column's default, a constant, or null. `conflict` is the `on conflict` clause.
 */
export function insertRows<Table extends PgTable>(
  table: Table,
  rows: readonly Table['$inferInsert'][],
  conflict: SQL,
): SQL {
  const places = placesIn(table);
  const records = rows.map((row: Readonly<Record<string, unknown>>) => {
    const record: Record<string, unknown> = {};
    for (const { name, column, absent } of places) {
      const value = row[name];
      record[column] = value === undefined ? absent : value;
    }
    return record;
  });
  const text = JSON.stringify(records);
  const document = UNSTORABLE.test(text) ? JSON.stringify(toStorable(records)) : text;
  const columns = sql.raw(places.map(({ column }) => `"${column}"`).join(', '));
  return sql`insert into ${table} (${columns}) select ${columns}
    from json_populate_recordset(null::${table}, ${document}::json) on conflict ${conflict}`;
}

interface Place {
  /** Ours and the column's. */
  readonly name: string;
  readonly column: string;
  /** What stands for undefined. */
  readonly absent: unknown;
}
const PLACES = new WeakMap<PgTable, readonly Place[]>();

/** Where the fields of a row go. */
function placesIn(table: PgTable): readonly Place[] {
  const known = PLACES.get(table);
  if (known) return known;
  const places = Object.entries(getTableColumns(table)).map(([name, column]): Place => {
    return { name, column: toSnake(name), absent: column.default ?? null };
  });
  PLACES.set(table, places);
  return places;
}

/** `set` of `on conflict do update`: every column takes the value that was to be inserted. */
export function setAllExcluded(table: PgTable): SQL {
  const columns = Object.keys(getTableColumns(table)).map(toSnake);
  return sql.raw(columns.map((column) => `"${column}" = excluded."${column}"`).join(', '));
}

/** As drizzle's `casing: 'snake_case'` names a column. */
function toSnake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/**
 * Whether Postgres refused the data itself: SQLSTATE classes 22 (data exception) and 23
 * (integrity constraint). A repeat would be refused again.
 */
export function isRefusedData(error: unknown): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const { code } = at as { code?: unknown };
    if (typeof code === 'string' && /^2[23]/.test(code)) return true;
  }
  return false;
}

/**
 * Writes items together, or, when Postgres refuses the data of one, the others without it: an
 * item that it will never take must not hold up all behind it. Throws when Postgres is away, and
 * when it refuses every one of several: then the table is not as we think, and the items are good.
 */
export async function writeWithoutRefused<Item>(
  items: readonly Item[],
  write: (items: readonly Item[]) => Promise<void>,
  onRefused: (item: Item, error: unknown) => void,
): Promise<void> {
  const refused = await writeParts(items, write);
  if (refused.length > 1 && refused.length === items.length) throw refused[0]!.error;
  for (const { item, error } of refused) onRefused(item, error);
}

interface Refused<Item> {
  readonly item: Item;
  readonly error: unknown;
}

/** Writes all that Postgres takes, by halves; answers what it refused. */
async function writeParts<Item>(
  items: readonly Item[],
  write: (items: readonly Item[]) => Promise<void>,
): Promise<Refused<Item>[]> {
  if (items.length === 0) return [];
  try {
    await write(items);
    return [];
  } catch (error) {
    if (!isRefusedData(error)) throw error;
    if (items.length === 1) return [{ item: items[0]!, error }];
    const half = Math.ceil(items.length / 2);
    const first = await writeParts(items.slice(0, half), write);
    return [...first, ...(await writeParts(items.slice(half), write))];
  }
}
