/**
 * A painted picture in motion: a slow camera over it, and what moves by itself in such a scene:
 * water ripples, wind sways, stars and lights twinkle. Each frame is a function of the time
 * alone, so that the same picture and seed give the same frames. Pure.
 */
import { clamp, lerp, makeRng, smooth } from '../noise.ts';
import type { Pixels } from './picture.ts';
import type { Plan } from './prompt.ts';

/** What is painted beyond the frame, for the camera: a share of each side. */
export const MARGIN = 0.16;

export interface Motion {
  readonly plan: Plan;
  readonly seed: number;
  /** Of the frames, px. */
  readonly width: number;
  readonly height: number;
}

type Mover = 'water' | 'wind' | 'light';

const MOVERS: Readonly<Record<Plan['scene'], Mover>> = {
  sea: 'water',
  lake: 'water',
  forest: 'wind',
  flowers: 'wind',
  hills: 'wind',
  mountains: 'wind',
  desert: 'wind',
  portrait: 'light',
  abstract: 'wind',
  city: 'light',
  space: 'light',
};

/** How far what moves goes, as a share of the shorter side. */
const REACH: Readonly<Record<Mover, number>> = { water: 0.006, wind: 0.003, light: 0 };
/** Twinkling begins at this brightness, 0 to 255. */
const BRIGHT = 170;
const TURN = Math.PI * 2;

/** Where the camera stands at a time: the left upper corner and the scale of what it sees. */
function cameraAt(share: number, { seed }: Motion): { x: number; y: number; scale: number } {
  const rng = makeRng(seed ^ 0x63a7);
  const inward = rng() < 0.5;
  const [fromX, fromY, toX, toY] = [rng(), rng(), rng(), rng()];
  const along = smooth(0, 1, share);
  const wide = 1 + MARGIN;
  const scale = inward ? lerp(wide, 1, along) : lerp(1, wide, along);
  const room = wide - scale;
  return { x: lerp(fromX, toX, along) * room, y: lerp(fromY, toY, along) * room, scale };
}

/** One frame, `at` seconds into `lengthS`, of a picture that is `MARGIN` larger than it. */
export function frameOf(
  picture: Pixels,
  motion: Motion,
  { at, lengthS }: { readonly at: number; readonly lengthS: number },
): Uint8Array {
  const { width, height, plan } = motion;
  const mover = MOVERS[plan.scene];
  const camera = cameraAt(clamp(at / lengthS), motion);
  const reach = REACH[mover] * Math.min(picture.width, picture.height);
  const strength = plan.weather === 'storm' ? 2 : 1;
  const columns = Float64Array.from({ length: width }, (_, x) => {
    const wave = Math.sin((x / width) * TURN * 3 + at * 1.7) * reach * strength;
    return mover === 'wind' ? wave : wave * 0.5;
  });
  const twinkle = 1 + 0.06 * Math.sin(at * TURN * 0.6);
  const rgb = new Uint8Array(width * height * 3);
  const { width: w, height: h } = picture;
  for (let y = 0; y < height; y++) {
    const v = y / height;
    // The sky stands still; the nearer, the more it moves.
    const near = mover === 'water' ? smooth(0.45, 1, v) : smooth(0.25, 1, v);
    const wave = Math.sin(v * TURN * 9 - at * 2.3) * reach * strength * near;
    const sy = ((camera.y + v * camera.scale) / (1 + MARGIN)) * (h - 1);
    for (let x = 0; x < width; x++) {
      const sx = ((camera.x + (x / width) * camera.scale) / (1 + MARGIN)) * (w - 1);
      const px = clamp(sx + wave, 0, w - 1.001);
      const py = clamp(sy + columns[x]! * near, 0, h - 1.001);
      blend(picture, [px, py], { rgb, i: (y * width + x) * 3 });
    }
  }
  if (mover === 'light') shine(rgb, { twinkle, width, at });
  return rgb;
}

/** clamp of `lerp` between four neighbours, into place. */
function blend(
  { rgb: from, width }: Pixels,
  [px, py]: readonly [number, number],
  { rgb, i }: { readonly rgb: Uint8Array; readonly i: number },
): void {
  const [x, y] = [Math.floor(px), Math.floor(py)];
  const [fx, fy] = [px - x, py - y];
  const a = (y * width + x) * 3;
  const b = a + width * 3;
  for (let k = 0; k < 3; k++) {
    const upper = from[a + k]! + (from[a + 3 + k]! - from[a + k]!) * fx;
    const lower = from[b + k]! + (from[b + 3 + k]! - from[b + k]!) * fx;
    rgb[i + k] = upper + (lower - upper) * fy;
  }
}

/** Bright spots come and go, each in its own time. */
function shine(
  rgb: Uint8Array,
  { twinkle, width, at }: { readonly twinkle: number; readonly width: number; readonly at: number },
): void {
  for (let i = 0; i < rgb.length; i += 3) {
    const bright = Math.max(rgb[i]!, rgb[i + 1]!, rgb[i + 2]!);
    if (bright < BRIGHT) continue;
    const place = i / 3;
    const own = Math.sin(
      at * 3 + ((place % width) >> 3) * 2.1 + Math.floor(place / width / 8) * 1.3,
    );
    const gain = twinkle * (1 + 0.08 * own);
    for (let k = 0; k < 3; k++) rgb[i + k] = Math.min(255, rgb[i + k]! * gain);
  }
}
