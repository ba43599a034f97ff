/**
 * What an input file is, by its content: its type, the size of a picture, the length of a
 * recording. Reads headers only, and refuses what no job could use before anything is decoded.
 */
import { purposeOf, typesFor } from '#schema/file.ts';
import type { FilePurpose, FileType } from '#schema/file.ts';
import {
  FILE_AUDIO_BYTES_MAX,
  FILE_IMAGE_BYTES_MAX,
  FILE_IMAGE_PIXELS_MAX,
  FILE_IMAGE_SIDE_PX_MAX,
  FILE_IMAGE_SIDE_PX_MIN,
  TRANSCRIPTION_DURATION_S_MAX,
} from '#schema/limits.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import { sniff, SNIFF_BYTES } from '../core/file/sniff.ts';
import { soundSeconds } from '../core/file/sound.ts';
import type { Source } from '../core/file/source.ts';
import { pictureSize } from '../io/picture.ts';

/** Why a file is not taken. */
export type FileRefusal =
  | { readonly reason: 'file_too_large'; readonly limit: number; readonly value: number }
  | {
      readonly reason: 'too_many_files';
      readonly unit: 'files' | 'bytes';
      readonly limit: number;
      /** When the oldest expires, ms from now. */
      readonly retryAfterMs: number;
    }
  | { readonly reason: 'unsupported_file'; readonly accepts: readonly FileType[] }
  | { readonly reason: 'file_unreadable'; readonly what: 'size' | 'length' }
  | {
      readonly reason: 'file_out_of_bounds';
      readonly field: 'width' | 'height' | 'pixels' | 'duration_s';
      readonly bound: 'at least' | 'at most';
      readonly limit: number;
      readonly value: number;
    };

/** What a file's headers tell. */
export interface FileFacts {
  readonly contentType: FileType;
  readonly width: number | null;
  readonly height: number | null;
  readonly durationS: number | null;
}

/** Bytes that a file for this purpose may have. */
export function bytesMaxOf(purpose: FilePurpose): number {
  return purpose === 'image' ? FILE_IMAGE_BYTES_MAX : FILE_AUDIO_BYTES_MAX;
}

/** The type of a file that begins so, if it serves the purpose; any, where none is given. */
export function checkType(
  head: Uint8Array,
  purpose: FilePurpose | null,
): Result<FileType, FileRefusal> {
  const type = sniff(head);
  if (type && (purpose === null || purposeOf(type) === purpose)) return ok(type);
  const accepts = purpose ? typesFor(purpose) : [...typesFor('image'), ...typesFor('audio')];
  return fail({ reason: 'unsupported_file', accepts });
}

/** The facts of a whole file, or why no job could use it. */
export async function inspectFile(
  source: Source,
  purpose: FilePurpose | null,
): Promise<Result<FileFacts, FileRefusal>> {
  const type = checkType(await source.read(0, SNIFF_BYTES), purpose);
  if (!type.ok) return type;
  const limit = bytesMaxOf(purposeOf(type.value));
  if (source.size > limit) {
    return fail({ reason: 'file_too_large', limit, value: source.size });
  }
  return purposeOf(type.value) === 'image'
    ? inspectPicture(type.value, source)
    : inspectSound(type.value, source);
}

async function inspectPicture(
  contentType: FileType,
  source: Source,
): Promise<Result<FileFacts, FileRefusal>> {
  const size = pictureSize(contentType, await source.read(0, source.size));
  if (!size) return fail({ reason: 'file_unreadable', what: 'size' });
  const { width, height } = size;
  const reason = 'file_out_of_bounds';
  for (const [field, value] of [
    ['width', width],
    ['height', height],
  ] as const) {
    if (value > FILE_IMAGE_SIDE_PX_MAX) {
      return fail({ reason, field, bound: 'at most', limit: FILE_IMAGE_SIDE_PX_MAX, value });
    }
    if (value < FILE_IMAGE_SIDE_PX_MIN) {
      return fail({ reason, field, bound: 'at least', limit: FILE_IMAGE_SIDE_PX_MIN, value });
    }
  }
  const value = width * height;
  if (value > FILE_IMAGE_PIXELS_MAX) {
    const limit = FILE_IMAGE_PIXELS_MAX;
    return fail({ reason, field: 'pixels', bound: 'at most', limit, value });
  }
  return ok({ contentType, width, height, durationS: null });
}

async function inspectSound(
  contentType: FileType,
  source: Source,
): Promise<Result<FileFacts, FileRefusal>> {
  const seconds = await soundSeconds(contentType, source);
  if (seconds === null) return fail({ reason: 'file_unreadable', what: 'length' });
  const value = Math.round(seconds * 1000) / 1000;
  if (value > TRANSCRIPTION_DURATION_S_MAX) {
    const limit = TRANSCRIPTION_DURATION_S_MAX;
    const bounds = { field: 'duration_s', bound: 'at most', limit, value } as const;
    return fail({ reason: 'file_out_of_bounds', ...bounds });
  }
  return ok({ contentType, width: null, height: null, durationS: value });
}
