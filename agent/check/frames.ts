/**
 * Pictures of a video to look at, spread over its length, by this machine's ffmpeg. They lie in a
 * folder of their own for as long as they are looked at. ffmpeg reads the video and nothing else,
 * and sees nothing of the agent's environment.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Output } from '../engines/engine.ts';

/** One a second, so many at least, so many at most: each costs a look of the classifier. */
const FRAMES_MIN = 4;
const FRAMES_MAX = 16;
/** Of a video that does not tell its length, with one each second. */
const BLIND_FRAMES_MAX = 60;
/** Larger than what a classifier makes of it. */
const SIDE_PX = 640;
const TAKE_MS_MAX = 60_000;

export interface FrameParts {
  /** The command. */
  readonly ffmpeg: string;
  /** Where the folder of the pictures is made, and removed. */
  readonly directory: string;
  readonly signal: AbortSignal;
}

/** Calls `look` with the pictures in their order; rejects when there is none. */
export async function withFrames(
  { path, durationS }: Pick<Output, 'path' | 'durationS'>,
  { ffmpeg, directory, signal }: FrameParts,
  look: (pictures: readonly string[]) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(directory, 'frames-'));
  try {
    const { rate, frames } = samplingOf(durationS);
    const input = ['-nostdin', '-v', 'error', '-protocol_whitelist', 'file', '-i', `file:${path}`];
    const fit = `fps=${rate},scale='min(${SIDE_PX},iw)':-2`;
    const output = ['-map', '0:v:0', '-vf', fit, '-frames:v', `${frames}`, '-q:v', '3', '-y'];
    await take(ffmpeg, [...input, ...output, join(folder, '%03d.jpg')], signal);
    const names = (await readdir(folder)).toSorted();
    if (names.length === 0) throw new Error('ffmpeg found no picture in it');
    await look(names.map((name) => join(folder, name)));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** How many pictures, and how many of them each second. */
function samplingOf(durationS: number | null): { rate: number; frames: number } {
  if (durationS === null || durationS <= 0) return { rate: 1, frames: BLIND_FRAMES_MAX };
  const frames = Math.min(FRAMES_MAX, Math.max(FRAMES_MIN, Math.ceil(durationS) + 1));
  return { rate: frames / durationS, frames };
}

function take(ffmpeg: string, args: readonly string[], signal: AbortSignal): Promise<void> {
  const bounds = {
    signal,
    timeout: TAKE_MS_MAX,
    killSignal: 'SIGKILL',
    env: { LC_ALL: 'C' },
  } as const;
  return new Promise((resolve, reject) => {
    execFile(ffmpeg, args, bounds, (error, _, words) => {
      if (signal.aborted) reject(signal.reason as Error);
      else if (error) reject(new Error(`ffmpeg: ${words || error.message}`));
      else resolve();
    });
  });
}
