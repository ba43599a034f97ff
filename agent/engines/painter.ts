/**
 * Pictures by rule, not by a neural model: a procedural painter that reads a few hundred words
 * of a prompt (scene, hour, weather, colours, figures, manner) and paints them in strokes. It
 * runs anywhere, so that a service without a GPU still works end to end. The same prompt, seed,
 * size and steps give the same pixels. It paints and encodes in a child process that the first
 * job starts; no image library is loaded here.
 */
import { execFile } from 'node:child_process';
import type { ImageSpec } from '#schema/job.ts';
import { Child } from './child.ts';
import type { ChildOptions } from './child.ts';
import { EngineError } from './engine.ts';
import type { Engine, Output, RunContext, RunResult } from './engine.ts';
import type { PainterEvent, PainterRequest } from './painter/child.ts';

const MODEL = 'painter';
/** Counts changes of what is painted: the same version paints the same pixels. */
const VERSION = '1';

function toRequest(spec: ImageSpec, directory: string): PainterRequest {
  const { prompt, width, height, steps, seed, count } = spec;
  if (
    spec.input_image !== null ||
    spec.mask !== null ||
    spec.loras.length > 0 ||
    spec.upscale > 1
  ) {
    throw new EngineError({
      code: 'engine_rejected',
      retryable: false,
      detail: 'the painter takes no input image, mask, LoRA or upscale',
    });
  }
  return { prompt, width, height, steps, seed, count, directory };
}

/** Whether libvips has a build for this machine: asked of a process that ends at once. */
function hasSharp(signal: AbortSignal): Promise<boolean> {
  const options = { cwd: import.meta.dirname, env: {}, signal };
  const { promise, resolve } = Promise.withResolvers<boolean>();
  execFile(process.execPath, ['--eval', "require('sharp')"], options, (error) =>
    resolve(error === null),
  );
  return promise;
}

/** The engine of the model `painter`. */
export function createPainter(options?: ChildOptions): Engine {
  const child = new Child<PainterRequest, PainterEvent, readonly Output[]>(
    new URL('./painter/child.ts', import.meta.url),
    options,
  );
  /** What is installed stays installed: asked until the answer is yes. */
  let installed = false;

  async function run(spec: ImageSpec, context: RunContext): Promise<RunResult> {
    const request = toRequest(spec, context.directory);
    const { steps } = request;
    const stage = child.warm ? 'running' : 'loading';
    const take = (event: PainterEvent): void => {
      if (event.kind === 'step') context.onProgress(progressOf(request, event));
      else {
        const data = Buffer.from(event.webp).toString('base64');
        context.onPreview({ content_type: 'image/webp', data });
      }
    };
    context.onProgress({ fraction: 0, stage, step: 0, steps });
    const { result, loadMs } = await child.run(request, { signal: context.signal, onEvent: take });
    return { outputs: result, usage: { steps }, loadMs };
  }

  return {
    name: 'painter',
    discover: async (signal) => {
      installed ||= await hasSharp(signal);
      return installed ? { version: VERSION, models: [MODEL] } : null;
    },
    resident: () => (child.warm ? [MODEL] : []),
    run: async (spec, context) => {
      context.signal.throwIfAborted();
      if (spec.type === 'image') return run(spec, context);
      const detail = `the painter runs no ${spec.type}`;
      throw new EngineError({ code: 'engine_rejected', retryable: false, detail });
    },
    free: () => child.stop(),
    close: () => child.stop(),
  };
}

/** All pictures together count the spec's steps once. */
function progressOf(
  { steps, count }: PainterRequest,
  done: { picture: number; step: number },
): { fraction: number; stage: 'running'; step: number; steps: number } {
  const fraction = (done.picture * steps + done.step) / (steps * count);
  return { fraction, stage: 'running', step: Math.floor(fraction * steps), steps };
}
