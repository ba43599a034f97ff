/** Engines whose servers are real processes: switched, killed, hung, and never left behind. */
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JobSpec } from '#schema/job.ts';
import { fastClock, freePort, membersOf, untilSo } from '../doubles/group.ts';
import { TEXT_SPEC } from '../doubles/spec.ts';
import { Fleet } from '../fleet.ts';
import type { Log } from '../log.ts';
import { EngineProcess } from '../process.ts';
import { Journal } from '../process/journal.ts';
import { KoboldDouble } from './doubles/koboldcpp.ts';
import type { ServerOrder } from './doubles/server.ts';
import { EngineError } from './engine.ts';
import type { Engine, RunContext } from './engine.ts';
import { createKoboldcpp } from './koboldcpp.ts';
import { manage } from './managed.ts';
import { createSpeech } from './speech.ts';

const SERVER = fileURLToPath(new URL('./doubles/server.ts', import.meta.url));
const SPEECH_SPEC: JobSpec = {
  type: 'speech',
  model: 'kokoro',
  input: 'Hello there.',
  voice: 'af_heart',
  speed: 1,
  language: 'en',
  format: 'wav',
};
const SWITCHES = 10;
const VRAM_MIB = 7000;

const ignore = () => {};
const log: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
const never = new AbortController().signal;

let directory: string;
let opened: { engine: Engine; process: EngineProcess }[];
let texts: string[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'managed-'));
  await mkdir(join(directory, 'tmp'));
  [opened, texts] = [[], []];
});
afterEach(async () => {
  await Promise.all(opened.map(({ engine }) => engine.close()));
  await rm(directory, { recursive: true });
});

type Order = Omit<ServerOrder, 'port'>;

async function open(order: Order, startMs = 600_000, before = '') {
  const port = await freePort();
  const command = `${before} exec '${process.execPath}' '${SERVER}' '${JSON.stringify({ ...order, port })}'`;
  const url = new URL(`http://127.0.0.1:${port}`);
  const settings = { url, key: null, adminKey: null, models: new Map() };
  const inner =
    order.serves === 'text' ? createKoboldcpp({ settings }) : createSpeech({ settings });
  const clock = fastClock();
  const own = new EngineProcess({
    name: inner.name,
    command,
    startMs,
    env: { PATH: '/usr/bin:/bin', TMPDIR: join(directory, 'tmp') },
    journal: new Journal(join(directory, 'logs', `${inner.name}.log`)),
    probe: async (signal) => (await inner.discover(signal)) !== null,
    clock,
    random: () => 0.5,
    log,
  });
  const engine = manage(inner, { process: own, clock, onSwitch: 'stop' });
  opened.push({ engine, process: own });
  return { engine, process: own, port };
}

async function context(signal = never): Promise<RunContext> {
  const run = await mkdtemp(join(directory, 'run-'));
  const onText = (text: string) => void texts.push(text);
  const openInput = () => Promise.reject(new Error('the job brings no file'));
  return { signal, directory: run, openInput, onProgress: ignore, onPreview: ignore, onText };
}

