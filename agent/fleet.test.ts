import { beforeEach, describe, expect, it } from 'vitest';
import type { JobSpec } from '#schema/job.ts';
import { Bell, TestClock } from './doubles/clock.ts';
import { TestEngine } from './doubles/engine.ts';
import { IMAGE_SPEC, TEXT_SPEC } from './doubles/spec.ts';
import type { Engine, EngineInfo, RunContext, RunResult } from './engines/engine.ts';
import { Fleet } from './fleet.ts';
import { DISCOVER_MS_MAX, DISK_BYTES_MIN } from './limits.ts';
import type { Log } from './log.ts';

const quiet: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const GPU = { name: 'RTX', vramMib: 24_000, vramFreeMib: 20_000 };

function fleetOf(engines: readonly Engine[], clock = new TestClock()) {
  const timeout = (ms: number) => clock.timeout(ms);
  return new Fleet(engines, { log: quiet, askGpu: () => Promise.resolve(GPU), timeout });
}

function context(signal = new AbortController().signal): RunContext {
  const ignore = () => {};
  const openInput = () => Promise.reject(new Error('the job brings no file'));
  const told = { onProgress: ignore, onPreview: ignore, onText: ignore };
  return { signal, directory: 'scratch', openInput, ...told };
}

function run(fleet: Fleet, spec: JobSpec): Promise<RunResult> {
  return fleet.run([{ spec, context: context() }])[0]!;
}

const BROKEN = { code: 'job_failed', retryable: true, detail: 'broken' } as const;

it('announces the engines that answer, and leaves out those that are away', async () => {
  const bell = new Bell();
  const up = new TestEngine('up', ['painter', 'NOT A MODEL'], bell);
  const away = new TestEngine('away', ['chat'], bell);
  away.away = true;
  const fleet = fleetOf([up, away]);
  expect(await fleet.discover()).toEqual({
    gpu: { name: 'RTX', vramMib: 24_000 },
    engines: [{ engine: 'up', version: '1', models: ['painter'], batchMax: 1 }],
  });
  expect(fleet.vramFreeMib()).toBe(20_000);
  await expect(run(fleet, TEXT_SPEC)).rejects.toMatchObject({
    code: 'model_unavailable',
  });
});

it('misses an engine that is away, but one that never could run here only where it must', async () => {
  const bell = new Bell();
  const [must, may] = [new TestEngine('must', [], bell), new TestEngine('may', ['chat'], bell)];
  const fleet = fleetOf([must, Object.assign(may, { optional: true })]);
  [must.away, may.away] = [true, true];
  const missed = async () => {
    await fleet.discover();
    return fleet.engines().flatMap(({ name, away }) => (away ? [name] : []));
  };
  expect(await missed()).toEqual(['must']);
  [must.away, may.away] = [false, false];
  expect(await missed()).toEqual([]);
  may.away = true;
  expect(await missed()).toEqual(['may']);
});

it('tells once of an engine that does not answer, and again when it went away later', async () => {
  const told: unknown[] = [];
  let isSilent = true;
  const log = { ...quiet, warn: (...line: unknown[]) => void told.push(line) };
  const engine = Object.assign(new TestEngine('text', ['chat'], new Bell()), {
    discover: (): Promise<EngineInfo> =>
      isSilent
        ? Promise.reject(new Error('connect ECONNREFUSED'))
        : Promise.resolve({ version: '1', models: [] }),
  });
  const fleet = new Fleet([engine], { log, askGpu: () => Promise.resolve(null) });
  await fleet.discover();
  await fleet.discover();
  const line = { engine: 'text', detail: expect.stringContaining('ECONNREFUSED') as string };
  expect(told).toEqual([['engine.silent', { ...line, help: expect.any(String) as string }]]);
  isSilent = false;
  await fleet.discover();
  isSilent = true;
  await fleet.discover();
  expect(told).toHaveLength(2);
});

it('announces nothing while the disk is full, and says so', async () => {
  const told: unknown[] = [];
  const log = { ...quiet, warn: (op: string) => void told.push(op) };
  let bytes = DISK_BYTES_MIN - 1;
  const engine = new TestEngine('up', ['painter'], new Bell());
  const askDiskBytes = () => Promise.resolve(bytes);
  const fleet = new Fleet([engine], { log, askGpu: () => Promise.resolve(null), askDiskBytes });
  expect((await fleet.discover()).engines).toEqual([]);
  await fleet.discover();
  expect(fleet.engines()).toMatchObject([{ up: false, away: true, trouble: 'the disk is full' }]);
  expect(told).toEqual(['disk.full']);
  await expect(run(fleet, IMAGE_SPEC)).rejects.toMatchObject({ retryable: true });
  bytes = DISK_BYTES_MIN;
  expect((await fleet.discover()).engines).toHaveLength(1);
});

it('does not wait for an engine that hangs', async () => {
  const clock = new TestClock();
  const hangs = new TestEngine('hangs', ['chat'], new Bell());
  hangs.discover = (signal?: AbortSignal) =>
    new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(new Error('late')));
    });
  const found = fleetOf([hangs], clock).discover();
  clock.advance(DISCOVER_MS_MAX);
  expect((await found).engines).toEqual([]);
});

it('frees the engine that holds the GPU before another one uses it', async () => {
  const bell = new Bell();
  const picture = new TestEngine('picture', ['painter', 'svd'], bell);
  const text = new TestEngine('text', ['chat'], bell);
  picture.loaded = ['svd'];
  const fleet = fleetOf([picture, text]);
  await fleet.discover();
  const first = run(fleet, TEXT_SPEC);
  await bell.until(() => text.busy());
  expect(picture.freed).toBe(1);
  text.fail(BROKEN);
  await expect(first).rejects.toThrow(BROKEN.detail);
  void run(fleet, IMAGE_SPEC);
  await bell.until(() => picture.busy());
  expect(text.freed).toBe(0);
});

