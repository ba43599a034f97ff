import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { neonConfig, Pool } from '@neondatabase/serverless';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
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

it('bridges only its own path', async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${bridge.port}/v2?address=127.0.0.1:22`);
  const status = await new Promise((resolve) => {
    socket.once('unexpected-response', (_, response) => resolve(response.statusCode));
    socket.once('error', (error) => resolve(error.message));
  });
  expect(status).toBe(400);
});
