/**
 * An engine whose server the agent starts and stops itself. What it has installed is asked once
 * it runs, and remembered while it does not: it is announced as long as it can be started. One
 * that is running already when it is needed is used as it is, and only told to unload. When its
 * process ends in the middle of a job, or does not let go of one, the job fails soon, with the
 * process's last words for the operator. Jobs of one batch share its start, and each is watched
 * by itself.
 */
import type { JobSpec } from '#schema/job.ts';
import type { ModelId } from '#schema/model.ts';
import type { Clock } from '../clock.ts';
import { ProcessFailure } from '../process.ts';
import type { EngineProcess } from '../process.ts';
import { LAST_SAY_MS, WEDGED_MS } from '../process/limits.ts';
import { EngineError } from './engine.ts';
import type { Engine, EngineInfo, EngineJob, RunContext, RunResult } from './engine.ts';

/** How CUDA and its users say it. A SIGKILL alone says nothing: anybody may have sent it. */
const OUT_OF_MEMORY = /out of memory|failed to allocate|bad_alloc|\boom\b/i;
/** The start of the details that goes into an error; a log's field holds no more. */
const DETAIL_CHARS_MAX = 900;

export interface ManagedParts {
  readonly process: EngineProcess;
  readonly clock: Clock;
  /** What frees its memory: its end, or its own unloading. */
  readonly onSwitch: 'stop' | 'unload';
}

/** Begins jobs that run together; answers the result of each. */
type Begin = (jobs: readonly EngineJob[]) => readonly Promise<RunResult>[];

class Managed implements Engine {
  readonly name: string;
  /** Where the driver runs batches. */
  readonly runBatch?: NonNullable<Engine['runBatch']>;
  readonly #inner: Engine;
  readonly #process: EngineProcess;
  readonly #clock: Clock;
  readonly #onSwitch: 'stop' | 'unload';
  #known: EngineInfo | null = null;
  /** What it has now, less what is left out for a while. */
  #last: EngineInfo | null = null;
  /** A server that somebody else started answers. */
  #isForeign = false;
  /** Jobs that run, or wait for its start. */
  #jobs = 0;

  constructor(inner: Engine, { process, clock, onSwitch }: ManagedParts) {
    this.name = inner.name;
    this.#inner = inner;
    this.#process = process;
    this.#clock = clock;
    this.#onSwitch = onSwitch;
    if (!inner.runBatch) return;
    const begin: Begin = (jobs) => inner.runBatch!(jobs);
    this.runBatch = (jobs) => this.#run(jobs, begin);
  }

