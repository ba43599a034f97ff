/**
 * The servers that peers keep their jobs in, started for one benchmark in a temporary folder and
 * stopped with it: the project's own PostgreSQL, and the machine's Redis where there is one. Both
 * listen on 127.0.0.1 at free ports and flush to disk before they acknowledge.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseOrder } from '../database.ts';
import { Part } from '../part.ts';
import { findFreePort } from '../port.ts';
import { quiet } from '../progress.ts';
import { STOP_MS } from '../stop-times.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const START_MS = 10_000;
const TRIED_EVERY_MS = 20;

export interface Server<Address> {
  readonly address: Address;
  stop(): Promise<void>;
}

/** PostgreSQL with its defaults, which flush the log at each commit. */
export async function startPostgresServer(folder: string): Promise<Server<string>> {
  const order: DatabaseOrder = {
    kind: 'embedded',
    dataDir: join(folder, 'peers'),
    port: await findFreePort(),
    bridgePort: await findFreePort(),
  };
  const part = new Part({
    name: 'peers',
    args: [join(ROOT, 'dev', 'database.ts'), JSON.stringify(order)],
    cwd: ROOT,
    logDir: join(folder, 'logs'),
    stopMs: STOP_MS.database,
    announces: true,
    print: quiet,
  });
  const { url } = await part.start();
  return { address: String(url), stop: () => part.stop() };
}

export const NO_REDIS = 'bullmq: skipped, since there is no redis-server or no driver (ioredis)';

/** Redis that flushes its log before each answer; null when it or its driver is not there. */
export async function startRedisServer(folder: string): Promise<Server<number> | null> {
  if (spawnSync('redis-server', ['--version']).status !== 0 || !hasDriver()) return null;
  const dir = join(folder, 'redis');
  mkdirSync(dir, { recursive: true });
  const port = await findFreePort();
  const settings = {
    port: String(port),
    bind: '127.0.0.1',
    dir,
    save: '',
    appendonly: 'yes',
    appendfsync: 'always',
    loglevel: 'warning',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn('redis-server', flags, { stdio: 'ignore' });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  await waitForPort(port);
  return {
    address: port,
    stop: async () => {
      child.kill('SIGTERM');
      await gone;
      process.off('exit', kill);
    },
  };
}

/** BullMQ loads its driver only when it connects. */
function hasDriver(): boolean {
  try {
    createRequire(import.meta.url).resolve('ioredis');
    return true;
  } catch {
    return false; // not installed
  }
}

async function waitForPort(port: number): Promise<void> {
  const until = performance.now() + START_MS;
  while (!(await canConnect(port))) {
    if (performance.now() > until) throw new Error(`nothing listens on port ${port}`);
    await sleep(TRIED_EVERY_MS);
  }
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
