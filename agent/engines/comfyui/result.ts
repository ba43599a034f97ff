/**
 * What a workflow made, as files of the run's folder: pictures encoded anew, videos and sounds
 * without what the server wrote into them (the whole graph, with the prompt). What a file is, is
 * told by its first bytes, never by its name.
 */
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OutputInfo } from 'sharp';
import { ARTIFACTS_MAX, MUSIC_DURATION_S_MAX, THUMBNAIL_SIDE_PX } from '#schema/limits.ts';
import { RESULT_BUFFER_BYTES_MAX } from '../../limits.ts';
import { durationOf, writeSound } from '../audio.ts';
import type { Output } from '../engine.ts';
import { ends } from './failure.ts';
import { decodeFlac, isFlac } from './flac.ts';
import { filesOf } from './frame.ts';
import type { ComfyFile, HistoryEntry } from './frame.ts';
import type { MediaSpec } from './graph.ts';
import { cleanMp3, isMp3 } from './mp3.ts';
import { cleanMp4File } from './mp4.ts';
import type { ComfyServer } from './server.ts';
import type { Workflow } from './template.ts';

const PNG_EFFORT = 6;
const JPEG_QUALITY = 95;
const WEBP_QUALITY = 78;
/** Largest picture: the largest size, upscaled. */
const PIXELS_MAX = 8192 * 8192;
/** A sound may be longer than asked for by what its model rounds up. */
const OVERTIME_S = 10;

export interface Making {
  readonly server: ComfyServer;
  readonly workflow: Workflow;
  readonly entry: HistoryEntry;
  readonly spec: MediaSpec;
  readonly directory: string;
  readonly signal: AbortSignal;
}

/** Fetches the results of a prompt that succeeded; throws when there are none, or spoilt ones. */
export async function collect(making: Making): Promise<readonly Output[]> {
  const { entry, workflow, spec } = making;
  // A job of another type than image has one result.
  const most = spec.type === 'image' ? ARTIFACTS_MAX : 1;
  const files = workflow.results.flatMap((node) => filesOf(entry, node)).slice(0, most);
  if (files.length === 0) {
    throw ends.empty(`nodes ${workflow.results.join(', ')} of ${workflow.name} kept no file`);
  }
  const outputs: Output[] = [];
  for (const [index, file] of files.entries()) {
    const raw = await fetchFile(making, file, `${index}.raw`);
    try {
      outputs.push(await convert(making, { raw, index }));
    } catch (error) {
      making.signal.throwIfAborted();
      throw ends.spoilt(`${file.filename} is no ${spec.type}: ${(error as Error).message}`);
    } finally {
      await rm(raw, { force: true });
    }
  }
  return outputs;
}

async function fetchFile(making: Making, file: ComfyFile, name: string): Promise<string> {
  const { server, directory, signal } = making;
  const path = join(directory, name);
  const bytes = await server.view(file, path, signal);
  if (bytes === null) throw ends.spoilt(`${file.subfolder}/${file.filename} is gone`);
  if (bytes === 0) throw ends.spoilt(`${file.subfolder}/${file.filename} is empty`);
  return path;
}

interface Raw {
  readonly raw: string;
  readonly index: number;
}

function convert(making: Making, raw: Raw): Promise<Output> {
  switch (making.spec.type) {
    case 'image':
      return toPicture(making, raw);
    case 'video':
      return toVideo(making, raw);
    case 'music':
      return toSound(making, raw);
  }
}

async function toPicture({ directory }: Making, { raw, index }: Raw): Promise<Output> {
  const { default: sharp } = await import('sharp');
  const open = () => sharp(raw, { limitInputPixels: PIXELS_MAX });
  let path = join(directory, `${index}.png`);
  let contentType: 'image/png' | 'image/jpeg' = 'image/png';
  let info: OutputInfo = await open().png({ compressionLevel: PNG_EFFORT }).toFile(path);
  if (info.size > RESULT_BUFFER_BYTES_MAX) {
    await rm(path);
    path = join(directory, `${index}.jpg`);
    contentType = 'image/jpeg';
    info = await open().jpeg({ quality: JPEG_QUALITY }).toFile(path);
  }
  const { width, height } = info;
  const thumbnail = await shrink(path, join(directory, `${index}-thumbnail.webp`));
  return { path, contentType, width, height, durationS: null, thumbnail };
}

async function shrink(from: string, path: string): Promise<Output['thumbnail']> {
  const { default: sharp } = await import('sharp');
  await sharp(from, { limitInputPixels: PIXELS_MAX })
    .resize(THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX, { fit: 'inside', withoutEnlargement: true })
    .webp({ quality: WEBP_QUALITY })
    .toFile(path);
  return { path, contentType: 'image/webp' };
}

async function toVideo(making: Making, { raw, index }: Raw): Promise<Output> {
  const facts = await cleanMp4File(raw);
  const path = join(making.directory, `${index}.mp4`);
  await rename(raw, path);
  const thumbnail = index === 0 ? await posterOf(making) : null;
  return { path, contentType: 'video/mp4', ...facts, thumbnail };
}

/** A thumbnail of the picture that the workflow kept for it; without one, none. */
async function posterOf(making: Making): Promise<Output['thumbnail']> {
  const { workflow, entry, directory } = making;
  const [file] = workflow.poster === undefined ? [] : filesOf(entry, workflow.poster);
  if (!file) return null;
  const raw = await fetchFile(making, file, 'poster.raw');
  const thumbnail = await shrink(raw, join(directory, '0-thumbnail.webp'));
  await rm(raw, { force: true });
  return thumbnail;
}

async function toSound({ directory, spec }: Making, { raw, index }: Raw): Promise<Output> {
  const sizes = { width: null, height: null, thumbnail: null };
  const file = await readBounded(raw);
  const format = spec.type === 'music' ? spec.format : 'wav';
  if (format === 'mp3') {
    if (!isMp3(file)) throw new RangeError('not an MP3');
    const { bytes, durationS } = cleanMp3(file);
    const path = join(directory, `${index}.mp3`);
    await writeFile(path, bytes);
    return { path, contentType: 'audio/mpeg', durationS, ...sizes };
  }
  if (!isFlac(file)) throw new RangeError('not a FLAC');
  const sound = await decodeFlac(file, MUSIC_DURATION_S_MAX + OVERTIME_S);
  const written = await writeSound(sound, { directory, format });
  const contentType = format === 'wav' ? 'audio/wav' : 'audio/ogg';
  return { path: written, contentType, durationS: durationOf(sound), ...sizes };
}

async function readBounded(path: string): Promise<Uint8Array> {
  const { size } = await stat(path);
  if (size > RESULT_BUFFER_BYTES_MAX) throw new RangeError(`${size} bytes are too many`);
  return readFile(path);
}
