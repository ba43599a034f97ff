/**
 * A user's recording made fit for speech recognition: 16 kHz, mono, 16-bit WAV, by ffmpeg where
 * it is on the PATH. Without it a WAV goes as it is, and anything else is refused. The file is
 * never read whole: two hours are 230 MB.
 */
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TRANSCRIPTION_DURATION_S_MAX } from '#schema/limits.ts';
import { EngineError } from '../engine.ts';
import { convertSound } from '../ffmpeg.ts';
import { refused } from '../server/fault.ts';

const RATE = 16_000;
const HEADER_BYTES = 44;
/** Chunks before a WAV's samples: a few tags. */
const CHUNKS_MAX = 32;

/** How much longer than its headers tell a recording may be: some formats' are estimates. */
const TOLD_SHARE = 1.5;
const TOLD_MORE_S = 10;

export interface Recording {
  readonly path: string;
  readonly durationS: number;
}

/** The file cannot be read: another one may. */
export function unreadable(detail: string): EngineError {
  return new EngineError({
    code: 'input_unreadable',
    retryable: false,
    detail: detail.slice(0, 900).toWellFormed(),
  });
}

/** The recording as the server reads it best; rejects with `input_unreadable` when it cannot be. */
export async function prepare(
  source: string,
  {
    ffmpeg,
    directory,
    signal,
    toldS,
  }: {
    /** Its path; null: there is none. */
    readonly ffmpeg: string | null;
    /** The length by which the job is priced, as the file's headers tell. */
    readonly toldS: number | undefined;
    readonly directory: string;
    readonly signal: AbortSignal;
  },
): Promise<Recording> {
  const path = ffmpeg === null ? source : join(directory, 'recording.wav');
  const limitS =
    toldS === undefined
      ? TRANSCRIPTION_DURATION_S_MAX
      : Math.min(TRANSCRIPTION_DURATION_S_MAX, toldS * TOLD_SHARE + TOLD_MORE_S);
  if (ffmpeg !== null) {
    const conversion = { source, path, options: formOf(limitS), signal };
    const fault = await convertSound(ffmpeg, conversion);
    if (fault !== null) throw unreadable(fault);
  }
  const durationS = await wavSeconds(path);
  if (durationS === null) {
    throw unreadable('not a WAV; this agent reads other formats only with ffmpeg on its PATH');
  }
  if (durationS < 0.01) throw unreadable('the recording is empty');
  if (durationS > TRANSCRIPTION_DURATION_S_MAX) {
    throw refused(`longer than ${TRANSCRIPTION_DURATION_S_MAX / 60} minutes: send it in parts`);
  }
  if (durationS > limitS) {
    throw unreadable('it plays longer than its headers tell: convert it anew');
  }
  return { path, durationS };
}

/** What ffmpeg makes of it; one second more than is allowed, so that what is too long is seen. */
function formOf(limitS: number): readonly string[] {
  const sound = ['-ac', '1', '-ar', String(RATE), '-c:a', 'pcm_s16le'];
  return ['-t', String(Math.ceil(limitS) + 1), ...sound, '-f', 'wav'];
}

/** How long a PCM WAV plays, by its header alone; null for what is none. */
export async function wavSeconds(path: string): Promise<number | null> {
  return (await readWav(path))?.durationS ?? null;
}

/** Whether it is what ffmpeg makes here: 16 kHz, mono, 16 bits. */
export async function isPlain(path: string): Promise<boolean> {
  const wav = await readWav(path);
  return wav !== null && wav.bytesPerS === RATE * 2 && wav.frameBytes === 2;
}

interface Wav {
  readonly durationS: number;
  readonly bytesPerS: number;
  /** Of one sample of all channels. */
  readonly frameBytes: number;
}

async function readWav(path: string): Promise<Wav | null> {
  const { size } = await stat(path);
  const file = await open(path);
  try {
    const head = Buffer.alloc(HEADER_BYTES);
    await file.read(head, 0, 12, 0);
    if (head.toString('latin1', 0, 4) !== 'RIFF' || head.toString('latin1', 8, 12) !== 'WAVE') {
      return null;
    }
    let [bytesPerS, frameBytes] = [0, 0];
    let at = 12;
    for (let chunk = 0; chunk < CHUNKS_MAX && at + 8 <= size; chunk++) {
      await file.read(head, 0, 24, at);
      const tag = head.toString('latin1', 0, 4);
      const bytes = head.readUInt32LE(4);
      if (tag === 'fmt ') [bytesPerS, frameBytes] = [head.readUInt32LE(16), head.readUInt16LE(20)];
      if (tag === 'data') {
        // What wrote it to a pipe left its size open: the file's end bounds it.
        const durationS = Math.min(bytes, size - at - 8) / bytesPerS;
        return bytesPerS > 0 ? { durationS, bytesPerS, frameBytes } : null;
      }
      at += 8 + bytes + (bytes % 2);
    }
    return null;
  } finally {
    await file.close();
  }
}
