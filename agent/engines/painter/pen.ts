/** A pen that draws figures in their own units: origin at the feet, y upwards, size 1. */
import { blend, tune } from './colour.ts';
import type { Rgb } from './colour.ts';
import { curve, ellipse, fill, limb } from './raster.ts';
import type { Points } from './raster.ts';
import type { Stage } from './stage.ts';

/** Draws in a figure's own units: origin at its feet, y upwards, scaled and perhaps mirrored. */
export interface Pen {
  readonly shape: (points: Points, colour: Rgb) => void;
  readonly smooth: (points: Points, colour: Rgb) => void;
  /** An ellipse: middle, half its width and height. */
  readonly round: (at: readonly [number, number, number, number], colour: Rgb) => void;
  readonly line: (points: Points, widths: readonly [number, number], colour: Rgb) => void;
}

/** Where the figure stands and how tall a unit is, px; `flip` mirrors it. */
export interface Spot {
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly flip: boolean;
}

export function penAt(stage: Stage, { x, y, size, flip }: Spot): Pen {
  const side = flip ? -1 : 1;
  const move = (points: Points): number[] =>
    points.map((value, i) => (i % 2 === 0 ? x + value * size * side : y - value * size));
  return {
    shape: (points, colour) => fill(stage.raster, move(points), { colour }),
    smooth: (points, colour) => fill(stage.raster, curve(move(points)), { colour }),
    round: ([cx, cy, rx, ry], colour) =>
      fill(
        stage.raster,
        ellipse({ x: x + cx * size * side, y: y - cy * size, radius: rx * size, ratio: ry / rx }),
        { colour },
      ),
    line: (points, [from, to], colour) =>
      fill(stage.raster, limb(openCurve(move(points)), from * size, to * size), { colour }),
  };
}

/** A smooth line through points, not closed. */
export function openCurve(points: Points): number[] {
  const out: number[] = [];
  const count = points.length / 2;
  const at = (i: number, k: number): number => points[Math.max(0, Math.min(count - 1, i)) * 2 + k]!;
  for (let i = 0; i < count - 1; i++) {
    for (let t = 0; t < 1; t += 0.125) {
      for (let k = 0; k < 2; k++) {
        const [a, b, c, d] = [at(i - 1, k), at(i, k), at(i + 1, k), at(i + 2, k)];
        out.push(
          0.5 *
            (2 * b +
              (c - a) * t +
              (2 * a - 5 * b + 4 * c - d) * t * t +
              (3 * b - a - 3 * c + d) * t ** 3),
        );
      }
    }
  }
  return [...out, at(count - 1, 0), at(count - 1, 1)];
}

/** The tone of a silhouette against the light. */
export function dark(stage: Stage): Rgb {
  return tune(blend(stage.palette.near, [0.03, 0.03, 0.05], 0.55), { chroma: 0.8 });
}
