/**
 * The engines of this box as one: asks them what they have, runs a job on the one that fits, and
 * frees the others before when they hold the GPU. An engine that does not answer counts as away
 * and is asked again later. One run at a time; the caller sees to that.
 */
import { setTimeout } from 'node:timers/promises';
import type { Capabilities } from '#schema/agent-protocol.ts';
import { assert } from '#schema/assert.ts';
import { AGENT_MODELS_MAX, BATCH_MAX } from '#schema/limits.ts';
import { ModelId } from '#schema/model.ts';
import type { Engine, EngineInfo, EngineJob, RunResult } from './engines/engine.ts';
import { EngineError } from './engines/engine.ts';
import type { Gpu } from './gpu.ts';
import { DISCOVER_MS_MAX, DISK_BYTES_MIN } from './limits.ts';
import type { Log } from './log.ts';
import { awaitMemory } from './memory.ts';
import type { EngineState } from './residency.ts';
import { freedFor, memoryOf, place, residentModels } from './residency.ts';

const MIB = 1024 * 1024;

export interface EngineStatus extends EngineState {
  readonly version: string | null;
  readonly up: boolean;
  readonly batchMax: number;
  /** What is wrong with it; null when nothing is known to be. */
  readonly trouble: string | null;
  /** Whether it ought to be up and is not. */
  readonly away: boolean;
}

export interface FleetParts {
  readonly log: Log;
  readonly askGpu: (signal: AbortSignal) => Promise<Gpu | null>;
  /** Of the disk where results lie; without it that is not looked at. */
  readonly askDiskBytes?: () => Promise<number>;
  /** Makes the signal that ends a question to an engine; given in tests. */
  readonly timeout?: (ms: number) => AbortSignal;
  /** Waits, between looks at the GPU's memory; given in tests. */
  readonly pause?: (ms: number) => Promise<unknown>;
}

export class Fleet {
  readonly #engines: readonly Engine[];
  readonly #log: Log;
  readonly #askGpu: FleetParts['askGpu'];
  readonly #askDiskBytes: FleetParts['askDiskBytes'];
  readonly #timeout: (ms: number) => AbortSignal;
  readonly #pause: NonNullable<FleetParts['pause']>;
  readonly #found = new Map<string, EngineInfo>();
  /** Engines that do not answer, and of which that was told. */
  readonly #silent = new Set<string>();
  /** Engines that were up once. */
  readonly #seen = new Set<string>();
  #gpu: Gpu | null = null;
  /** Nothing is announced: every job would fail. */
  #isDiskFull = false;
  /** Jobs of the run that goes on. */
  #runs = 0;
  /** The survey that goes on, and what ends it. */
  #survey: { readonly over: Promise<boolean>; readonly abort: AbortController } | null = null;

  constructor(engines: readonly Engine[], parts: FleetParts) {
    const { log, askGpu, askDiskBytes, timeout, pause } = parts;
    this.#engines = engines;
    this.#log = log;
    this.#askGpu = askGpu;
    this.#askDiskBytes = askDiskBytes;
    this.#timeout = timeout ?? ((ms) => AbortSignal.timeout(ms));
    this.#pause = pause ?? ((ms) => setTimeout(ms));
  }