  get #busy(): boolean {
    return this.#jobs > 0;
  }

  async discover(signal: AbortSignal): Promise<EngineInfo | null> {
    if (this.#process.isOut) {
      this.#known = null;
      return null;
    }
    const info = await this.#inner.discover(signal).catch(() => null);
    this.#learn(info);
    if (this.#process.isAlive) {
      // One that computes may be slow to answer; the run itself is watched.
      if (this.#process.isUp && !this.#busy) this.#process.heard(info !== null);
      return info ?? (this.#process.isUp && !this.#busy ? null : this.#known);
    }
    this.#isForeign = info !== null;
    return this.#isLacking ? this.#last : this.#known;
  }

  async survey(signal: AbortSignal): Promise<void> {
    if (this.#known) return;
    if (await this.discover(signal)) return;
    await this.#process.up(signal);
    this.#learn(await this.#inner.discover(signal));
  }

  /** What is left out for a while is there all the same, and counts again when that is over. */
  #learn(info: EngineInfo | null): void {
    if (!info) return;
    this.#last = info;
    if (!this.#isLacking) this.#known = info;
  }

  get #isLacking(): boolean {
    return (this.#inner.trouble?.() ?? null) !== null;
  }

  resident(): readonly ModelId[] {
    return this.#process.isUp || this.#isForeign ? this.#inner.resident() : [];
  }

  occupies(): boolean {
    return this.#process.holds;
  }

  resting(): boolean {
    return this.#process.trouble !== null;
  }

  trouble(): string | null {
    return this.#process.trouble ?? this.#inner.trouble?.() ?? null;
  }

  run(spec: JobSpec, context: RunContext): Promise<RunResult> {
    const begin: Begin = (jobs) => jobs.map((job) => this.#inner.run(job.spec, job.context));
    return this.#run([{ spec, context }], begin)[0]!;
  }

  #run(jobs: readonly EngineJob[], begin: Begin): readonly Promise<RunResult>[] {
    this.#jobs += jobs.length;
    const everybody = allOf(jobs.map(({ context }) => context.signal));
    const started = this.#start(jobs, everybody).then((startedMs) => {
      const wanted = jobs.filter(({ context }) => !context.signal.aborted);
      const runs = this.#watchAll(wanted, begin);
      return { startedMs, runs: new Map(wanted.map((job, index) => [job, runs[index]!])) };
    });
    return jobs.map(async (job) => {
      const { signal } = job.context;
      try {
        // One that is not wanted any more does not wait for the start that others wait for.
        const { startedMs, runs } = await Promise.race([started, leaving(signal, everybody)]);
        const run = runs.get(job);
        if (!run) throw signal.reason as Error;
        const result = await run;
        return { ...result, loadMs: result.loadMs + startedMs };
      } catch (error) {
        if (signal.aborted) throw signal.reason as Error;
        throw error;
      } finally {
        this.#jobs--;
      }
    });
  }

  async free(): Promise<void> {
    if (this.#isForeign || (this.#onSwitch === 'unload' && this.#process.isUp)) {
      await this.#inner.free();
    } else await this.#process.stop();
  }

  async close(): Promise<void> {
    await Promise.all([this.#inner.close(), this.#process.close()]);
  }

  /** Has it up; answers how long that took, ms. */
  async #start(jobs: readonly EngineJob[], signal: AbortSignal): Promise<number> {
    signal.throwIfAborted();
    if (this.#process.isUp) return 0;
    if (!this.#process.isAlive) {
      const info = await this.#inner.discover(signal).catch(() => null);
      this.#isForeign = info !== null;
      if (info) return 0;
    }
    for (const { context } of jobs) {
      context.onProgress({ fraction: 0, stage: 'loading', step: null, steps: null });
    }
    const startedAt = this.#clock.now();
    try {
      await this.#process.up(signal);
    } catch (error) {
      if (error instanceof ProcessFailure) throw toError('engine_unavailable', error.message);
      throw error;
    }
    return Math.round(this.#clock.now() - startedAt);
  }

  /** Runs jobs while their process lives, and not for long after they were told to stop. */
  #watchAll(jobs: readonly EngineJob[], begin: Begin): readonly Promise<RunResult>[] {
    if (jobs.length === 0 || this.#isForeign) return begin(jobs);
    const watches = jobs.map(({ context }) => this.#watch(context.signal));
    const own = jobs.map(({ spec, context }, index) => {
      return { spec, context: { ...context, signal: watches[index]!.signal } };
    });
    return begin(own).map((run, index) => watches[index]!.over(run));
  }

  /** What ends one job of a process: its own signal, or the end of the process. */
  #watch(signal: AbortSignal): Watch {
    const process = this.#process;
    const { presence } = process;
    const lost = new AbortController();
    const cancels: (() => void)[] = [];
    const onGone = () => {
      // The driver may know better why: it has a moment to say so.
      cancels.push(this.#clock.after(LAST_SAY_MS, () => lost.abort(presence.reason)));
    };
    const onAbort = () => cancels.push(this.#clock.after(WEDGED_MS, () => process.wedge()));
    presence.addEventListener('abort', onGone, { once: true });
    signal.addEventListener('abort', onAbort, { once: true });
    const over = async (run: Promise<RunResult>) => {
      try {
        return await Promise.race([run, failureOf(lost.signal)]);
      } catch (error) {
        // A connection breaks before the end of its process is known: the next try must not meet it.
        if (isAway(error)) await this.#heardOrLate(presence);
        if (!presence.aborted) throw error;
        throw toCrash(error, presence.reason as Error);
      } finally {
        presence.removeEventListener('abort', onGone);
        signal.removeEventListener('abort', onAbort);
        for (const cancel of cancels) cancel();
      }
    };
    return { signal: AbortSignal.any([signal, lost.signal]), over };
  }

  /** Resolves when the process is known to be gone, or after a moment. */
  #heardOrLate(presence: AbortSignal): Promise<void> {
    if (presence.aborted) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.after(LAST_SAY_MS, resolve);
    presence.addEventListener('abort', () => resolve(), { once: true });
    return promise.finally(cancel);
  }
}

interface Watch {
  /** For the driver. */
  readonly signal: AbortSignal;
  /** The job's result, or why there is none; what was watched is let go then. */
  readonly over: (run: Promise<RunResult>) => Promise<RunResult>;
}

/** Aborts when all of them have. */
function allOf(signals: readonly AbortSignal[]): AbortSignal {
  const all = new AbortController();
  const look = () => {
    if (signals.every(({ aborted }) => aborted)) all.abort(signals.at(-1)!.reason);
  };
  for (const signal of signals) signal.addEventListener('abort', look, { once: true });
  look();
  return all.signal;
}

/** Rejects when the signal aborts, unless it was the last: then what it leaves ends by itself. */
function leaving(signal: AbortSignal, everybody: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const leave = () => {
    if (!everybody.aborted) reject(signal.reason as Error);
  };
  signal.addEventListener('abort', leave, { once: true });
  if (signal.aborted) leave();
  return promise;
}

/** Whether a driver says that its server does not answer. */
function isAway(error: unknown): boolean {
  return error instanceof EngineError && error.code === 'engine_unavailable';
}

/** The engine, with its server started and stopped as it is needed. */
export function manage(inner: Engine, parts: ManagedParts): Engine {
  return new Managed(inner, parts);
}

/** Rejects when the signal aborts; a driver that does not heed it is not waited for. */
function failureOf(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  return promise;
}

function toCrash(error: unknown, end: Error): EngineError {
  const words = error instanceof EngineError ? `${error.message}\n` : '';
  const detail = `${words}${end.message}`;
  return toError(OUT_OF_MEMORY.test(detail) ? 'engine_out_of_memory' : 'job_failed', detail);
}

function toError(code: EngineError['code'], detail: string): EngineError {
  return new EngineError({ code, retryable: true, detail: detail.slice(-DETAIL_CHARS_MAX) });
}
