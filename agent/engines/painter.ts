/**
 * Pictures by rule, not by a neural model: a procedural painter that reads a few hundred words
 * of a prompt (scene, hour, weather, colours, figures, manner) and paints them in strokes. It
 * runs anywhere, so that a service without a GPU still works end to end. The same prompt, seed,
 * size and steps give the same pixels. It paints and encodes in a child process that the first
 * job starts; no image library is loaded here. A batch is one request to the child: one picture
 * is encoded while the next is painted, and a job's result is out as soon as its own are done.
 * A picture that a job brings is painted over (painter/repaint.ts); enlarging is resampling.
 */
import { execFile } from 'node:child_process';
import type { JobSpec } from '#schema/job.ts';
import { Child } from './child.ts';
import type { ChildOptions } from './child.ts';
import { EngineError } from './engine.ts';
import type { Engine, EngineJob, RunContext, RunResult } from './engine.ts';
import type { PainterEvent, PainterJob, PainterRequest } from './painter/child.ts';

const MODEL = 'painter';
/** Counts changes of what is painted: the same version paints the same pixels. */
const VERSION = '1';

/** Longest side of a picture that was enlarged; a PNG of it is some 50 MB at most. */
const ENLARGED_SIDE_PX_MAX = 4096;

/** Jobs in one request: none waits for longer than a few pictures take. */
const BATCH = 4;

function reject(detail: string): never {
  throw new EngineError({ code: 'engine_rejected', retryable: false, detail });
}

/** The job, as far as it is known before its files are there. */
function toJob(spec: JobSpec, directory: string): PainterJob {
  if (spec.type !== 'image') return reject(`the painter runs no ${spec.type}`);
  const { prompt, width, height, steps, seed, count, strength, upscale } = spec;
  if (spec.loras.length > 0) return reject('the painter takes no LoRA');
  if (Math.max(width, height) * upscale > ENLARGED_SIDE_PX_MAX) {
    return reject(`the painter enlarges to at most ${ENLARGED_SIDE_PX_MAX} px a side`);
  }
  const files = { input: null, mask: null, maskKind: 'mask' as const };
  return { prompt, width, height, steps, seed, count, strength, upscale, ...files, directory };
}

/** The job with its files, which may have to be fetched. */
async function bring(part: Part): Promise<Part> {
  const { spec, job, context } = part;
  if (spec.type !== 'image' || spec.input_image === null) return part;
  const input = await context.openInput(spec.input_image);
  const mask = spec.mask === null ? null : await context.openInput(spec.mask);
  context.signal.throwIfAborted();
  const maskKind = spec.mask_by === 'transparency' ? 'holes' : 'mask';
  return { ...part, job: { ...job, input, mask, maskKind } };
}

/** Whether libvips has a build for this machine: asked of a process that ends at once. */
export function hasSharp(signal: AbortSignal): Promise<boolean> {
  const options = { cwd: import.meta.dirname, env: {}, signal };
  const { promise, resolve } = Promise.withResolvers<boolean>();
  execFile(process.execPath, ['--eval', "require('sharp')"], options, (error) =>
    resolve(error === null),
  );
  return promise;
}

/** A job of a batch on its way: it ends by its own pictures, its own abort, or with the batch. */
interface Part {
  readonly spec: JobSpec;
  readonly job: PainterJob;
  readonly context: RunContext;
  readonly end: PromiseWithResolvers<RunResult>;
}

/** One request to the child: all the parts in it, and those that are not settled. */
class Batch {
  readonly #child: Child<PainterRequest, PainterEvent, null>;
  readonly #parts: readonly Part[];
  readonly #pending: Set<Part>;
  readonly #abort = new AbortController();
  #loadMs = 0;
  /** Of the last part: told when the child is free again. */
  #last: RunResult | EngineError | null = null;

  constructor(child: Child<PainterRequest, PainterEvent, null>, parts: readonly Part[]) {
    this.#child = child;
    this.#parts = parts;
    this.#pending = new Set(parts);
  }

