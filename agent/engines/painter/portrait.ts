/** A portrait of nobody: head and shoulders in flat shapes, eyes closed, a halo behind. */
import { colours } from './abstract.ts';
import { blend, hex, tune } from './colour.ts';
import type { Rgb } from './colour.ts';
import { pick } from '../noise.ts';
import { penAt } from './pen.ts';
import type { Pen, Spot } from './pen.ts';
import { ellipse, fill } from './raster.ts';
import type { Stage } from './stage.ts';

interface Sitter {
  readonly skin: Rgb;
  readonly shade: Rgb;
  readonly hair: Rgb;
  readonly dress: Rgb;
  readonly gold: Rgb;
  readonly short: boolean;
  readonly crowned: boolean;
}

const SKINS = ['#f0c7a4', '#d99a6c', '#a96a45', '#7a4a32', '#f3d6c0'].map(hex);
const HAIRS = ['#2b1d1a', '#5a2d1f', '#8a5a2b', '#3a3a40'].map(hex);

export function paintPortrait(stage: Stage): void {
  const rng = stage.rng('portrait');
  const paints = colours(stage);
  const has = (...list: string[]): boolean => list.some((word) => stage.plan.words.has(word));
  const short = has('king', 'prince', 'man', 'boy');
  const skin = pick(rng, SKINS);
  const sitter: Sitter = {
    skin,
    shade: tune(skin, { light: -0.08 }),
    hair: short || rng() < 0.5 ? pick(rng, HAIRS) : pick(rng, [paints[2]!, paints[4]!]),
    dress: paints[1]!,
    gold: paints[3]!,
    short,
    crowned: has('king', 'queen', 'prince', 'princess'),
  };
  const size = Math.min(stage.unit * 0.62, stage.height * 0.62);
  const spot = { x: stage.width / 2, y: stage.height * 0.98, size, flip: rng() < 0.5 };
  const pen = penAt(stage, spot);
  paintHalo(stage, spot, [paints[3]!, paints[0]!, paints[4]!, paints[2]!]);
  paintBust(pen, sitter);
  paintFace(stage, spot, sitter);
}

function paintHalo(stage: Stage, spot: Spot, tones: readonly [Rgb, Rgb, Rgb, Rgb]): void {
  const pen = penAt(stage, spot);
  const rng = stage.rng('halo');
  pen.round([0, 0.92, 0.56, 0.56], tones[0]);
  pen.round([0, 0.92, 0.5, 0.5], blend(tones[0], tones[1], 0.25));
  for (let i = 0; i < 14; i++) {
    const side = i % 2 === 0 ? -1 : 1;
    const angle = Math.PI / 2 + side * (0.35 + (i / 14) * 1.5);
    const x = spot.x + Math.cos(angle) * spot.size * 0.62;
    const y = spot.y - spot.size * (0.92 + Math.sin(angle) * 0.62);
    const leaf = ellipse({ x, y, radius: spot.size * 0.13, ratio: 0.34, turn: side * 0.5 - angle });
    fill(stage.raster, leaf, { colour: blend(tones[2], tones[3], rng() * 0.5) });
  }
}

const LONG_HAIR = [
  -0.36, 0.86, -0.38, 1.2, -0.16, 1.42, 0.14, 1.43, 0.37, 1.22, 0.38, 0.8, 0.42, 0.45, 0.26, 0.3,
  -0.28, 0.3, -0.43, 0.46,
];
const SHOULDERS = [
  -0.72, -0.06, -0.62, 0.22, -0.3, 0.37, -0.12, 0.42, 0.12, 0.42, 0.3, 0.37, 0.62, 0.22, 0.72,
  -0.06,
];
const NECK = [-0.115, 0.68, -0.12, 0.46, -0.2, 0.38, 0, 0.26, 0.2, 0.38, 0.12, 0.46, 0.115, 0.68];
const HEAD = [
  -0.27, 0.98, -0.265, 0.8, -0.18, 0.63, -0.05, 0.545, 0.05, 0.545, 0.18, 0.63, 0.265, 0.8, 0.27,
  0.98, 0.2, 1.2, 0, 1.27, -0.2, 1.2,
];
const CHEEK = [
  0.03, 1.24, 0.2, 1.2, 0.27, 0.98, 0.265, 0.8, 0.18, 0.63, 0.05, 0.545, 0.12, 0.7, 0.1, 0.9,
];
const FRINGE = [
  -0.3, 0.95, -0.25, 1.24, 0, 1.36, 0.26, 1.24, 0.3, 0.95, 0.22, 1.1, 0.05, 1.2, -0.1, 1.17, -0.23,
  1.06,
];
const BEARD = [
  -0.27, 0.93, -0.23, 0.7, -0.1, 0.54, 0, 0.5, 0.1, 0.54, 0.23, 0.7, 0.27, 0.93, 0.2, 0.78, 0.1,
  0.735, 0, 0.725, -0.1, 0.735, -0.2, 0.78,
];
const CROWN = [-0.24, 1.24, -0.3, 1.5, -0.15, 1.38, 0, 1.56, 0.15, 1.38, 0.3, 1.5, 0.24, 1.24];
const LIPS = [
  -0.07, 0.676, -0.025, 0.696, 0, 0.686, 0.025, 0.696, 0.07, 0.676, 0.03, 0.648, 0, 0.642, -0.03,
  0.648,
];

function paintBust(pen: Pen, sitter: Sitter): void {
  if (!sitter.short) pen.smooth(LONG_HAIR, sitter.hair);
  pen.smooth(SHOULDERS, sitter.dress);
  pen.smooth(NECK, sitter.shade);
  pen.smooth(HEAD, sitter.skin);
  pen.smooth(CHEEK, sitter.shade);
  pen.smooth(FRINGE, sitter.hair);
  if (sitter.short) pen.smooth(BEARD, sitter.hair);
  if (!sitter.crowned) return;
  pen.shape(CROWN, hex('#e5b53a'));
  for (const x of [-0.3, 0, 0.3]) pen.round([x, x === 0 ? 1.58 : 1.52, 0.026, 0.026], sitter.dress);
}

function paintFace(stage: Stage, spot: Spot, sitter: Sitter): void {
  const pen = penAt(stage, spot);
  const ink = blend(hex('#2b1a1a'), sitter.hair, 0.3);
  for (const side of [-1, 1]) {
    const lid = [0.19, 0.915, 0.15, 0.892, 0.11, 0.886, 0.065, 0.9];
    const brow = [0.055, 0.985, 0.12, 1.012, 0.2, 0.99];
    const mirrored = (points: readonly number[]): number[] =>
      points.map((value, i) => (i % 2 === 0 ? value * side : value));
    pen.line(mirrored(lid), [0.016, 0.008], ink);
    pen.line(mirrored(brow), [0.02, 0.01], ink);
    const blush = {
      x: spot.x + side * spot.size * 0.165,
      y: spot.y - spot.size * 0.79,
      radius: spot.size * 0.052,
    };
    const colour = hex('#e0605a');
    fill(stage.raster, ellipse({ ...blush, ratio: 0.75 }), { colour, alpha: 0.28 });
    if (!sitter.short) pen.round([side * 0.28, 0.72, 0.024, 0.024], sitter.gold);
  }
  const nose = [0.012, 0.9, 0.034, 0.8, 0.0, 0.775, -0.018, 0.778];
  pen.line(nose, [0.012, 0.006], tune(sitter.shade, { light: -0.08 }));
  pen.smooth(LIPS, blend(sitter.dress, hex('#a0303a'), 0.6));
}
