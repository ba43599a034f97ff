/**
 * The size of a picture, by its headers alone: nothing is decoded, so that a small file of a huge
 * picture costs nothing to refuse. Only the types that are taken as input are looked at.
 */
import { imageSize } from 'image-size';
import type { FileType } from '#schema/file.ts';

const KINDS: Readonly<Partial<Record<FileType, string>>> = {
  'image/png': 'png',
  'image/jpeg': 'jpg',
  'image/webp': 'webp',
};
/** EXIF orientations that turn a picture by a quarter. */
const TURNED_MIN = 5;

/** Width and height as it is meant to be seen, or null when its headers are broken. */
export function pictureSize(
  type: FileType,
  bytes: Uint8Array,
): { width: number; height: number } | null {
  try {
    const { width, height, type: kind, orientation = 1 } = imageSize(bytes);
    if (kind !== KINDS[type] || !isCount(width) || !isCount(height)) return null;
    return orientation >= TURNED_MIN ? { width: height, height: width } : { width, height };
  } catch {
    // It throws for whatever it cannot read; the bytes are a user's.
    return null;
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}
