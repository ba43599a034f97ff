/**
 * Frames as a film: H.264 in an MP4 by ffmpeg, or an animated WebP where there is none. Frames
 * are written as they are made; none is kept.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import sharp from 'sharp';
import type { ContentType } from '#schema/artifact.ts';
import { THUMBNAIL_SIDE_PX } from '#schema/limits.ts';
import type { Output } from '../engine.ts';
import { openAnimation } from './webp.ts';

export interface Shape {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
}

export interface Film {
  add(rgb: Uint8Array): Promise<void>;
  /** Resolves when the file is whole. */
  end(): Promise<{ readonly path: string; readonly contentType: ContentType }>;
  /** Lets go of what it holds, also when the film did not come to its end. */
  close(): Promise<void>;
}

/** A WebP of more frames is too large to be sent and shown; it has fewer a second instead. */
export const WEBP_FPS_MAX = 10;
const WEBP_QUALITY = 70;
const WORDS_CHARS_MAX = 800;

/** An MP4 that every browser plays, and that plays before it is whole. */
export function openMp4(ffmpeg: string, { width, height, fps }: Shape, directory: string): Film {
  const path = join(directory, '0.mp4');
  const input = ['-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${width}x${height}`, '-r', `${fps}`];
  const codec = ['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '20', '-pix_fmt', 'yuv420p'];
  const quiet = ['-hide_banner', '-loglevel', 'error', '-nostdin', '-y'];
  const clean = ['-map_metadata', '-1', '-fflags', '+bitexact', '-movflags', '+faststart'];
  const args = [...quiet, ...input, '-i', 'pipe:0', ...codec, ...clean, path];
  // It ends by itself when its input does: with this process.
  const process = spawn(ffmpeg, args, { stdio: ['pipe', 'ignore', 'pipe'], env: {} });
  let words = '';
  process.stderr.on('data', (heard: Buffer) => {
    words = (words + heard.toString()).slice(-WORDS_CHARS_MAX);
  });
  const over = new Promise<number | null>((resolve, reject) => {
    process.once('error', reject);
    process.once('close', resolve);
  });
  // Told by `end`; a write that fails says less.
  over.catch(() => undefined);
  process.stdin.on('error', () => {});
  return {
    async add(rgb) {
      if (process.exitCode !== null) throw new Error(`ffmpeg ended early: ${words}`);
      if (!process.stdin.write(rgb)) await Promise.race([once(process.stdin, 'drain'), over]);
    },
    async end() {
      process.stdin.end();
      const code = await over;
      if (code !== 0) throw new Error(`ffmpeg ended with ${code}: ${words}`);
      return { path, contentType: 'video/mp4' };
    },
    close: () => {
      process.kill();
      return Promise.resolve();
    },
  };
}

/** An animated picture, for boxes without ffmpeg. */
export async function openWebp(shape: Shape, directory: string): Promise<Film> {
  const { width, height } = shape;
  const path = join(directory, '0.webp');
  const animation = await openAnimation(path, shape);
  return {
    async add(rgb) {
      const still = sharp(rgb, { raw: { width, height, channels: 3 } });
      await animation.add(await still.webp({ quality: WEBP_QUALITY, effort: 2 }).toBuffer());
    },
    async end() {
      await animation.end();
      return { path, contentType: 'image/webp' };
    },
    close: () => animation.close(),
  };
}

/** A small picture of the first frame. */
export async function posterOf(
  rgb: Uint8Array,
  { width, height }: Shape,
  directory: string,
): Promise<Output['thumbnail']> {
  const path = join(directory, '0-thumbnail.webp');
  await sharp(rgb, { raw: { width, height, channels: 3 } })
    .resize(THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX, { fit: 'inside', withoutEnlargement: true })
    .webp({ quality: WEBP_QUALITY })
    .toFile(path);
  return { path, contentType: 'image/webp' };
}
