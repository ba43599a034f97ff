/** Trees that stand alone, palms, and blossom: grown branch by branch. */
import { blend, hex, tune } from './colour.ts';
import type { Rgb } from './colour.ts';
import { lerp } from '../noise.ts';
import type { Rng } from '../noise.ts';
import { disc, fill, limb } from './raster.ts';
import type { Stage } from './stage.ts';

interface Branch {
  readonly x: number;
  readonly y: number;
  readonly angle: number;
  readonly length: number;
  readonly width: number;
  readonly depth: number;
}

interface Growth {
  readonly rng: Rng;
  readonly bark: Rgb;
  /** Collects where leaves belong. */
  readonly tips: [number, number][];
}

function grow(stage: Stage, branch: Branch, growth: Growth): void {
  const { rng, bark, tips } = growth;
  const { x, y, angle, length, width, depth } = branch;
  const curl = (rng() - 0.5) * 0.35;
  const mid = [
    x + Math.cos(angle + curl) * length * 0.5,
    y - Math.sin(angle + curl) * length * 0.5,
  ] as const;
  const end = [x + Math.cos(angle) * length, y - Math.sin(angle) * length] as const;
  fill(stage.raster, limb([x, y, mid[0], mid[1], end[0], end[1]], width, width * 0.66), {
    colour: bark,
  });
  if (depth <= 3) tips.push([end[0], end[1]]);
  if (depth === 0) return;
  const arms = depth > 3 ? 2 : 2 + Math.floor(rng() * 2);
  for (let i = 0; i < arms; i++) {
    const spread = ((i + 0.5) / arms - 0.5) * lerp(1.1, 1.6, rng()) + (rng() - 0.5) * 0.3;
    const turned = angle + spread;
    const next = { x: end[0], y: end[1], angle: turned + (Math.PI / 2 - turned) * 0.06 };
    grow(
      stage,
      { ...next, length: length * lerp(0.66, 0.82, rng()), width: width * 0.64, depth: depth - 1 },
      growth,
    );
  }
}

function foliage(stage: Stage): Rgb | null {
  const { plan, palette } = stage;
  if (plan.season === 'winter') return null;
  if (plan.colours[0] !== undefined) return plan.colours[0];
  if (plan.words.has('sakura') || plan.words.has('cherry')) return hex('#f3a9c0');
  if (plan.season === 'autumn') return hex('#d9772b');
  return palette.day > 0.8 ? hex('#4f8f3f') : hex('#4a6b45');
}

/** A broad tree on the near hill, lit from the sun's side. */
export function paintTree(stage: Stage): void {
  const { width, height, horizon, unit, palette, sun, raster } = stage;
  const rng = stage.rng('tree');
  const x = width * (sun.x > width / 2 ? lerp(0.2, 0.36, rng()) : lerp(0.64, 0.8, rng()));
  const y = horizon + (height - horizon) * 0.72;
  const bark = blend(palette.near, hex('#4a3527'), 0.25 + palette.day * 0.3);
  const tips: [number, number][] = [];
  const trunk = {
    x,
    y,
    angle: Math.PI / 2 + (rng() - 0.5) * 0.15,
    length: unit * 0.15,
    width: unit * 0.036,
    depth: 6,
  };
  grow(stage, trunk, { rng, bark, tips });
  const leaf = foliage(stage);
  if (leaf === null) return;
  const side = sun.x < x ? -1 : 1;
  tips.sort((a, b) => side * (a[0] - b[0]) - (a[1] - b[1]) * 0.5);
  for (const [tx, ty] of tips) {
    for (let i = 0; i < 3; i++) {
      const at = {
        x: tx + (rng() - 0.5) * unit * 0.055,
        y: ty + (rng() - 0.5) * unit * 0.045,
        radius: unit * lerp(0.006, 0.02, rng()),
      };
      const lit = (side * (at.x - x)) / (unit * 0.5) + (y - at.y) / unit - 0.25;
      const colour = blend(
        blend(palette.near, leaf, 0.35 + palette.day * 0.5),
        blend(leaf, palette.light, 0.4),
        Math.max(0, Math.min(1, 0.3 + lit * 0.7 + (rng() - 0.5) * 0.4)),
      );
      disc(raster, at, { colour, alpha: 0.86, soft: 0.35 });
    }
  }
}

/** Palms leaning over the shore. */
export function paintPalms(stage: Stage): void {
  const { width, height, unit, palette, raster, sun } = stage;
  const rng = stage.rng('palms');
  const left = sun.x > width / 2;
  const ink = blend(palette.near, hex('#2c3b2a'), palette.day * 0.6);
  for (let p = 0; p < 2; p++) {
    const [foot, tall] = [
      width * (left ? 0.06 + p * 0.1 : 0.94 - p * 0.1),
      unit * (p === 0 ? lerp(0.6, 0.74, rng()) : lerp(0.36, 0.46, rng())),
    ];
    const lean =
      (left ? 1 : -1) * unit * (p === 0 ? lerp(0.06, 0.14, rng()) : lerp(0.18, 0.3, rng()));
    const trunk: number[] = [];
    for (let t = 0; t <= 1.001; t += 0.1)
      trunk.push(foot + lean * t ** 1.8, height * 1.01 - tall * t);
    fill(raster, limb(trunk, unit * 0.026, unit * 0.013), { colour: tune(ink, { light: 0.02 }) });
    const [cx, cy] = [foot + lean, height * 1.01 - tall];
    for (let f = 0; f < 11; f++) {
      const angle = (f / 11) * Math.PI * 2 + rng() * 0.4;
      const long = unit * lerp(0.13, 0.2, rng());
      for (let t = 0.1; t <= 1; t += 0.045) {
        const [px, py] = [
          cx + Math.cos(angle) * long * t,
          cy - Math.sin(angle) * long * t * 0.62 + t * t * long * 0.42,
        ];
        const leaf = unit * 0.05 * Math.sin(Math.PI * Math.min(1, t * 0.9 + 0.12));
        for (const side of [-1, 1]) {
          const tilt = Math.PI / 2 + side * 0.75 - Math.cos(angle) * 0.3;
          fill(
            raster,
            limb(
              [px, py, px + Math.cos(tilt) * leaf, py + Math.sin(tilt) * leaf],
              unit * 0.007,
              0.5,
            ),
            { colour: ink },
          );
        }
      }
    }
  }
}
