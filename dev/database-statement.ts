/**
 * Single statements by HTTP, as Neon's proxy takes them (`POST /sql`): the other half of the local
 * bridge. The statement runs on one of a few connections kept open, so that a Worker pays for no
 * connection of its own. Only the one Postgres is dialled, whatever host the address names; user,
 * password and database are the caller's.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import pg from 'pg';
import { z } from 'zod';

/** Connections for all statements together; further ones wait. */
const CONNECTIONS_MAX = 16;
const WAIT_MS = 10_000;
const POOLS_MAX = 8;
const BODY_BYTES_MAX = 64 * 1024 * 1024;

const Statement = z.object({ query: z.string(), params: z.array(z.string().nullable()) });

/** The driver parses values by itself. */
const AS_TEXT = { getTypeParser: () => (value: unknown) => value };

export class StatementServer {
  readonly #target: { host: string; port: number };
  /** One for each user and database: locally there is one. */
  readonly #pools = new Map<string, pg.Pool>();

  constructor(target: { host: string; port: number }) {
    this.#target = target;
  }

  /** Answers any request; never rejects. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const address = request.headers['neon-connection-string'];
      if (request.method !== 'POST' || request.url !== '/sql' || typeof address !== 'string') {
        request.resume();
        response.writeHead(426).end();
      } else if (Number(request.headers['content-length'] ?? 0) > BODY_BYTES_MAX) {
        request.resume();
        response.writeHead(413).end();
      } else {
        const statement = Statement.parse(await json(request));
        const result = await this.#run(address, statement, response);
        response.setHeader('content-type', 'application/json').end(JSON.stringify(result));
      }
    } catch (error) {
      tellError(error, response);
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.end()));
  }

  async #run(
    address: string,
    { query, params }: z.infer<typeof Statement>,
    response: ServerResponse,
  ): Promise<object> {
    const client = await this.#poolFor(address).connect();
    if (response.destroyed) {
      client.release();
      throw new Error('nobody waits for it any more');
    }
    let isGone = false;
    const leave = () => {
      isGone = true;
      client.release(true); // nobody waits for what it still does
    };
    response.once('close', leave);
    try {
      const config = { text: query, values: params, rowMode: 'array' as const, types: AS_TEXT };
      const { command, rowCount, rows, fields } = await client.query(config);
      return { command, rowCount, rows, fields, rowAsArray: true };
    } finally {
      response.off('close', leave);
      if (!isGone) client.release();
    }
  }

  #poolFor(address: string): pg.Pool {
    const known = this.#pools.get(address);
    if (known) return known;
    if (this.#pools.size >= POOLS_MAX) throw new Error('so many users and databases are none');
    const { username, password, pathname } = new URL(address);
    const pool = new pg.Pool({
      ...this.#target,
      user: decodeURIComponent(username),
      password: decodeURIComponent(password),
      database: decodeURIComponent(pathname.slice(1)),
      max: CONNECTIONS_MAX,
      connectionTimeoutMillis: WAIT_MS,
      allowExitOnIdle: true,
    });
    pool.on('error', () => {}); // an idle connection broke: the pool has dropped it
    this.#pools.set(address, pool);
    return pool;
  }
}

/** What Postgres itself refused is told as Neon tells it; all else is a gateway's fault. */
function tellError(error: unknown, response: ServerResponse): void {
  if (response.headersSent || response.destroyed) return;
  if (error instanceof pg.DatabaseError) {
    const { message, code, severity, detail, hint, constraint, table, column } = error;
    const body = { message, code, severity, detail, hint, constraint, table, column };
    response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  } else {
    response.writeHead(502).end(String(error));
  }
}
