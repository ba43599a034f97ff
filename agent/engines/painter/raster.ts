/**
 * The painter's canvas: interleaved RGB floats, and the few shapes everything is drawn with,
 * all with soft or antialiased edges. Coordinates are pixels, y grows downwards.
 */
import { clamp, smooth } from '../noise.ts';
import type { Rgb } from './colour.ts';

export interface Raster {
  readonly width: number;
  readonly height: number;
  /** width * height * 3 values in [0, 1]. */
  readonly data: Float32Array;
}

export interface Paint {
  readonly colour: Rgb;
  /** Opacity, 1 unless told. */
  readonly alpha?: number;
}

export interface Circle {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
}

/** x0, y0, x1, y1, … */
export type Points = readonly number[];

export function makeRaster(width: number, height: number, colour: Rgb): Raster {
  const data = new Float32Array(width * height * 3);
  const [red, green, blue] = colour;
  for (let i = 0; i < data.length; i += 3) {
    data[i] = red;
    data[i + 1] = green;
    data[i + 2] = blue;
  }
  return { width, height, data };
}

/** Lays a colour over one pixel. */
export function dab(raster: Raster, i: number, { colour, alpha = 1 }: Paint): void {
  const { data } = raster;
  data[i] = data[i]! + (colour[0] - data[i]!) * alpha;
  data[i + 1] = data[i + 1]! + (colour[1] - data[i + 1]!) * alpha;
  data[i + 2] = data[i + 2]! + (colour[2] - data[i + 2]!) * alpha;
}

const SUBLINES = 4;

/** Fills a closed polygon by the even-odd rule. */
export function fill(raster: Raster, points: Points, paint: Paint): void {
  const { width, height } = raster;
  let top = Infinity;
  let bottom = -Infinity;
  for (let i = 1; i < points.length; i += 2) {
    top = Math.min(top, points[i]!);
    bottom = Math.max(bottom, points[i]!);
  }
  const first = Math.max(0, Math.floor(top));
  const last = Math.min(height - 1, Math.ceil(bottom));
  const cover = new Float32Array(width + 1);
  for (let y = first; y <= last; y++) {
    let low = width;
    let high = -1;
    for (let sub = 0; sub < SUBLINES; sub++) {
      const crossings = crossingsAt(points, y + (sub + 0.5) / SUBLINES);
      for (let k = 0; k + 1 < crossings.length; k += 2) {
        const from = clamp(crossings[k]!, 0, width);
        const to = clamp(crossings[k + 1]!, 0, width);
        if (to <= from) continue;
        low = Math.min(low, Math.floor(from));
        high = Math.max(high, Math.min(width - 1, Math.floor(to)));
        addSpan(cover, from, to);
      }
    }
    for (let x = low; x <= high; x++) {
      const alpha = Math.min(1, cover[x]!) * (paint.alpha ?? 1);
      cover[x] = 0;
      if (alpha > 0) dab(raster, (y * width + x) * 3, { colour: paint.colour, alpha });
    }
    cover[width] = 0;
  }
}

function crossingsAt(points: Points, y: number): number[] {
  const found: number[] = [];
  const count = points.length;
  let ax = points[count - 2]!;
  let ay = points[count - 1]!;
  for (let i = 0; i < count; i += 2) {
    const bx = points[i]!;
    const by = points[i + 1]!;
    if (ay <= y !== by <= y) found.push(ax + ((y - ay) / (by - ay)) * (bx - ax));
    ax = bx;
    ay = by;
  }
  return found.length <= 2 && (found[0] ?? 0) <= (found[1] ?? 0)
    ? found
    : found.sort((a, b) => a - b);
}

function addSpan(cover: Float32Array, from: number, to: number): void {
  const left = Math.floor(from);
  const right = Math.floor(to);
  const share = 1 / SUBLINES;
  if (left === right) {
    cover[left] = cover[left]! + (to - from) * share;
    return;
  }
  cover[left] = cover[left]! + (left + 1 - from) * share;
  for (let x = left + 1; x < right; x++) cover[x] = cover[x]! + share;
  cover[right] = cover[right]! + (to - right) * share;
}

/** A disc whose edge is `soft` of its radius wide (0 is sharp). */
export function disc(raster: Raster, circle: Circle, paint: Paint & { soft?: number }): void {
  const { x: cx, y: cy, radius } = circle;
  const { width, height } = raster;
  const edge = Math.max(1, radius * (paint.soft ?? 0));
  const reach = radius + 1;
  const [x0, x1] = [
    Math.max(0, Math.floor(cx - reach)),
    Math.min(width - 1, Math.ceil(cx + reach)),
  ];
  const [y0, y1] = [
    Math.max(0, Math.floor(cy - reach)),
    Math.min(height - 1, Math.ceil(cy + reach)),
  ];
  for (let y = y0; y <= y1; y++) {
    for (let x = x0; x <= x1; x++) {
      const inside = (radius + 0.5 - Math.hypot(x + 0.5 - cx, y + 0.5 - cy)) / edge;
      if (inside <= 0) continue;
      const alpha = (inside >= 1 ? 1 : inside) * (paint.alpha ?? 1);
      dab(raster, (y * width + x) * 3, { colour: paint.colour, alpha });
    }
  }
}

