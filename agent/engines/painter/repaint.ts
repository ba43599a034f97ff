/**
 * Painting over a picture that the job brings: its shapes stay, its colours move towards those of
 * the prompt's scene, and the brush follows its edges. Strength 0 leaves it as it is, 1 takes the
 * scene's colours whole with a broad brush. Nothing is drawn into it: this painter knows how to
 * paint, not what a picture shows.
 */
import { clamp, lerp, smooth } from '../noise.ts';
import type { Pixels } from './picture.ts';
import type { Raster } from './raster.ts';

/** What is painted over, at the size of the result. */
export interface Original {
  readonly rgb: Uint8Array;
  /** One value a pixel: 255 is painted anew, 0 stays; null paints all of it. */
  readonly mask: Uint8Array | null;
  readonly strength: number;
}

/** From this strength on nothing of the original shows through the strokes. */
const COVERED = 0.35;

interface Tone {
  readonly mean: number;
  readonly spread: number;
}

/** The original in the colours of another picture, which may be of another size. */
export function recolour(
  { rgb, strength }: Original,
  { width, height, wanted }: { width: number; height: number; wanted: Raster },
): Raster {
  const data = new Float32Array(rgb.length);
  for (let i = 0; i < rgb.length; i++) data[i] = rgb[i]! / 255;
  for (let channel = 0; channel < 3; channel++) {
    const [own, theirs] = [toneOf(data, channel), toneOf(wanted.data, channel)];
    // An even picture has no contrast to stretch.
    const gain = Math.min(2.5, theirs.spread / Math.max(0.02, own.spread));
    for (let i = channel; i < data.length; i += 3) {
      const moved = (data[i]! - own.mean) * gain + theirs.mean;
      data[i] = clamp(lerp(data[i]!, moved, strength * 0.85));
    }
  }
  return { width, height, data };
}

/** How broad the finest strokes are, relative to those of a picture of its own. */
export function breadthOf({ strength }: Original): number {
  return lerp(0.55, 1.5, strength);
}

/** The painted picture where it is wanted, the original elsewhere. */
export function blend(painted: Pixels, { rgb, mask, strength }: Original): Pixels {
  const cover = smooth(0, COVERED, strength);
  const mixed = new Uint8Array(rgb.length);
  for (let i = 0; i < rgb.length; i++) {
    const wanted = mask === null ? 1 : mask[Math.floor(i / 3)]! / 255;
    mixed[i] = lerp(rgb[i]!, painted.rgb[i]!, cover * wanted) + 0.5;
  }
  return { ...painted, rgb: mixed };
}

function toneOf(data: Float32Array, channel: number): Tone {
  let sum = 0;
  let squares = 0;
  for (let i = channel; i < data.length; i += 3) {
    sum += data[i]!;
    squares += data[i]! ** 2;
  }
  const count = data.length / 3;
  const mean = sum / count;
  return { mean, spread: Math.sqrt(Math.max(0, squares / count - mean ** 2)) };
}
