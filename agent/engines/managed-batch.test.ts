/** Batches on an engine whose server is a real process: one start, each job watched by itself. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fastClock, freePort, untilSo } from '../doubles/group.ts';
import { TEXT_SPEC } from '../doubles/spec.ts';
import { EngineProcess } from '../process.ts';
import { Journal } from '../process/journal.ts';
import type { Engine, EngineJob, RunResult } from './engine.ts';
import { createKoboldcpp } from './koboldcpp.ts';
import { manage } from './managed.ts';

const SERVER = fileURLToPath(new URL('./doubles/server.ts', import.meta.url));
const RESULT: RunResult = { outputs: [], usage: {}, loadMs: 3 };
const ignore = () => {};
const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };

let directory: string;
let own: EngineProcess;
/** Jobs that the driver was given in one call, with the ways to end each. */
let given: { job: EngineJob; resolve: (result: RunResult) => void }[];
let calls: number;
let stages: string[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'batch-'));
  [given, calls, stages] = [[], 0, []];
});
afterEach(async () => {
  await own.close();
  await rm(directory, { recursive: true });
});

/** A driver that runs what it is given until a test, or its signal, ends it. */
const driver: Engine = {
  name: 'text',
  discover: () => Promise.resolve(null),
  resident: () => [],
  run: () => Promise.reject(new Error('it was to run a batch')),
  runBatch: (jobs) => {
    calls++;
    return jobs.map((job) => {
      const { promise, resolve, reject } = Promise.withResolvers<RunResult>();
      given.push({ job, resolve });
      const { signal } = job.context;
      signal.addEventListener('abort', () => reject(signal.reason as Error));
      return promise;
    });
  },
  free: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

async function open(inner: Engine): Promise<Engine> {
  const port = await freePort();
  const url = new URL(`http://127.0.0.1:${port}`);
  const settings = { url, key: null, adminKey: null, models: new Map() };
  const server = createKoboldcpp({ settings });
  const order = JSON.stringify({ serves: 'text', port });
  const clock = fastClock();
  own = new EngineProcess({
    name: 'text',
    command: `exec '${process.execPath}' '${SERVER}' '${order}'`,
    startMs: 600_000,
    env: { PATH: '/usr/bin:/bin' },
    journal: new Journal(join(directory, 'log')),
    probe: async (signal) => (await server.discover(signal)) !== null,
    clock,
    random: () => 0.5,
    log,
  });
  return manage(inner, { process: own, clock, onSwitch: 'stop' });
}

function jobOf(signal: AbortSignal): EngineJob {
  return {
    spec: TEXT_SPEC,
    context: {
      signal,
      directory,
      openInput: () => Promise.reject(new Error('the job brings no file')),
      onProgress: ({ stage }) => void stages.push(stage),
      onPreview: ignore,
      onText: ignore,
    },
  };
}

it('gives jobs that run together to its driver at once, with the start in the time of each', async () => {
  const engine = await open(driver);
  const { signal } = new AbortController();
  const runs = engine.runBatch!([jobOf(signal), jobOf(signal)]);
  await untilSo(() => given.length === 2);
  expect([calls, stages]).toEqual([1, ['loading', 'loading']]);
  given[1]!.resolve(RESULT);
  expect((await runs[1]!).loadMs).toBeGreaterThan(RESULT.loadMs);
  given[0]!.resolve(RESULT);
  await runs[0];
  expect(own.isUp).toBe(true);
});

it('lets one job of a batch go, while it starts and while it runs, and goes on with the others', async () => {
  const engine = await open(driver);
  const aborts = [1, 2, 3].map(() => new AbortController());
  const runs = engine.runBatch!(aborts.map(({ signal }) => jobOf(signal)));
  const ends = Promise.allSettled(runs);
  aborts[0]!.abort(new Error('the first is not wanted'));
  await expect(runs[0]).rejects.toThrow('the first is not wanted');
  await untilSo(() => given.length === 2);
  aborts[1]!.abort(new Error('the second neither'));
  await expect(runs[1]).rejects.toThrow('the second neither');
  given[1]!.resolve(RESULT);
  expect((await ends).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
  expect(own.isUp).toBe(true);
});

it('fails every job of a batch when its process is killed', async () => {
  const engine = await open(driver);
  const { signal } = new AbortController();
  const runs = engine.runBatch!([jobOf(signal), jobOf(signal)]);
  const ends = Promise.allSettled(runs);
  await untilSo(() => given.length === 2);
  process.kill(-own.pid!, 'SIGKILL');
  const failed = { status: 'rejected', reason: { name: 'EngineError', retryable: true } };
  expect(await ends).toMatchObject([failed, failed]);
});

it('offers no batch where its driver has none', async () => {
  const single = { ...driver };
  delete single.runBatch;
  expect(await open(single)).toMatchObject({ runBatch: undefined });
});
