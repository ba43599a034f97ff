/** A meadow seen from low down: bokeh of far flowers, stems, and flower heads close by. */
import { blend, hex, tune } from './colour.ts';
import type { Rgb } from './colour.ts';
import { clamp, fbm, lerp, pick, smooth } from '../noise.ts';
import type { Rng } from '../noise.ts';
import { disc, ellipse, fill, limb } from './raster.ts';
import type { Stage } from './stage.ts';

interface Head {
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly colour: Rgb;
  /** How far it faces the viewer, 0 edge-on to 1. */
  readonly face: number;
  readonly turn: number;
}

type FlowerKind = 'daisy' | 'poppy' | 'tulip' | 'sunflower' | 'lavender' | 'rose';

const KIND_WORDS: Readonly<Record<FlowerKind, readonly string[]>> = {
  rose: ['rose', 'roses', 'peony'],
  tulip: ['tulip', 'tulips', 'lily'],
  sunflower: ['sunflower', 'sunflowers'],
  lavender: ['lavender'],
  poppy: ['poppy', 'poppies'],
  daisy: ['daisy', 'daisies'],
};

const KIND_COLOURS: Readonly<Record<FlowerKind, readonly string[]>> = {
  rose: ['#d9304f', '#f08aa6', '#f6d5c9', '#b3122f'],
  tulip: ['#e2413e', '#f6b22e', '#f07fae', '#8e4fc0', '#f7efe3'],
  sunflower: ['#f5b81c', '#f7c93a', '#eda313'],
  lavender: ['#8a6fd1', '#7358b8', '#a48fe0'],
  poppy: ['#e0301e', '#ee5a35', '#d61f26', '#f38a5a'],
  daisy: ['#fbf8f0', '#f9efe0', '#f3c9dc', '#fde58f'],
};

function kindsOf(stage: Stage, rng: Rng): FlowerKind[] {
  const kinds = Object.keys(KIND_WORDS) as FlowerKind[];
  const asked = kinds.filter((kind) => KIND_WORDS[kind].some((word) => stage.plan.words.has(word)));
  if (asked.length > 0) return asked;
  return pick(rng, [
    ['daisy', 'poppy'],
    ['poppy', 'lavender'],
    ['tulip'],
    ['daisy', 'lavender', 'poppy'],
  ]);
}

/** Green below the horizon, blurred like a photograph's background. */
export function paintMeadow(stage: Stage): void {
  const { raster, width, height, unit, palette, horizon } = stage;
  const patch = fbm(stage.noise('meadow'), 3);
  const far = blend(palette.far, palette.ground, 0.55);
  const near = blend(palette.ground, palette.near, 0.55);
  const hill = stage.noise('meadow edge');
  for (let x = 0; x < width; x++) {
    const top = horizon + hill((x / unit) * 1.2, 0) * unit * 0.05;
    for (let y = Math.max(0, Math.floor(top)); y < height; y++) {
      const down = clamp((y - top) / (height - top));
      const light = patch((x / unit) * 3, (y / unit) * 7) * 0.22 + 0.05;
      const cover = smooth(-0.5, unit * 0.02, y - top);
      const i = (y * width + x) * 3;
      for (let k = 0; k < 3; k++) {
        const colour = lerp(far[k]!, near[k]!, down) * (1 + light);
        raster.data[i + k] = lerp(raster.data[i + k]!, colour, cover);
      }
    }
  }
}

/** Soft discs of colour where flowers stand out of focus. */
export function paintBokeh(stage: Stage): void {
  const { raster, width, height, unit, horizon, palette } = stage;
  const rng = stage.rng('bokeh');
  const colours = coloursOf(stage, kindsOf(stage, stage.rng('kinds')));
  const count = Math.round((300 * width) / unit);
  for (let i = 0; i < count; i++) {
    const down = rng() ** 1.5;
    const radius = unit * lerp(0.004, 0.022, down) * lerp(0.7, 1.3, rng());
    const at = { x: rng() * width, y: lerp(horizon + unit * 0.02, height * 0.92, down), radius };
    const colour = blend(pick(rng, colours), palette.far, lerp(0.45, 0.1, down));
    disc(raster, at, { colour, alpha: lerp(0.5, 0.75, rng()), soft: 0.6 });
  }
}

function coloursOf(stage: Stage, kinds: readonly FlowerKind[]): Rgb[] {
  const { plan, palette } = stage;
  const own = kinds.flatMap((kind) => KIND_COLOURS[kind].map(hex));
  const lit =
    plan.colours.length > 0
      ? plan.colours.flatMap((c) => [c, tune(c, { light: 0.07 }), tune(c, { light: -0.06 })])
      : own;
  return lit.map((colour) => blend(palette.near, colour, 0.45 + palette.day * 0.55));
}

function petals(
  stage: Stage,
  head: Head,
  shape: { count: number; long: number; wide: number },
): void {
  const { x, y, size, colour, face, turn } = head;
  for (let i = 0; i < shape.count; i++) {
    const angle = turn + (i / shape.count) * Math.PI * 2;
    const [dx, dy] = [
      Math.cos(angle) * size * shape.long * 0.5,
      Math.sin(angle) * size * shape.long * 0.5 * face,
    ];
    const stretch = Math.hypot(dx, dy) / (size * 0.5);
    const petal = ellipse({
      x: x + dx,
      y: y + dy,
      radius: Math.max(0.8, size * 0.5 * stretch),
      ratio: (shape.wide / stretch) * lerp(0.75, 1, face),
      turn: Math.atan2(dy, dx),
    });
    fill(stage.raster, petal, {
      colour: tune(colour, { light: Math.sin(angle * 3 + turn) * 0.03 - Math.sin(angle) * 0.035 }),
      alpha: 0.96,
    });
  }
}

