/**
 * Brush work: paints strokes over a canvas until it looks like a target, after Hertzmann,
 * "Painterly Rendering with Curved Brush Strokes of Multiple Sizes" (SIGGRAPH 1998): each pass
 * uses a finer brush and only where the canvas is still off. Deterministic.
 */
import { clamp, makeRng } from '../noise.ts';
import type { Noise, Rng } from '../noise.ts';
import type { Raster } from './raster.ts';

export interface Pass {
  /** Brush width in canvas pixels. */
  readonly size: number;
  /** Strokes are laid where the difference of colours is above this. */
  readonly threshold: number;
  readonly alpha: number;
  /** How far strokes stray in colour. */
  readonly jitter: number;
  /** Length over width. */
  readonly length: number;
  /** 0 is smooth, 1 shows every bristle. */
  readonly bristle: number;
}

/** Where strokes run: angles on a coarse grid over the target. */
interface Flow {
  readonly columns: number;
  readonly rows: number;
  readonly angles: Float32Array;
}

const FLOW_SIDE = 96;

/** Strokes follow edges; where there are none they drift with the noise, mostly level. */
export function makeFlow(target: Raster, noise: Noise): Flow {
  const longest = Math.max(target.width, target.height);
  const columns = Math.max(4, Math.round((FLOW_SIDE * target.width) / longest));
  const rows = Math.max(4, Math.round((FLOW_SIDE * target.height) / longest));
  const luma = shrinkLuma(target, columns, rows);
  const angles = new Float32Array(columns * rows);
  const at = (x: number, y: number): number =>
    luma[clamp(y, 0, rows - 1) * columns + clamp(x, 0, columns - 1)]!;
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      let [xx, yy, xy] = [0, 0, 0];
      for (let dy = -2; dy <= 2; dy++) {
        for (let dx = -2; dx <= 2; dx++) {
          const gx = at(x + dx + 1, y + dy) - at(x + dx - 1, y + dy);
          const gy = at(x + dx, y + dy + 1) - at(x + dx, y + dy - 1);
          xx += gx * gx;
          yy += gy * gy;
          xy += gx * gy;
        }
      }
      const drift = noise((x / FLOW_SIDE) * 3, (y / FLOW_SIDE) * 3) * 1.1;
      // The tensor of the drift joins that of the edges, so the stronger one wins.
      const weight = 0.012;
      const angle =
        0.5 *
        Math.atan2(
          2 * xy + weight * Math.sin(2 * drift + Math.PI),
          xx - yy + weight * Math.cos(2 * drift + Math.PI),
        );
      angles[y * columns + x] = angle + Math.PI / 2;
    }
  }
  return { columns, rows, angles };
}

function shrinkLuma(target: Raster, columns: number, rows: number): Float32Array {
  const luma = new Float32Array(columns * rows);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      let sum = 0;
      for (let s = 0; s < 9; s++) {
        const px = Math.min(
          target.width - 1,
          Math.floor(((x + ((s % 3) + 0.5) / 3) / columns) * target.width),
        );
        const py = Math.min(
          target.height - 1,
          Math.floor(((y + (Math.floor(s / 3) + 0.5) / 3) / rows) * target.height),
        );
        const i = (py * target.width + px) * 3;
        sum += target.data[i]! * 0.3 + target.data[i + 1]! * 0.59 + target.data[i + 2]! * 0.11;
      }
      luma[y * columns + x] = sum / 9;
    }
  }
  return luma;
}

function angleAt(flow: Flow, u: number, v: number): number {
  const x = Math.min(flow.columns - 1, Math.floor(u * flow.columns));
  const y = Math.min(flow.rows - 1, Math.floor(v * flow.rows));
  return flow.angles[y * flow.columns + x]!;
}

interface Easel {
  readonly canvas: Raster;
  readonly target: Raster;
  readonly flow: Flow;
}

/** One pass over the canvas; cells are visited in a shuffled order, so that strokes overlap freely. */
export function paintPass(easel: Easel, pass: Pass, rng: Rng): void {
  const { canvas, target, flow } = easel;
  const cell = Math.max(1.5, pass.size * 0.85);
  const columns = Math.ceil(canvas.width / cell);
  const rows = Math.ceil(canvas.height / cell);
  const count = columns * rows;
  const start = Math.floor(rng() * count);
  const stride = coprime(Math.floor(count * 0.618) | 1, count);
  const scale = target.width / canvas.width;
  for (let n = 0, at = start; n < count; n++, at = (at + stride) % count) {
    const x = ((at % columns) + rng()) * cell;
    const y = (Math.floor(at / columns) + rng()) * cell;
    if (x >= canvas.width || y >= canvas.height) continue;
    const c = (Math.floor(y) * canvas.width + Math.floor(x)) * 3;
    const t =
      (Math.min(target.height - 1, Math.floor(y * scale)) * target.width +
        Math.min(target.width - 1, Math.floor(x * scale))) *
      3;
    const off =
      Math.abs(canvas.data[c]! - target.data[t]!) +
      Math.abs(canvas.data[c + 1]! - target.data[t + 1]!) +
      Math.abs(canvas.data[c + 2]! - target.data[t + 2]!);
    if (off < pass.threshold) continue;
    const angle = angleAt(flow, x / canvas.width, y / canvas.height) + (rng() - 0.5) * 0.5;
    layStroke(canvas, { x, y, angle, seed: (rng() * 0xffffffff) >>> 0 }, { pass, target, t });
  }
}

