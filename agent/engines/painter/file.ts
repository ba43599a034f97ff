/**
 * Pictures as files: a lossless PNG and its thumbnail, without metadata, and the previews of an
 * unfinished one. The only user of the image library.
 */
import { join } from 'node:path';
import sharp from 'sharp';
import type { Sharp } from 'sharp';
import { assert } from '#schema/assert.ts';
import {
  FILE_IMAGE_PIXELS_MAX,
  PREVIEW_BYTES_MAX,
  THUMBNAIL_BYTES_MAX,
  THUMBNAIL_SIDE_PX,
} from '#schema/limits.ts';
import type { Output } from '../engine.ts';
import type { Pixels } from './picture.ts';

/** PNG effort: a step above the fastest halves the time of the default for 5 % more bytes. */
const PNG_EFFORT = 3;
const WEBP_QUALITY = 78;

function open({ rgb, width, height }: Pixels): Sharp {
  return sharp(rgb, { raw: { width, height, channels: 3 } });
}

/** Pixels of the largest picture that a job may bring: decoding it costs three bytes each. */
const INPUT_PIXELS_MAX = FILE_IMAGE_PIXELS_MAX;

/** A picture that a job brings, upright and cut to this size: bytes of RGB, or one a pixel. */
export async function load(
  path: string,
  { width, height, kind }: { width: number; height: number; kind: 'rgb' | 'mask' | 'holes' },
): Promise<Uint8Array> {
  const upright = sharp(path, { limitInputPixels: INPUT_PIXELS_MAX })
    .rotate()
    .resize(width, height, { fit: 'cover' });
  // A mask by its holes counts where it is transparent, whatever its colours.
  if (kind === 'holes') {
    const holes = upright.ensureAlpha().extractChannel('alpha').negate();
    return holes.toColourspace('b-w').raw().toBuffer();
  }
  const solid = upright.flatten({ background: kind === 'mask' ? '#000' : '#fff' });
  const coloured = kind === 'mask' ? solid.toColourspace('b-w') : solid.toColourspace('srgb');
  return coloured.raw().toBuffer();
}

/** Writes a finished picture and its thumbnail into `directory`, named by `index`. */
export async function save(
  pixels: Pixels,
  { directory, index, upscale }: { directory: string; index: number; upscale: number },
): Promise<Output> {
  const path = join(directory, `${index}.png`);
  const small = join(directory, `${index}-thumbnail.webp`);
  const width = pixels.width * upscale;
  const height = pixels.height * upscale;
  const full = upscale === 1 ? open(pixels) : open(pixels).resize(width, height);
  await full.png({ compressionLevel: PNG_EFFORT }).toFile(path);
  const thumbnail = await open(pixels)
    .resize(THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX, { fit: 'inside', withoutEnlargement: true })
    .webp({ quality: WEBP_QUALITY })
    .toFile(small);
  assert(thumbnail.size <= THUMBNAIL_BYTES_MAX, 'a thumbnail of 256 px fits its limit');
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
