/**
 * What a file is, by its first bytes: one of the types that are taken as input, or null. What a
 * client says of it is never asked. Pure.
 */
import type { FileType } from '#schema/file.ts';
import { parseFrame } from './mpeg.ts';

/** First bytes that `sniff` wants to see; a shorter file is given whole. */
export const SNIFF_BYTES = 64;

/** Brands of MP4 that hold sound; those of pictures (HEIC, AVIF) are not among them. */
const BRANDS = /^(M4A |M4B |isom|iso[2-9]|mp4[12]|dash|3gp[4-6]|MSNV|qt {2})$/;

/** The type of a file that begins so. */
export function sniff(head: Uint8Array): FileType | null {
  const text = latin(head.subarray(0, SNIFF_BYTES));
  if (text.startsWith('\u0089PNG\r\n\u001a\n')) return 'image/png';
  if (text.startsWith('\u00ff\u00d8\u00ff')) return 'image/jpeg';
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP') return 'image/webp';
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WAVE') return 'audio/wav';
  if (text.startsWith('OggS')) return 'audio/ogg';
  if (text.startsWith('fLaC')) return 'audio/flac';
  if (text.slice(4, 8) === 'ftyp' && BRANDS.test(text.slice(8, 12))) return 'audio/mp4';
  // The name of the format is an element of the header: other Matroska files are not taken.
  if (text.startsWith('\u001aE\u00df\u00a3') && text.includes('B\u0082\u0084webm')) {
    return 'audio/webm';
  }
  if (text.startsWith('ID3') || parseFrame(head)) return 'audio/mpeg';
  return null;
}

/** Bytes as characters of the same numbers. */
export function latin(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
