/**
 * Pictures as files: a lossless PNG and its thumbnail, without metadata, and the previews of an
 * unfinished one. The only user of the image library.
 */
import { join } from 'node:path';
import sharp from 'sharp';
import type { Sharp } from 'sharp';
import { assert } from '#schema/assert.ts';
import { PREVIEW_BYTES_MAX, THUMBNAIL_BYTES_MAX, THUMBNAIL_SIDE_PX } from '#schema/limits.ts';
import type { Output } from '../engine.ts';
import type { Pixels } from './picture.ts';

/** PNG effort: a step above the fastest halves the time of the default for 5 % more bytes. */
const PNG_EFFORT = 3;
const WEBP_QUALITY = 78;

function open({ rgb, width, height }: Pixels): Sharp {
  return sharp(rgb, { raw: { width, height, channels: 3 } });
}

/** Writes a finished picture and its thumbnail into `directory`, named by `index`. */
export async function save(
  pixels: Pixels,
  { directory, index }: { readonly directory: string; readonly index: number },
): Promise<Output> {
  const path = join(directory, `${index}.png`);
  const small = join(directory, `${index}-thumbnail.webp`);
  await open(pixels).png({ compressionLevel: PNG_EFFORT }).toFile(path);
  const thumbnail = await open(pixels)
    .resize(THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX, { fit: 'inside', withoutEnlargement: true })
    .webp({ quality: WEBP_QUALITY })
    .toFile(small);
  assert(thumbnail.size <= THUMBNAIL_BYTES_MAX, 'a thumbnail of 256 px fits its limit');
  const { width, height } = pixels;
  return {
    path,
    contentType: 'image/png',
    width,
    height,
    durationS: null,
    thumbnail: { path: small, contentType: 'image/webp' },
  };
}

/** A small picture as WebP, or null when it is too large to be sent as a preview. */
export async function encodePreview(pixels: Pixels): Promise<Uint8Array | null> {
  const webp = await open(pixels).webp({ quality: WEBP_QUALITY }).toBuffer();
  return webp.length <= PREVIEW_BYTES_MAX ? webp : null;
}
