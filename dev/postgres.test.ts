import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { neon, neonConfig, Pool } from '@neondatabase/serverless';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { startBridge, type Bridge } from './database-bridge.ts';
import { findFreePort } from './port.ts';
import { removePostgresData } from './postgres-home.ts';
import { startPostgres, type Postgres } from './postgres.ts';
import { quiet } from './progress.ts';

let folder: string;
let port: number;
let postgres: Postgres;
let bridge: Bridge;

const start = () =>
  startPostgres({ dataDir: join(folder, 'postgres'), port, print: quiet, log: quiet });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tessera-postgres-'));
  chmodSync(folder, 0o711);
  port = await findFreePort();
  postgres = await start();
  bridge = await startBridge(0, { host: '127.0.0.1', port });
});

afterAll(async () => {
  await bridge.close();
  await postgres.stop();
  removePostgresData(join(folder, 'postgres'));
  rmSync(folder, { recursive: true });
});

async function query(text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: postgres.url });
  client.on('error', () => {}); // some tests kill the server on purpose
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

it('keeps committed rows when it is killed', async () => {
  await query('create table kept (n integer)');
  await query('insert into kept select generate_series(1, 1000)');
  const [server] = (await query(`select pg_read_file('postmaster.pid')::text as pid_file`)) as {
    pid_file: string;
  }[];
  process.kill(Number.parseInt(server?.pid_file ?? '', 10), 'SIGKILL');
  await postgres.exited;
  postgres = await start();
  expect(await query('select count(*)::int as n from kept')).toEqual([{ n: 1000 }]);
});

it('stops the server that an earlier start left on the same data', async () => {
  const left = postgres;
  postgres = await start();
  await left.exited;
  expect(await query('select 1 as n')).toEqual([{ n: 1 }]);
});

it('syncs to disk, speaks UTF-8 and sorts by bytes', async () => {
  expect(
    await query(`select current_setting('fsync') as fsync, current_setting('server_encoding') as
      encoding, (select datcollate from pg_database where datname = 'tessera') as sorted`),
  ).toEqual([{ fsync: 'on', encoding: 'UTF8', sorted: 'C' }]);
});

it('answers the Neon driver through the bridge, with transactions and large values', async () => {
  neonConfig.webSocketConstructor = WebSocket;
  neonConfig.wsProxy = () => `127.0.0.1:${bridge.port}/v1`;
  neonConfig.useSecureWebSocket = false;
  neonConfig.pipelineConnect = 'password';
  const pool = new Pool({ connectionString: postgres.url });
  try {
    const client = await pool.connect();
    await client.query('begin');
    const { rows } = await client.query('select length($1::text) as n', ['x'.repeat(5_000_000)]);
    const back = await client.query(`select repeat('y', 5000000) as text`);
    await client.query('rollback');
    client.release();
    expect(rows).toEqual([{ n: 5_000_000 }]);
    expect(back.rows[0].text).toHaveLength(5_000_000);
  } finally {
    await pool.end();
  }
});

describe('statements by HTTP', () => {
  /** Whatever host the address names, only the one Postgres is asked. */
  const address = () => postgres.url.replace(/@[^/]*/, '@somewhere.example');
  const ask = (text: string, params: unknown[] = [], from = address()) =>
    neon(from).query(text, params);

  beforeAll(() => {
    neonConfig.fetchEndpoint = () => `http://127.0.0.1:${bridge.port}/sql`;
  });

  it('are answered with values of every kind', async () => {
    const [row] = await ask(
      `select $1::int as n, $2::text as text, null as none, '{"a": [1]}'::jsonb as json,
        array[1, 2] as list, timestamptz '2026-11-22 12:00Z' as at, true as yes`,
      [7, 'é😀'],
    );
    const at = new Date('2026-11-22T12:00:00Z');
    expect(row).toEqual({
      ...{ n: 7, text: 'é😀', none: null, json: { a: [1] }, list: [1, 2], at, yes: true },
    });
    const big = 'x'.repeat(5_000_000);
    expect(await ask('select $1::text as back', [big])).toEqual([{ back: big }]);
  });

  it('tell what Postgres refused by its code, and serve the next one', async () => {
    await expect(ask('select 1 / $1::int', [0])).rejects.toMatchObject({ code: '22012' });
    await expect(ask('select 1', [], address().replace('postgres:', 'nobody:'))).rejects.toThrow(
      'password authentication failed',
    );
    expect(await ask('select 1 as n')).toEqual([{ n: 1 }]);
  });

  it('come in any number, over few connections', async () => {
    const many = Array.from({ length: 300 }, () => ask('select pg_backend_pid() as pid'));
    const pids = (await Promise.all(many)).map(([row]) => row?.['pid'] as number);
    expect(new Set(pids).size).toBeLessThanOrEqual(16);
  });

  it('outlive a server that was killed meanwhile', async () => {
    await ask('select 1');
    await postgres.stop();
    await expect(ask('select 1')).rejects.toThrow();
    postgres = await start();
    expect(await ask('select 2 as n')).toEqual([{ n: 2 }]);
  });

  it.each([
    ['/sql', 'GET', 426],
    ['/elsewhere', 'POST', 426],
    ['/sql', 'POST', 502],
  ])('are taken only as such: %s by %s is answered %d', async (path, method, status) => {
    const headers = { 'neon-connection-string': address() };
    const body = method === 'POST' ? '{"query": 1}' : null;
    const answer = await fetch(`http://127.0.0.1:${bridge.port}${path}`, { method, headers, body });
    expect(answer.status).toBe(status);
  });
});

it('bridges only its own path', async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${bridge.port}/v2?address=127.0.0.1:22`);
  const status = await new Promise((resolve) => {
    socket.once('unexpected-response', (_, response) => resolve(response.statusCode));
    socket.once('error', (error) => resolve(error.message));
  });
  expect(status).toBe(400);
});