function paintHead(stage: Stage, head: Head, kind: FlowerKind): void {
  const { raster } = stage;
  const { x, y, size, colour, face } = head;
  const heart = (radius: number, tone: Rgb): void =>
    fill(
      raster,
      ellipse({ x, y, radius: Math.max(0.8, size * radius), ratio: lerp(0.55, 1, face) }),
      { colour: tone },
    );
  if (kind === 'daisy') {
    petals(stage, head, { count: 13, long: 1.15, wide: 0.34 });
    heart(0.3, blend(stage.palette.near, hex('#f2b71f'), 0.4 + stage.palette.day * 0.6));
    heart(0.18, blend(stage.palette.near, hex('#d9901a'), 0.4 + stage.palette.day * 0.6));
  } else if (kind === 'sunflower') {
    petals(
      stage,
      { ...head, turn: head.turn + 0.16, colour: tune(colour, { light: -0.08 }) },
      { count: 17, long: 1.3, wide: 0.3 },
    );
    petals(stage, head, { count: 17, long: 1.15, wide: 0.3 });
    heart(0.5, hex('#4a2a12'));
    heart(0.3, hex('#2d180b'));
  } else if (kind === 'poppy') {
    petals(
      stage,
      { ...head, colour: tune(colour, { light: -0.07 }) },
      { count: 4, long: 0.95, wide: 1.05 },
    );
    petals(stage, { ...head, turn: head.turn + 0.8 }, { count: 4, long: 0.75, wide: 0.95 });
    heart(0.17, hex('#1f1418'));
  } else if (kind === 'rose') {
    for (let ring = 5; ring >= 0; ring--) {
      const tone = tune(colour, { light: (ring % 2 === 0 ? 0.035 : -0.05) - (5 - ring) * 0.022 });
      petals(
        stage,
        { ...head, size: size * (0.25 + ring * 0.16), turn: head.turn + ring * 1.1, colour: tone },
        { count: 5, long: 0.8, wide: 1 },
      );
    }
  } else if (kind === 'tulip') {
    const cup = (dx: number, tone: Rgb): void =>
      fill(
        raster,
        ellipse({
          x: x + dx * size,
          y,
          radius: size * 0.92,
          ratio: 0.44,
          turn: Math.PI / 2 + dx * 0.55,
        }),
        { colour: tone },
      );
    cup(-0.24, tune(colour, { light: -0.08 }));
    cup(0.24, tune(colour, { light: -0.05 }));
    cup(0, tune(colour, { light: 0.03 }));
  } else paintSpike(stage, head);
}

/** A stalk of many small blooms. */
function paintSpike({ raster }: Stage, { x, y, size, colour }: Head): void {
  for (let i = 0; i < 16; i++) {
    const up = i / 16;
    const side = Math.sin(i * 2.4) * size * 0.3 * (1 - up * 0.6);
    fill(
      raster,
      ellipse({
        x: x + side,
        y: y + size * 1.1 - up * size * 2.6,
        radius: Math.max(0.8, size * 0.26 * (1.15 - up * 0.7)),
        ratio: 0.8,
      }),
      { colour: tune(colour, { light: Math.sin(i * 1.7) * 0.05 }) },
    );
  }
}

/** Flowers in focus, back to front; hasty pictures get the same ones, less finely. */
export function paintFlowers(stage: Stage): void {
  const { raster, width, height, unit, palette, horizon } = stage;
  const rng = stage.rng('flowers');
  const kinds = kindsOf(stage, stage.rng('kinds'));
  const rows = 6;
  for (let row = 0; row < rows; row++) {
    const near = row / (rows - 1);
    const size = unit * lerp(0.012, 0.066, near ** 1.3);
    const count = Math.round((width / unit) * lerp(46, 9, near ** 0.6));
    const stem = blend(
      blend(palette.far, palette.ground, 0.6),
      blend(palette.near, palette.ground, 0.4),
      near,
    );
    for (let i = 0; i < count; i++) {
      const kind = pick(rng, kinds);
      const scale = size * lerp(0.72, 1.25, rng()) * (kind === 'sunflower' ? 1.45 : 1);
      const x = ((i + rng()) / count) * width;
      const y =
        lerp(horizon + unit * 0.06, height * 0.86, near) +
        (rng() - 0.55) * unit * lerp(0.05, 0.24, near);
      const bend = (rng() - 0.5) * unit * 0.09 * near;
      const foot = Math.min(height + 4, y + unit * lerp(0.08, 0.6, near));
      fill(
        raster,
        limb(
          [x, y, x + bend * 0.3, (y + foot) / 2, x + bend, foot],
          Math.max(0.8, scale * 0.11),
          Math.max(0.8, scale * 0.13),
        ),
        { colour: stem },
      );
      if (near > 0.3) {
        const [lx, ly] = [x + bend * 0.4, lerp(y, foot, 0.45)];
        const leaf = ellipse({
          x: lx + scale * 0.8,
          y: ly,
          radius: scale * 1.1,
          ratio: 0.24,
          turn: -0.7 - rng() * 0.5,
        });
        fill(raster, leaf, { colour: tune(stem, { light: (rng() - 0.4) * 0.08 }) });
      }
      const colour = blend(pick(rng, coloursOf(stage, [kind])), palette.far, lerp(0.34, 0, near));
      paintHead(
        stage,
        { x, y, size: scale, colour, face: lerp(0.45, 1, rng()), turn: rng() * 6 },
        kind,
      );
    }
  }
}