/** Light that adds up like a photograph's, fading out at `radius`. */
export function glow(raster: Raster, circle: Circle, { colour, alpha = 1 }: Paint): void {
  const { x: cx, y: cy, radius } = circle;
  const { width, height, data } = raster;
  const [x0, x1] = [
    Math.max(0, Math.floor(cx - radius)),
    Math.min(width - 1, Math.ceil(cx + radius)),
  ];
  const [y0, y1] = [
    Math.max(0, Math.floor(cy - radius)),
    Math.min(height - 1, Math.ceil(cy + radius)),
  ];
  for (let y = y0; y <= y1; y++) {
    for (let x = x0; x <= x1; x++) {
      const far = Math.hypot(x + 0.5 - cx, y + 0.5 - cy) / radius;
      if (far >= 1) continue;
      const strength = alpha * (1 - far) ** 2.4;
      const i = (y * width + x) * 3;
      for (let k = 0; k < 3; k++) {
        data[i + k] = 1 - (1 - data[i + k]!) * (1 - colour[k]! * strength);
      }
    }
  }
}

/** Turns an outline of few points into a smooth closed curve (Catmull-Rom). */
export function curve(points: Points, detail = 8): number[] {
  const count = points.length / 2;
  const out: number[] = [];
  const at = (i: number, k: number): number => points[((i + count) % count) * 2 + k]!;
  for (let i = 0; i < count; i++) {
    for (let step = 0; step < detail; step++) {
      const t = step / detail;
      for (let k = 0; k < 2; k++) {
        const [p0, p1, p2, p3] = [at(i - 1, k), at(i, k), at(i + 1, k), at(i + 2, k)];
        out.push(
          0.5 *
            (2 * p1 +
              (p2 - p0) * t +
              (2 * p0 - 5 * p1 + 4 * p2 - p3) * t * t +
              (3 * p1 - p0 - 3 * p2 + p3) * t * t * t),
        );
      }
    }
  }
  return out;
}

/** An ellipse as a polygon, turned by `turn` radians. */
export function ellipse(circle: Circle & { ratio?: number; turn?: number }): number[] {
  const { x, y, radius, ratio = 1, turn = 0 } = circle;
  const out: number[] = [];
  const count = Math.max(12, Math.min(64, Math.round(radius)));
  for (let i = 0; i < count; i++) {
    const angle = (i / count) * Math.PI * 2;
    const px = Math.cos(angle) * radius;
    const py = Math.sin(angle) * radius * ratio;
    out.push(x + px * Math.cos(turn) - py * Math.sin(turn));
    out.push(y + px * Math.sin(turn) + py * Math.cos(turn));
  }
  return out;
}

/** A limb from one point to another, tapering from the first width to the second. */
export function limb(points: Points, from: number, to: number): number[] {
  const count = points.length / 2;
  const left: number[] = [];
  const right: number[] = [];
  for (let i = 0; i < count; i++) {
    const before = Math.max(0, i - 1);
    const after = Math.min(count - 1, i + 1);
    const dx = points[after * 2]! - points[before * 2]!;
    const dy = points[after * 2 + 1]! - points[before * 2 + 1]!;
    const length = Math.hypot(dx, dy) || 1;
    const half = (from + (to - from) * (i / Math.max(1, count - 1))) / 2;
    const [x, y] = [points[i * 2]!, points[i * 2 + 1]!];
    left.push(x - (dy / length) * half, y + (dx / length) * half);
    right.unshift(x + (dy / length) * half, y - (dx / length) * half);
  }
  return [...left, ...right];
}

/** Darkens towards the corners. */
export function vignette(raster: Raster, strength: number): void {
  const { width, height, data } = raster;
  for (let y = 0; y < height; y++) {
    const v = (y / height - 0.5) ** 2;
    for (let x = 0; x < width; x++) {
      const far = Math.sqrt((x / width - 0.5) ** 2 + v);
      const shade = 1 - strength * smooth(0.35, 0.75, far);
      const i = (y * width + x) * 3;
      data[i] = data[i]! * shade;
      data[i + 1] = data[i + 1]! * shade;
      data[i + 2] = data[i + 2]! * shade;
    }
  }
}