async function failureOf(run: Promise<unknown>): Promise<EngineError> {
  const error = await run.then(
    () => expect.unreachable('the run fails'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EngineError);
  return error as EngineError;
}

/** Of a driver's box: memory that is held shows as free again one look late. */
function gpuOf(held: () => number) {
  let shown = 0;
  return () => {
    const vramFreeMib = VRAM_MIB - shown;
    shown = held();
    return Promise.resolve({ name: 'RTX', vramMib: VRAM_MIB, vramFreeMib });
  };
}

it('switches between two engines on one GPU ten times, and leaves nothing behind', async () => {
  const text = await open({ serves: 'text' });
  const speech = await open({ serves: 'speech' });
  const groups = new Set<number>();
  let mostAtOnce = 0;
  const alive = () => {
    const pids = opened.flatMap(({ process }) => process.pid ?? []);
    for (const pid of pids) groups.add(pid);
    mostAtOnce = Math.max(mostAtOnce, pids.length);
    return pids.length;
  };
  const held = () => alive() * 6000;
  const fleet = new Fleet([text.engine, speech.engine], {
    log,
    askGpu: gpuOf(held),
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms / 50)),
  });
  await fleet.discover();
  expect(await fleet.survey()).toBe(true);
  const { engines } = await fleet.discover();
  expect(engines.map(({ models }) => models)).toEqual([['chat'], ['kokoro']]);
  for (let turn = 0; turn <= SWITCHES; turn++) {
    const spec = turn % 2 === 0 ? TEXT_SPEC : SPEECH_SPEC;
    const { outputs } = await fleet.run([{ spec, context: await context() }])[0]!;
    expect(outputs).toHaveLength(1);
    expect(alive()).toBe(1);
    for (const { path } of outputs) await rm(path);
  }
  const last = text.process.pid!;
  await fleet.close();
  expect([mostAtOnce, groups.has(last)]).toEqual([1, true]);
  expect(groups.size).toBeGreaterThan(SWITCHES);
  for (const group of groups) expect(await membersOf(group)).toEqual([]);
  expect(await readdir(join(directory, 'tmp'))).toEqual([]);
  const runs = (await readdir(directory)).filter((name) => name.startsWith('run-'));
  for (const run of runs) expect(await readdir(join(directory, run))).toEqual([]);
});