describe('several jobs', () => {
  const bell = new Bell();
  let engine: TestEngine;
  let fleet: Fleet;
  const jobs = (signals: readonly AbortSignal[]) =>
    signals.map((signal) => ({ spec: IMAGE_SPEC, context: context(signal) }));
  const live = () => new AbortController().signal;
  beforeEach(async () => {
    engine = new TestEngine('test', ['painter'], bell);
    fleet = fleetOf([engine]);
    await fleet.discover();
  });

  it('are one execution of an engine that runs batches, without what is aborted already', async () => {
    engine.batchMax = 3;
    const results = fleet.run(jobs([live(), AbortSignal.abort(new Error('gone')), live()]));
    await expect(results[1]).rejects.toThrow('gone');
    await bell.until(() => engine.busy());
    expect([engine.jobs(), engine.runs]).toEqual([2, 1]);
    engine.fail(BROKEN);
    await expect(results[0]).rejects.toThrow(BROKEN.detail);
    engine.fail(BROKEN);
    await expect(results[2]).rejects.toThrow(BROKEN.detail);
  });

  it('are run one after another, each to its end, by an engine that cannot', async () => {
    // As an engine file has it that implements no batch.
    const single: Engine = {
      name: 'single',
      discover: () => engine.discover(),
      resident: () => engine.resident(),
      run: (spec, to) => engine.run(spec, to),
      free: () => engine.free(),
      close: () => engine.close(),
    };
    fleet = fleetOf([single]);
    await fleet.discover();
    const results = fleet.run(jobs([live(), live()]));
    await bell.until(() => engine.busy());
    engine.fail(BROKEN);
    await expect(results[0]).rejects.toThrow(BROKEN.detail);
    await bell.until(() => engine.runs === 2);
    engine.fail(BROKEN);
    await expect(results[1]).rejects.toThrow(BROKEN.detail);
  });

  it('are refused while a run goes on', async () => {
    void fleet.run(jobs([live()]));
    expect(() => fleet.run(jobs([live()]))).toThrow('one run at a time');
  });
});

describe('engines that have to run to say what they have', () => {
  const bell = new Bell();
  class Hidden extends TestEngine {
    surveyed = 0;
    readonly found = Promise.withResolvers<void>();

    survey(signal: AbortSignal): Promise<void> {
      this.surveyed++;
      this.away = false;
      bell.ring();
      const late = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
      return Promise.race([this.found.promise, late]);
    }

    occupies(): boolean {
      return !this.away;
    }
  }
  function hidden(name: string, model: string): Hidden {
    const engine = new Hidden(name, [model], bell);
    engine.away = true;
    return engine;
  }

  it('are started one after another, each after the one before has given the GPU back', async () => {
    const [first, second] = [hidden('first', 'svd'), hidden('second', 'chat')];
    const fleet = fleetOf([first, second]);
    await fleet.discover();
    const survey = fleet.survey();
    await bell.until(() => first.surveyed === 1);
    expect(second.surveyed).toBe(0);
    first.found.resolve();
    second.found.resolve();
    expect(await survey).toBe(true);
    expect(first.freed).toBe(1);
    expect(fleet.engines().map(({ models }) => models)).toEqual([['svd'], ['chat']]);
    expect(await fleet.survey()).toBe(false);
  });

  it('are left alone while they rest after a failure, and nothing is unloaded for them', async () => {
    const [works, rests] = [new TestEngine('works', ['chat'], bell), hidden('rests', 'svd')];
    works.loaded = ['chat'];
    const tired: Engine = Object.assign(rests, { trouble: () => 'it failed', resting: () => true });
    const fleet = fleetOf([works, tired]);
    await fleet.discover();
    expect(await fleet.survey()).toBe(false);
    expect([works.freed, rests.surveyed]).toEqual([0, 0]);
    expect(fleet.engines()[1]?.trouble).toBe('it failed');
  });

  it('wait for a job that needs the GPU, and not the job for them', async () => {
    const [known, late] = [new TestEngine('known', ['chat'], bell), hidden('late', 'svd')];
    const fleet = fleetOf([known, late]);
    await fleet.discover();
    const survey = fleet.survey();
    await bell.until(() => late.surveyed === 1);
    void run(fleet, TEXT_SPEC);
    await bell.until(() => known.busy());
    expect(await survey).toBe(false);
    expect(late.freed).toBe(1);
  });
});

it('waits for graphics memory to come back before the next engine uses it', async () => {
  const bell = new Bell();
  const [picture, text] = [new TestEngine('a', ['svd'], bell), new TestEngine('b', ['chat'], bell)];
  picture.loaded = ['svd'];
  const free = [100, 100, 3000, 9000];
  let asked = 0;
  const askGpu = () =>
    Promise.resolve({ name: 'RTX', vramMib: 9000, vramFreeMib: free[asked++] ?? 9000 });
  const fleet = new Fleet([picture, text], { log: quiet, askGpu, pause: () => Promise.resolve() });
  await fleet.discover();
  void run(fleet, TEXT_SPEC);
  await bell.until(() => text.busy());
  expect(asked).toBe(free.length);
});

it('closes every engine, also when one of them fails to', async () => {
  const first = new TestEngine('first', [], new Bell());
  const second = new TestEngine('second', [], new Bell());
  first.close = () => Promise.reject(new Error('stuck'));
  await fleetOf([first, second]).close();
  expect(second.closed).toBe(true);
});