function coprime(from: number, count: number): number {
  let stride = Math.max(1, from);
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
  while (gcd(stride, count) !== 1) stride++;
  return stride;
}

interface Place {
  readonly x: number;
  readonly y: number;
  readonly angle: number;
  readonly seed: number;
}

const BRISTLES = 16;
const PATTERNS = 64;
/** Streaks across a brush, -0.5 to 0.5, one row a brush; the last value of a row is doubled. */
const bristles = makeBristles();

function makeBristles(): Float32Array {
  const rng = makeRng(7);
  const table = new Float32Array(PATTERNS * (BRISTLES + 2));
  for (let i = 0; i < table.length; i++) table[i] = rng() - 0.5;
  return table;
}

/** One stroke: a turned, slightly bent rectangle with soft ends and streaks along it. */
function layStroke(
  canvas: Raster,
  place: Place,
  from: { pass: Pass; target: Raster; t: number },
): void {
  const { pass, target, t } = from;
  const { width, height, data } = canvas;
  const { x: px, y: py, seed } = place;
  const [n1, n2, n3] = [
    (seed & 255) / 255,
    ((seed >>> 8) & 255) / 255,
    ((seed >>> 16) & 255) / 255,
  ];
  const shift = (n1 - 0.5) * 2 * pass.jitter;
  const warm = (n2 - 0.5) * pass.jitter;
  const red = target.data[t]! + shift + warm;
  const green = target.data[t + 1]! + shift;
  const blue = target.data[t + 2]! + shift - warm;
  const half = Math.max(0.8, pass.size * (0.42 + 0.2 * n3));
  const long = half * pass.length * (0.7 + 0.55 * n2);
  const bend = ((n1 - 0.5) * 0.34) / long / half;
  const wide = half * (1 + Math.abs(bend) * long * long);
  const row = (seed >>> 26) * (BRISTLES + 2);
  const [cos, sin] = [nonZero(Math.cos(place.angle)), nonZero(Math.sin(place.angle))];
  const [flat, steep] = [Math.abs(cos), Math.abs(sin)];
  const reach = steep * long + flat * wide;
  const [bristle, opacity, soft] = [pass.bristle, pass.alpha, half / 1.2];
  const last = Math.min(height - 1, Math.ceil(py + reach));
  for (let y = Math.max(0, Math.floor(py - reach)); y <= last; y++) {
    const dy = y + 0.5 - py;
    // The row's share of the rectangle: where both of its slabs are.
    const [along0, across0] = [(-dy * sin) / cos, (dy * cos) / sin];
    const first = px - 0.5 + Math.max(along0 - long / flat, across0 - wide / steep);
    const final = px - 0.5 + Math.min(along0 + long / flat, across0 + wide / steep);
    const x1 = final >= width ? width - 1 : Math.ceil(final);
    for (let x = first < 0 ? 0 : Math.floor(first); x <= x1; x++) {
      const dx = x + 0.5 - px;
      const along = dx * cos + dy * sin;
      const end = 1 - (along < 0 ? -along : along) / long;
      if (end <= 0) continue;
      const across = (dy * cos - dx * sin) / half + along * along * bend;
      const edge = 1 - (across < 0 ? -across : across);
      if (edge <= 0) continue;
      const lane = (across + 1) * (0.5 * BRISTLES);
      const at = lane | 0;
      const b = bristles[row + at]!;
      const streak = (b + (bristles[row + at + 1]! - b) * (lane - at)) * bristle;
      const rim = edge * soft;
      let alpha = rim > 1 ? opacity : opacity * rim;
      const dry = end * 3.2 + streak * 1.6;
      if (dry < 1) {
        if (dry <= 0) continue;
        alpha *= dry;
      }
      const lit = streak * 0.085;
      const i = (y * width + x) * 3;
      data[i] = data[i]! + (red + lit - data[i]!) * alpha;
      data[i + 1] = data[i + 1]! + (green + lit - data[i + 1]!) * alpha;
      data[i + 2] = data[i + 2]! + (blue + lit - data[i + 2]!) * alpha;
    }
  }
}

function nonZero(value: number): number {
  return Math.abs(value) < 1e-4 ? 1e-4 : value;
}
