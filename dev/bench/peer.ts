/**
 * The queues that Tessera is compared with, each as its documentation has it used for speed, and
 * with an fsync before an acknowledgement as Tessera has. Every one is used in two ways: in one
 * process with its producer, and behind an HTTP server of the same shape as Tessera's.
 */
import { Queue, Worker } from 'bullmq';
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';
import PgBoss from 'pg-boss';
import { AGENTS } from './contender.ts';

/** A job as a worker sees it. */
export interface PeerJob {
  readonly id: string;
  readonly payload: unknown;
}

export interface PeerHandlers {
  /** Runs a job; it is completed when this resolves. */
  readonly work: (job: PeerJob) => Promise<void>;
  /** The job's end is durable. */
  readonly ended: (id: string) => void;
}

export interface Peer {
  /** Makes jobs durable in one call. */
  add(payloads: readonly object[]): Promise<void>;
  stop(): Promise<void>;
}

export type PeerName = 'bullmq' | 'graphile-worker' | 'graphile-worker, tuned' | 'pg-boss';

/** Where a peer keeps its jobs: a server, and in it a queue or database that nobody else uses. */
export interface PeerPlace {
  readonly space: string;
  readonly redisPort: number | null;
  /** Of a database that may make others. */
  readonly databaseUrl: string | null;
  /** pg-boss: how often an idle worker looks; null when a submit of its own process wakes it. */
  readonly lookMs: number | null;
}

const NAME = 'job';
/** pg-boss has no call that waits for a job: how often an idle worker looks that is also woken. */
const LOOK_MS = 2000;
/** Connections to Postgres: a worker's each, as many for submits, and one that listens. */
const CONNECTIONS = 2 * AGENTS + 4;

/** What is on disk when a peer acknowledges. */
export function durabilityOf(name: PeerName): string {
  return name === 'bullmq' ? 'fsync: AOF, always' : 'fsync: WAL, each commit';
}

/** Starts a peer with its workers. */
export async function startPeer(
  name: PeerName,
  place: PeerPlace,
  handlers: PeerHandlers,
): Promise<Peer> {
  if (name === 'bullmq') return startBullMq(place, handlers);
  const databaseUrl = await makeDatabase(place);
  return name === 'pg-boss'
    ? startPgBoss(databaseUrl, handlers, place.lookMs)
    : startGraphile(databaseUrl, handlers, name === 'graphile-worker, tuned');
}

/** An empty database of the server, named after the space. */
async function makeDatabase({ databaseUrl, space }: PeerPlace): Promise<string> {
  if (databaseUrl === null) throw new Error('this peer needs PostgreSQL');
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(`CREATE DATABASE ${client.escapeIdentifier(space)}`);
  await client.end();
  const own = new URL(databaseUrl);
  own.pathname = `/${space}`;
  return own.href;
}

async function startBullMq(place: PeerPlace, { work, ended }: PeerHandlers): Promise<Peer> {
  if (place.redisPort === null) throw new Error('this peer needs Redis');
  const connection = { host: '127.0.0.1', port: place.redisPort };
  const { space } = place;
  const queue = new Queue(space, { connection, defaultJobOptions: { removeOnComplete: true } });
  const run = (job: { id?: string; data: unknown }) => work({ id: job.id!, payload: job.data });
  const worker = new Worker(space, run, { connection, concurrency: AGENTS });
  worker.on('completed', (job) => ended(job.id!));
  await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()]);
  return {
    add: async (payloads) => {
      if (payloads.length === 1) await queue.add(NAME, payloads[0]);
      else await queue.addBulk(payloads.map((data) => ({ name: NAME, data })));
    },
    stop: async () => {
      await worker.close(true);
      await queue.close();
    },
  };
}

/** Tuned: jobs fetched in batches and completions written in batches, each awaited as before. */
async function startGraphile(
  connectionString: string,
  { work, ended }: PeerHandlers,
  tuned: boolean,
): Promise<Peer> {
  const pgPool = new pg.Pool({ connectionString, max: CONNECTIONS });
  pgPool.on('error', (error) => process.stderr.write(`graphile-worker: ${error.message}\n`));
  pgPool.on('connect', (client) => tellDeletes(client, ended));
  const logger = new Logger(() => () => {});
  const utils = await makeWorkerUtils({ pgPool, logger });
  await utils.migrate();
  const runner = await run({
    pgPool,
    logger,
    concurrency: AGENTS,
    noHandleSignals: true,
    taskList: {
      [NAME]: (payload, { job }) => work({ id: String(job.id), payload }),
    },
    ...(tuned
      ? {
          preset: {
            worker: {
              concurrentJobs: AGENTS,
              localQueue: { size: 4 * AGENTS },
              completeJobBatchDelay: 0,
            },
          },
        }
      : {}),
  });
  return {
    add: async (payloads) => {
      if (payloads.length === 1) await utils.addJob(NAME, payloads[0]);
      else await utils.addJobs(payloads.map((payload) => ({ identifier: NAME, payload })));
    },
    stop: async () => {
      await runner.stop();
      await utils.release();
      await pgPool.end();
    },
  };
}

/**
 * Its events tell that a job's work is done, not that its end is on disk, for which it does not
 * wait. The end is this statement, which commits by itself.
 */
function tellDeletes(client: pg.PoolClient, ended: (id: string) => void): void {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const told = async (answer: Promise<unknown>, ids: readonly unknown[]) => {
    const result = await answer;
    for (const id of ids) ended(String(id));
    return result;
  };
  const wrapped = (...args: unknown[]): unknown => {
    const [statement] = args as [{ text?: string; values?: unknown[] } | undefined];
    const answer = query(...args);
    if (statement?.text?.startsWith('delete from') !== true) return answer;
    return told(answer as Promise<unknown>, [statement.values?.[0]].flat());
  };
  Object.assign(client, { query: wrapped });
}

/** Its own `work` looks for jobs twice a second at most, so these loops fetch by themselves. */
async function startPgBoss(
  connectionString: string,
  handlers: PeerHandlers,
  lookMs: number | null,
): Promise<Peer> {
  const boss = new PgBoss({ connectionString, max: CONNECTIONS, schedule: false });
  boss.on('error', (error) => process.stderr.write(`pg-boss: ${error.message}\n`));
  await boss.start();
  await boss.createQueue(NAME);
  let stopped = false;
  let added = 0;
  const idle = new Set<() => void>();
  const wake = (count: number) => {
    added += 1;
    for (const resolve of [...idle].slice(0, count)) resolve();
  };
  const waitForWork = () =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(() => rise(), lookMs ?? LOOK_MS);
      const rise = () => {
        clearTimeout(timer);
        idle.delete(rise);
        resolve();
      };
      idle.add(rise);
    });
  const loop = async () => {
    while (!stopped) {
      const seen = added;
      const [job] = await boss.fetch(NAME);
      if (job === undefined) {
        if (seen === added || lookMs !== null) await waitForWork();
      } else {
        await handlers.work({ id: job.id, payload: job.data });
        await boss.complete(NAME, job.id);
        handlers.ended(job.id);
      }
    }
  };
  const loops = Promise.all(Array.from({ length: AGENTS }, loop));
  return {
    add: async (payloads) => {
      if (payloads.length === 1) await boss.send(NAME, payloads[0]!);
      else await boss.insert(payloads.map((data) => ({ name: NAME, data })));
      if (lookMs === null) wake(payloads.length);
    },
    stop: async () => {
      stopped = true;
      wake(AGENTS);
      await loops;
      await boss.stop({ graceful: false });
    },
  };
}