describe('a job', () => {
  it('fails with a code that may be tried again when its engine is killed, and the next one runs', async () => {
    const stalling = await open({ serves: 'text', trouble: 'stall' });
    await stalling.engine.survey!(never);
    const run = stalling.engine.run(TEXT_SPEC, await context());
    const failure = failureOf(run);
    await untilSo(() => texts.length > 0);
    const group = stalling.process.pid!;
    process.kill(-group, 'SIGKILL');
    expect(await failure).toMatchObject({ retryable: true });
    await untilSo(() => stalling.process.isUp && stalling.process.pid !== group);
    expect(await membersOf(group)).toEqual([]);
    expect(await stalling.engine.discover(never)).toMatchObject({ models: ['chat'] });
  });

  it.each([
    ['nothing of its end', '', 'KILL', 'job_failed'],
    ['of mushrooms', 'a mushroom in the room', 'TERM', 'job_failed'],
    ['of memory', 'Killed: OOM', 'TERM', 'engine_out_of_memory'],
    ['of memory, as CUDA does', 'CUDA error: out of memory', 'TERM', 'engine_out_of_memory'],
  ])('fails for lack of memory only when its engine spoke %s', async (_, said, signal, code) => {
    const pidFile = join(directory, 'pid');
    const before = `echo '${said}' >&2; echo $$ > '${pidFile}';`;
    const { process: own } = await open({ serves: 'text' }, 600_000, before);
    const silent: Engine = {
      name: 'silent',
      discover: () => Promise.resolve({ version: '1', models: ['chat'] }),
      resident: () => [],
      run: (_spec, { signal: over }) => {
        // Itself, not its keeper, which tells how it ended.
        process.kill(Number(readFileSync(pidFile, 'utf8')), `SIG${signal}`);
        return new Promise((_settle, reject) => {
          over.addEventListener('abort', () => reject(over.reason as Error));
        });
      },
      free: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
    const engine = manage(silent, { process: own, clock: fastClock(), onSwitch: 'stop' });
    await own.up(never);
    await untilSo(() => own.words.includes(said));
    const failure = await failureOf(engine.run(TEXT_SPEC, await context()));
    expect(failure.code).toBe(code);
    expect(failure.message.includes('killed by signal 9')).toBe(signal === 'KILL');
  });

  it('is given up soon when its engine hangs and its time is over, also by a driver that hangs', async () => {
    const { engine, process: own } = await open({ serves: 'text' });
    await engine.survey!(never);
    let runs = 0;
    const deaf: Engine = {
      name: 'deaf',
      discover: () => Promise.resolve({ version: '1', models: ['chat'] }),
      resident: () => ['chat'],
      run: () => {
        runs++;
        return new Promise(() => {});
      },
      free: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
    const clock = fastClock();
    const hung = manage(deaf, { process: own, clock, onSwitch: 'stop' });
    const abort = new AbortController();
    const group = own.pid!;
    const run = hung.run(TEXT_SPEC, await context(abort.signal));
    await untilSo(() => runs === 1);
    abort.abort(new Error('its time is over'));
    await expect(run).rejects.toThrow('its time is over');
    expect(await membersOf(group)).toEqual([]);
  });

  it('fails when its engine answers garbage, and the engine stays', async () => {
    const { engine, process: own } = await open({ serves: 'text', trouble: 'garbage' });
    const run = engine.run(TEXT_SPEC, await context());
    expect((await failureOf(run)).code).toBe('job_failed');
    expect(own.isUp).toBe(true);
  });

  it('fails when its engine does not come up, with the words of the engine for the operator', async () => {
    const { engine } = await open({ serves: 'text', trouble: 'crash' });
    const failure = await failureOf(engine.run(TEXT_SPEC, await context()));
    expect(failure).toMatchObject({ code: 'engine_unavailable', retryable: true });
    expect(failure.message).toContain('tensor data is not within the file bounds');
  });

  it('does not wait longer for an engine that never answers than its start may take', async () => {
    const { engine } = await open({ serves: 'text', trouble: 'mute' }, 20_000);
    const failure = await failureOf(engine.run(TEXT_SPEC, await context()));
    expect(failure.code).toBe('engine_unavailable');
    expect(failure.message).toContain('did not answer in 20 s');
  });
});

describe('a managed engine', () => {
  it('is announced while it is stopped, and is not when it keeps crashing', async () => {
    const moodFile = join(directory, 'mood');
    await writeFile(moodFile, '');
    const { engine, process: own } = await open({ serves: 'text', moodFile });
    expect(await engine.discover(never)).toBeNull();
    await engine.survey!(never);
    await engine.free();
    expect(own.isAlive).toBe(false);
    expect(await engine.discover(never)).toMatchObject({ models: ['chat'] });
    expect(engine.occupies!()).toBe(false);
    await writeFile(moodFile, 'crash');
    await failureOf(engine.run(TEXT_SPEC, await context()));
    await untilSo(() => own.isOut);
    expect(await engine.discover(never)).toBeNull();
    expect(engine.trouble!()).toContain('keeps failing');
  });

  it('that was stopped while a model is left out announces it when that is over', async () => {
    const { process: own } = await open({ serves: 'text' });
    let [models, trouble]: [string[] | null, string | null] = [['chat'], null];
    const inner: Engine = {
      name: 'inner',
      discover: () => Promise.resolve(models && { version: '1', models: [...models] }),
      resident: () => [],
      trouble: () => trouble,
      run: () => Promise.reject(new Error('not run')),
      free: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
    const engine = manage(inner, { process: own, clock: fastClock(), onSwitch: 'stop' });
    await own.up(never);
    expect(await engine.discover(never)).toMatchObject({ models: ['chat'] });
    [models, trouble] = [[], 'chat is left out'];
    expect(await engine.discover(never)).toMatchObject({ models: [] });
    expect(engine.resting!()).toBe(false);
    await engine.free();
    models = null;
    expect(await engine.discover(never)).toMatchObject({ models: [] });
    trouble = null;
    expect(await engine.discover(never)).toMatchObject({ models: ['chat'] });
  });

  it('uses a server that is there already, and does not end it', async () => {
    const { engine, process: own, port } = await open({ serves: 'text' });
    const double = new KoboldDouble();
    await double.start(port);
    await engine.survey!(never);
    await engine.run(TEXT_SPEC, await context());
    await engine.free();
    expect(own.isAlive).toBe(false);
    expect(double.model).toBe('inactive');
    await double.stop();
  });
});
