/**
 * Short films by rule, not by a neural model: a picture of the painter, and a slow camera over
 * it while water, wind and lights move. MP4 where ffmpeg is on the PATH, else an animated WebP.
 * The same prompt, seed, size and steps give the same frames.
 */
import type { JobSpec } from '#schema/job.ts';
import type { AnimatorEvent, AnimatorRequest } from './animator/child.ts';
import { Child } from './child.ts';
import type { ChildOptions } from './child.ts';
import { EngineError } from './engine.ts';
import type { Engine, Output, RunContext, RunResult } from './engine.ts';
import { findCommand } from './ffmpeg.ts';
import { hasSharp } from './painter.ts';

const MODEL = 'painter-motion';
/** Counts changes of what is filmed. */
const VERSION = '1';

function toRequest(spec: JobSpec, directory: string, ffmpeg: string | null): AnimatorRequest {
  const refuse = (detail: string): never => {
    throw new EngineError({ code: 'engine_rejected', retryable: false, detail });
  };
  if (spec.type !== 'video') return refuse(`the animator runs no ${spec.type}`);
  if (spec.input_image !== null) return refuse('the animator takes no input image');
  const { prompt, width, height, steps, seed, fps, duration_s: durationS } = spec;
  return { prompt, width, height, steps, seed, fps, durationS, directory, ffmpeg };
}

/** `ffmpeg` is looked for when it is not given; null stands for none. */
export interface AnimatorOptions extends ChildOptions {
  readonly ffmpeg?: string | null;
}

/** The engine of the model `painter-motion`. */
export function createAnimator({ ffmpeg, ...options }: AnimatorOptions = {}): Engine {
  const child = new Child<AnimatorRequest, AnimatorEvent, Output>(
    new URL('./animator/child.ts', import.meta.url),
    options,
  );
  let installed = false;

  async function run(spec: JobSpec, context: RunContext): Promise<RunResult> {
    const { signal, directory } = context;
    signal.throwIfAborted();
    const found = ffmpeg === undefined ? await findCommand('ffmpeg', signal) : ffmpeg;
    const request = toRequest(spec, directory, found);
    const { steps } = request;
    const stage = child.warm ? 'running' : 'loading';
    context.onProgress({ fraction: 0, stage, step: 0, steps });
    const onEvent = (event: AnimatorEvent): void => {
      if (event.kind === 'preview') {
        const data = Buffer.from(event.webp).toString('base64');
        context.onPreview({ content_type: 'image/webp', data });
        return;
      }
      const { fraction } = event;
      context.onProgress({ fraction, stage: 'running', step: Math.floor(fraction * steps), steps });
    };
    const { result, loadMs } = await child.run(request, { signal, onEvent });
    return { outputs: [result], usage: { steps }, loadMs };
  }

  return {
    name: 'animator',
    optional: true,
    discover: async (signal) => {
      installed ||= await hasSharp(signal);
      return installed ? { version: VERSION, models: [MODEL] } : null;
    },
    resident: () => (child.warm ? [MODEL] : []),
    run,
    free: () => child.stop(),
    close: () => child.stop(),
  };
}