  async paint(): Promise<void> {
    const stage = this.#child.warm ? 'running' : 'loading';
    for (const part of this.#parts) {
      const { job, context } = part;
      context.signal.addEventListener('abort', () => this.#remove(part), { once: true });
      context.onProgress({ fraction: 0, stage, step: 0, steps: job.steps });
    }
    const request = { jobs: this.#parts.map(({ job }) => job) };
    const { signal } = this.#abort;
    const onReady = (ms: number) => {
      this.#loadMs = ms;
    };
    try {
      await this.#child.run(request, { signal, onEvent: (event) => this.#take(event), onReady });
      const last = this.#last;
      for (const { end } of this.#pending) {
        if (last instanceof EngineError) end.reject(last);
        else end.resolve(last!);
      }
    } catch (error) {
      for (const { end } of this.#pending) end.reject(error);
    }
  }

  #take(event: PainterEvent): void {
    const part = this.#parts[event.job]!;
    if (!this.#pending.has(part)) return;
    const { job, context, end } = part;
    switch (event.kind) {
      case 'step':
        context.onProgress(progressOf(job, event));
        return;
      case 'preview': {
        const data = Buffer.from(event.webp).toString('base64');
        context.onPreview({ content_type: 'image/webp', data });
        return;
      }
      case 'unreadable': {
        const { detail } = event;
        const why = new EngineError({ code: 'input_unreadable', retryable: false, detail });
        if (this.#pending.size === 1) this.#last = why;
        else if (this.#pending.delete(part)) end.reject(why);
        return;
      }
      case 'done': {
        const { outputs } = event;
        const result = { outputs, usage: { steps: job.steps }, loadMs: this.#loadMs };
        if (this.#pending.size === 1) this.#last = result;
        else if (this.#pending.delete(part)) end.resolve(result);
      }
    }
  }

  /** The others go on; the last one takes the child with it. */
  #remove(part: Part): void {
    if (!this.#pending.has(part)) return;
    const reason = part.context.signal.reason as Error;
    if (this.#pending.size === 1) this.#abort.abort(reason);
    else {
      this.#pending.delete(part);
      this.#child.drop(this.#parts.indexOf(part));
      part.end.reject(reason);
    }
  }
}

/** The engine of the model `painter`. */
export function createPainter(options?: ChildOptions): Engine {
  const child = new Child<PainterRequest, PainterEvent, null>(
    new URL('./painter/child.ts', import.meta.url),
    options,
  );
  /** What is installed stays installed: asked until the answer is yes. */
  let installed = false;

  function runBatch(jobs: readonly EngineJob[]): readonly Promise<RunResult>[] {
    const parts: Part[] = [];
    const ends = jobs.map(({ spec, context }) => {
      const end = Promise.withResolvers<RunResult>();
      try {
        context.signal.throwIfAborted();
        parts.push({ spec, job: toJob(spec, context.directory), context, end });
      } catch (error) {
        end.reject(error);
      }
      return end.promise;
    });
    const isReady = parts.every(({ spec }) => spec.type !== 'image' || spec.input_image === null);
    if (isReady) start(parts);
    else void bringAll(parts).then(start);
    return ends;
  }

  function start(parts: readonly Part[]): void {
    if (parts.length > 0) void new Batch(child, parts).paint();
  }

  return {
    name: 'painter',
    optional: true,
    discover: async (signal) => {
      installed ||= await hasSharp(signal);
      return installed ? { version: VERSION, models: [MODEL], batchMax: BATCH } : null;
    },
    resident: () => (child.warm ? [MODEL] : []),
    run: (spec, context) => runBatch([{ spec, context }])[0]!,
    runBatch,
    free: () => child.stop(),
    close: () => child.stop(),
  };
}

/** Those whose files are there; the others have ended. */
async function bringAll(parts: readonly Part[]): Promise<Part[]> {
  const ready: Part[] = [];
  for (const part of parts) {
    try {
      ready.push(await bring(part));
    } catch (error) {
      part.end.reject(error);
    }
  }
  return ready;
}

/** All pictures of a job together count the spec's steps once. */
function progressOf(
  { steps, count }: PainterJob,
  done: { picture: number; step: number },
): { fraction: number; stage: 'running'; step: number; steps: number } {
  const fraction = (done.picture * steps + done.step) / (steps * count);
  return { fraction, stage: 'running', step: Math.floor(fraction * steps), steps };
}