  /**
   * Starts, one after the other, the engines that have to run to say what they have, and asks
   * them; answers whether any was. A run that needs the GPU goes before. Never rejects.
   */
  survey(): Promise<boolean> {
    if (this.#survey) return this.#survey.over;
    const abort = new AbortController();
    const over = this.#surveyAll(abort.signal).finally(() => {
      this.#survey = null;
    });
    this.#survey = { over, abort };
    return over;
  }

  async #surveyAll(signal: AbortSignal): Promise<boolean> {
    let asked = false;
    for (const engine of this.#engines) {
      // One that rests after a failure is no reason to unload what works.
      const isSettled = this.#found.has(engine.name) || (engine.resting?.() ?? false);
      if (!engine.survey || isSettled || this.#runs > 0 || signal.aborted) continue;
      try {
        await this.#free(freedFor(engine.name, this.engines()), engine.name, Infinity);
        signal.throwIfAborted();
        await engine.survey(signal);
        await this.#ask(engine);
        asked = true;
      } catch (error) {
        this.#log.warn('engine.survey', { engine: engine.name, detail: String(error) });
      }
    }
    return asked;
  }

  /** Asks every engine what it has; never rejects. */
  async discover(): Promise<Capabilities> {
    [this.#gpu] = await Promise.all([
      this.#askGpu(this.#timeout(DISCOVER_MS_MAX)),
      this.#lookAtDisk(),
      ...this.#engines.map((engine) => this.#ask(engine)),
    ]);
    const gpu = this.#gpu && { name: this.#gpu.name, vramMib: this.#gpu.vramMib };
    const up = this.engines().filter((engine) => engine.up);
    const engines = up.map((engine) => ({
      engine: engine.name,
      version: (engine.version ?? '').slice(0, 200),
      models: engine.models
        .filter((model) => ModelId.safeParse(model).success)
        .slice(0, AGENT_MODELS_MAX),
      batchMax: Math.min(BATCH_MAX, engine.batchMax),
    }));
    return { gpu, engines };
  }

  engines(): readonly EngineStatus[] {
    return this.#engines.map((engine) => {
      const info = this.#isDiskFull ? undefined : this.#found.get(engine.name);
      const isMissed = !engine.optional || this.#seen.has(engine.name);
      return {
        name: engine.name,
        version: info?.version ?? null,
        up: info !== undefined,
        batchMax: info?.batchMax ?? 1,
        models: info?.models ?? [],
        resident: engine.resident(),
        occupies: engine.occupies?.() ?? false,
        trouble: this.#isDiskFull ? 'the disk is full' : (engine.trouble?.() ?? null),
        away: info === undefined && isMissed,
      };
    });
  }

  resident(): readonly ModelId[] {
    return residentModels(this.engines()).slice(0, AGENT_MODELS_MAX);
  }

  vramFreeMib(): number | null {
    return this.#gpu?.vramFreeMib ?? null;
  }

  /** Runs jobs of one model together on an engine that has it; each rejects as `Engine.run` does. */
  run(jobs: readonly EngineJob[]): readonly Promise<RunResult>[] {
    assert(this.#runs === 0, 'one run at a time');
    this.#runs = jobs.length;
    const started = this.#start(jobs);
    return jobs.map(async (_, index) => {
      try {
        return await (
          await started
        )[index]!;
      } finally {
        this.#runs--;
      }
    });
  }

  async #start(jobs: readonly EngineJob[]): Promise<readonly Promise<RunResult>[]> {
    const { model } = jobs[0]!.spec;
    if (memoryOf(model) !== 0) await this.#endSurvey();
    const placement = place(model, this.engines());
    if (!placement) {
      const detail = `no engine here has ${model}`;
      throw new EngineError({ code: 'model_unavailable', retryable: true, detail });
    }
    await this.#free(placement.free, model, memoryOf(model) ?? Infinity);
    return runTogether(this.#find(placement.engine), jobs);
  }

  async #endSurvey(): Promise<void> {
    this.#survey?.abort.abort(new Error('a job needs the GPU'));
    await this.#survey?.over;
  }

  /** Has engines give their memory back, and waits until so much shows, MiB, or no more comes. */
  async #free(names: readonly string[], wanted: string, needMib: number): Promise<void> {
    if (names.length === 0) return;
    for (const name of names) {
      this.#log.info('engine.free', { engine: name, for: wanted });
      await this.#find(name).free();
    }
    const askFreeMib = async () =>
      (await this.#askGpu(this.#timeout(DISCOVER_MS_MAX)))?.vramFreeMib ?? null;
    const freeMib = await awaitMemory(needMib, { askFreeMib, pause: (ms) => this.#pause(ms) });
    this.#log.debug('gpu.free', { needMib, freeMib });
  }

  async close(): Promise<void> {
    await this.#endSurvey();
    const ends = await Promise.allSettled(this.#engines.map((engine) => engine.close()));
    for (const end of ends) {
      if (end.status === 'rejected') {
        this.#log.warn('engine.close', { detail: String(end.reason) });
      }
    }
  }

  async #lookAtDisk(): Promise<void> {
    const bytes = (await this.#askDiskBytes?.().catch(() => null)) ?? Infinity;
    const isFull = bytes < DISK_BYTES_MIN;
    if (isFull === this.#isDiskFull) return;
    this.#isDiskFull = isFull;
    if (!isFull) this.#log.info('disk.free');
    else {
      const help = 'no job is taken until there is room: delete files, or set TESSERA_DATA';
      this.#log.warn('disk.full', { freeMib: Math.floor(bytes / MIB), help });
    }
  }

  async #ask(engine: Engine): Promise<void> {
    const was = this.#found.has(engine.name);
    try {
      const info = await engine.discover(this.#timeout(DISCOVER_MS_MAX));
      if (info) this.#found.set(engine.name, info);
      else this.#found.delete(engine.name);
    } catch (error) {
      this.#tellSilent(engine, error);
      this.#found.delete(engine.name);
    }
    const is = this.#found.has(engine.name);
    if (is) this.#seen.add(engine.name);
    if (is) this.#silent.delete(engine.name);
    if (was !== is) this.#log.info(is ? 'engine.up' : 'engine.away', { engine: engine.name });
  }

  /** Once until it answers; it is asked each minute. */
  #tellSilent({ name }: Engine, error: unknown): void {
    const isKnown = this.#silent.has(name);
    this.#silent.add(name);
    const help = 'tessera-agent doctor says what is there instead, and how to mend it';
    const fields = { engine: name, detail: String(error), ...(!isKnown && { help }) };
    this.#log[isKnown ? 'debug' : 'warn']('engine.silent', fields);
  }

  #find(name: string): Engine {
    const engine = this.#engines.find((other) => other.name === name);
    assert(engine, 'a placement names an engine of the fleet');
    return engine;
  }
}

/** In one execution where the engine can, else one after another; what is aborted is left out. */
function runTogether(engine: Engine, jobs: readonly EngineJob[]): readonly Promise<RunResult>[] {
  const wanted = jobs.filter(({ context }) => !context.signal.aborted);
  const batch = wanted.length > 1 && engine.runBatch ? engine.runBatch(wanted) : null;
  let before: Promise<unknown> = Promise.resolve();
  return jobs.map((job) => {
    const { spec, context } = job;
    if (!wanted.includes(job)) return Promise.reject(context.signal.reason as Error);
    if (batch) return batch[wanted.indexOf(job)]!;
    const run = before.then(() => {
      context.signal.throwIfAborted();
      return engine.run(spec, context);
    });
    before = run.catch(() => undefined);
    return run;
  });
}
