/**
 * The sound that a server answered as the file that was asked for. A WAV becomes Ogg by the
 * agent's own encoder; anything else of another kind than asked for is brought into it by ffmpeg,
 * where this machine has it.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CONTENT_TYPES } from '#schema/artifact.ts';
import type { SpeechSpec } from '#schema/job.ts';
import { decodeWav, writeSound } from '../audio.ts';
import type { RunContext, RunResult } from '../engine.ts';
import { convertSound } from '../ffmpeg.ts';
import { failed, refused } from '../server/fault.ts';
import { kindOf } from './sound.ts';
import type { SoundKind } from './sound.ts';

const TYPES = { wav: 'audio/wav', mp3: 'audio/mpeg', ogg: 'audio/ogg' } as const;
/** ffmpeg's options; nothing of the file it was made of goes into it. */
const PLAIN = ['-map_metadata', '-1', '-fflags', '+bitexact'];

interface Delivery extends Pick<RunContext, 'directory' | 'signal'> {
  readonly format: SpeechSpec['format'];
  /** Its path; null: there is none. */
  readonly ffmpeg: string | null;
}

/** Writes it into the run's folder; fails when it is no sound, or none of the format. */
export async function deliver(file: Buffer, delivery: Delivery): Promise<RunResult> {
  if (file.length === 0) throw failed('the server answered with no sound: it has no speech model');
  const kind = kindOf(file);
  if (!kind) throw failed(`not a sound: ${file.toString('utf8', 0, 200)}`);
  if (kind.durationS === 0) throw failed('the sound is empty');
  const { path, durationS } = await write(file, kind, delivery);
  delivery.signal.throwIfAborted();
  const none = { width: null, height: null, thumbnail: null };
  return {
    outputs: [{ path, contentType: TYPES[delivery.format], durationS, ...none }],
    usage: durationS === null ? {} : { audioS: durationS },
    loadMs: 0,
  };
}

interface Written {
  readonly path: string;
  readonly durationS: number | null;
}

async function write(file: Buffer, kind: SoundKind, delivery: Delivery): Promise<Written> {
  const { contentType, durationS } = kind;
  const { directory, format } = delivery;
  if (contentType === 'audio/wav' && format !== 'mp3' && durationS !== null) {
    // Written anew also as WAV: a server that streams leaves the sizes in its header open.
    return { path: await writeSound(decodeWav(file), { directory, format }), durationS };
  }
  if (contentType !== TYPES[format]) return convert(file, kind, delivery);
  const path = pathOf(delivery);
  await writeFile(path, file);
  return { path, durationS };
}

async function convert(file: Buffer, kind: SoundKind, delivery: Delivery): Promise<Written> {
  const { directory, ffmpeg, format, signal } = delivery;
  if (ffmpeg === null) {
    const told = `the server makes ${kind.contentType}, not ${TYPES[format]}`;
    throw refused(`${told}, and ffmpeg, which could convert it, is not on the PATH`);
  }
  const source = join(directory, 'answer');
  const path = pathOf(delivery);
  await writeFile(source, file);
  const options = [...PLAIN, '-f', format];
  const fault = await convertSound(ffmpeg, { source, path, options, signal });
  await rm(source);
  if (fault !== null) throw failed(fault);
  const made = kindOf(await readFile(path));
  if (made?.contentType !== TYPES[format]) throw failed(`ffmpeg made no ${format}`);
  return { path, durationS: made.durationS };
}

function pathOf({ directory, format }: Delivery): string {
  return join(directory, `0.${CONTENT_TYPES[TYPES[format]]}`);
}
