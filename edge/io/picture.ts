/**
 * The size of a picture, by its headers alone: nothing is decoded, so that a small file of a huge
 * picture costs nothing to refuse. Only the types that are taken as input are looked at.
 */
import { imageSize } from 'image-size';
import type { FileType } from '#schema/file.ts';
import { jpegSize } from '../core/file/jpeg.ts';
import type { Size } from '../core/file/jpeg.ts';

const KINDS: Readonly<Partial<Record<FileType, string>>> = {
  'image/png': 'png',
  'image/webp': 'webp',
};

/** Width and height as it is meant to be seen, or null when its headers are broken. */
export function pictureSize(type: FileType, bytes: Uint8Array): Size | null {
  if (type === 'image/jpeg') return jpegSize(bytes);
  try {
    const { width, height, type: kind } = imageSize(bytes);
    return kind === KINDS[type] && isCount(width) && isCount(height) ? { width, height } : null;
  } catch {
    // It throws for whatever it cannot read; the bytes are a user's.
    return null;
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}
