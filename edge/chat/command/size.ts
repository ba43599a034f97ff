/**
 * Sizes: pixels, ratios, names of formats. A ratio gives the size whose longer side is the type's
 * common one, so that every plan may have it and it costs no more than the square. Pure.
 */
import {
  IMAGE_SIDE_PX_MAX,
  IMAGE_SIDE_PX_MIN,
  IMAGE_SIDE_PX_STEP,
  VIDEO_SIDE_PX_MAX,
} from '#schema/limits.ts';
import type { Choice, Doubt, Fields } from './draft.ts';

type Picture = 'image' | 'video';
const LONG_SIDE: Readonly<Record<Picture, number>> = { image: 1024, video: 768 };
const SIDE_MAX: Readonly<Record<Picture, number>> = {
  image: IMAGE_SIDE_PX_MAX,
  video: VIDEO_SIDE_PX_MAX,
};
/** Longer strips than this are no picture. */
const RATIO_MAX = 4;

/** By name; one that begins with another comes first. */
export const FORMATS: Readonly<Record<string, readonly [number, number]>> = {
  square: [1, 1],
  portrait: [3, 4],
  vertical: [3, 4],
  tall: [9, 16],
  landscape: [4, 3],
  horizontal: [4, 3],
  widescreen: [16, 9],
  wide: [16, 9],
};

interface Sized {
  readonly fields: Fields;
  readonly doubts: readonly Doubt[];
}

/** A size given by its pixels. */
export function readSize(type: Picture, width: number, height: number): Sized {
  const fits = { width: fit(type, width), height: fit(type, height) };
  if (fits.width === width && fits.height === height) return { fields: fits, doubts: [] };
  const choices: Choice[] = [{ label: `${fits.width}x${fits.height}`, fields: fits }];
  const limit = SIDE_MAX[type];
  const longest = Math.max(width, height);
  const about =
    longest > limit
      ? ({ reason: 'out_of_bounds', field: 'size', value: longest, limit } as const)
      : ({ reason: 'odd_size', width, height } as const);
  return { fields: {}, doubts: [{ about, choices }] };
}

/** A size given by the ratio of its sides. */
export function readRatio(type: Picture, across: number, down: number): Sized {
  const ratio = across / down;
  if (!(ratio <= RATIO_MAX && ratio >= 1 / RATIO_MAX)) {
    const about = { reason: 'odd_ratio', said: `${across}:${down}` } as const;
    const choices = ['1:1', '16:9', '9:16'].map((label) => {
      const [x, y] = label.split(':').map(Number) as [number, number];
      return { label, fields: sizeOf(type, x / y) };
    });
    return { fields: {}, doubts: [{ about, choices }] };
  }
  return { fields: sizeOf(type, ratio), doubts: [] };
}

function sizeOf(type: Picture, ratio: number) {
  const long = LONG_SIDE[type];
  const width = ratio >= 1 ? long : fit(type, long * ratio);
  const height = ratio >= 1 ? fit(type, long / ratio) : long;
  return { width, height };
}

function fit(type: Picture, side: number): number {
  const stepped = Math.round(side / IMAGE_SIDE_PX_STEP) * IMAGE_SIDE_PX_STEP;
  return Math.min(SIDE_MAX[type], Math.max(IMAGE_SIDE_PX_MIN, stepped));
}
