/** Pictures of nothing in particular: composition and colour only. */
import { blend, hex, tune } from './colour.ts';
import type { Rgb } from './colour.ts';
import { clamp, fbm, lerp, makeRng, mix, pick } from '../noise.ts';
import { dab, disc, ellipse, fill, limb } from './raster.ts';
import type { Stage } from './stage.ts';

const SETS: readonly string[] = [
  '#f4ead5 #e4572e #17313b #f3a712 #5b8e7d #a8c0bd',
  '#f1efe7 #d1495b #edae49 #00798c #30334a #c9b79c',
  '#f7f0e8 #2a4d6e #e88d67 #8fb8ad #f2cc8f #bf3f3f',
  '#1d1d2b #f25f5c #ffe066 #50a0b8 #f7e7ce #8367c7',
  '#f5e9dc #6b4e71 #c86b85 #f2b880 #3a4f63 #9db5b2',
  '#efe8d8 #264653 #2a9d8f #e9c46a #f4a261 #e76f51',
  '#10222e #e6af2e #e0e2db #b04632 #3d7ea6 #77a88d',
];

/** Ground first, then the paints. The words choose the set, the seed turns it. */
export function colours(stage: Stage): Rgb[] {
  const set =
    SETS[(stage.plan.hash + Math.floor(stage.rng('set')() * 3)) % SETS.length]!.split(' ').map(hex);
  const asked = stage.plan.colours;
  if (asked.length === 0) return set;
  const [first, second = tune(first!, { light: 0.2 })] = asked;
  return [
    set[0]!,
    first!,
    blend(set[2]!, first!, 0.45),
    second,
    blend(set[4]!, second, 0.4),
    tune(first!, { light: 0.18, chroma: 0.7 }),
  ];
}

export function paintGround(stage: Stage): void {
  const { raster, width, height, unit } = stage;
  const [ground, , , , , last] = colours(stage);
  const noise = fbm(stage.noise('ground'), 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const alpha = clamp(0.1 + noise((x / unit) * 1.6, (y / unit) * 1.6) * 0.3);
      const i = (y * width + x) * 3;
      dab(raster, i, { colour: ground! });
      dab(raster, i, { colour: last!, alpha });
    }
  }
}

/** One of four compositions, by the prompt's hash. */
export function paintComposition(stage: Stage): void {
  const rng = makeRng(mix(stage.plan.hash));
  pick(rng, [paintRibbons, paintArches, paintStrata, paintOrbs])(stage);
}

/** Ribbons that follow a field, thin over wide. */
function paintRibbons(stage: Stage): void {
  const { raster, width, height, unit } = stage;
  const rng = stage.rng('ribbons');
  const field = fbm(stage.noise('field'), 2);
  const paints = colours(stage).slice(1);
  const turn = rng() * Math.PI * 2;
  const count = Math.round((170 * width * height) / unit ** 2);
  for (let i = 0; i < count; i++) {
    let [x, y] = [lerp(-0.1, 1.1, rng()) * width, lerp(-0.1, 1.1, rng()) * height];
    const zone = field((x / unit) * 0.9 + 40, (y / unit) * 0.9);
    const wide = unit * lerp(0.036, 0.004, i / count) * lerp(0.6, 1.4, rng());
    const path: number[] = [];
    const length = 24 + Math.floor(rng() * 46);
    for (let n = 0; n < length; n++) {
      path.push(x, y);
      const angle = turn + field((x / unit) * 0.85, (y / unit) * 0.85) * 5.5;
      x += Math.cos(angle) * unit * 0.011;
      y += Math.sin(angle) * unit * 0.011;
    }
    const at = clamp((zone + 0.5) * paints.length + (rng() - 0.5) * 1.6, 0, paints.length - 0.01);
    const colour = tune(paints[Math.floor(at)]!, { light: (rng() - 0.5) * 0.1 });
    fill(raster, limb(path, wide, wide * 0.2), { colour, alpha: 0.93 });
  }
}

interface Tile {
  readonly x: number;
  readonly y: number;
  readonly side: number;
  readonly corner: readonly [number, number];
}

/** Arches, discs and bars on a grid, after the posters of the twenties. */
function paintArches(stage: Stage): void {
  const { width, height, unit } = stage;
  const rng = stage.rng('arches');
  const paints = colours(stage);
  const side = unit / pick(rng, [3, 4]);
  for (let y = 0; y < height; y += side) {
    for (let x = 0; x < width; x += side) {
      const tones = [pick(rng, paints), pick(rng, paints.slice(1)), pick(rng, paints)] as const;
      const corner = [Math.round(rng()), Math.round(rng())] as const;
      paintTile(stage, { x, y, side, corner }, { tones, kind: Math.floor(rng() * 5) });
    }
  }
}

function paintTile(
  stage: Stage,
  tile: Tile,
  look: { tones: readonly [Rgb, Rgb, Rgb]; kind: number },
): void {
  const { x, y, side, corner } = tile;
  const [back, front, third] = look.tones;
  const middle = { x: x + side / 2, y: y + side / 2 };
  const band = (from: number, to: number, colour: Rgb): void => {
    const [top, bottom] = [y + from * side, y + to * side];
    fill(stage.raster, [x, top, x + side, top, x + side, bottom, x, bottom], { colour });
  };
  band(0, 1, back);
  const [cx, cy] = [x + corner[0] * side, y + corner[1] * side];
  if (look.kind <= 1) {
    for (const [n, colour] of [front, back, third].entries()) {
      quarter(stage, { x: cx, y: cy, radius: side * (1 - n * 0.3) }, { corner, colour });
    }
  } else if (look.kind === 2) {
    disc(stage.raster, { ...middle, radius: side * 0.4 }, { colour: front });
    disc(stage.raster, { ...middle, radius: side * 0.18 }, { colour: third });
  } else if (look.kind === 3) {
    band(0, 0.25, front);
    band(0.5, 0.75, front);
  } else {
    const [ox, oy] = [x + (1 - corner[0]) * side, y + (1 - corner[1]) * side];
    fill(stage.raster, [cx, cy, ox, cy, cx, oy], { colour: front });
  }
}

function quarter(
  stage: Stage,
  arc: { x: number; y: number; radius: number },
  by: { corner: readonly [number, number]; colour: Rgb },
): void {
  const points = [arc.x, arc.y];
  const [sx, sy] = [by.corner[0] === 0 ? 1 : -1, by.corner[1] === 0 ? 1 : -1];
  for (let t = 0; t <= 1.001; t += 0.04) {
    points.push(
      arc.x + sx * Math.cos((t * Math.PI) / 2) * arc.radius,
      arc.y + sy * Math.sin((t * Math.PI) / 2) * arc.radius,
    );
  }
  fill(stage.raster, points, { colour: by.colour });
}

/** Layers like cut paper, each with a shadow. */
function paintStrata(stage: Stage): void {
  const { raster, width, height, unit } = stage;
  const rng = stage.rng('strata');
  const paints = colours(stage);
  const count = 11;
  const tilt = (rng() - 0.5) * 0.7;
  const sun = {
    x: width * lerp(0.25, 0.75, rng()),
    y: height * lerp(0.16, 0.3, rng()),
    radius: unit * lerp(0.09, 0.15, rng()),
  };
  disc(raster, sun, { colour: paints[1]! });
  for (let i = 0; i < count; i++) {
    const wave = fbm(stage.noise(`stratum ${i}`), 2);
    const base = lerp(0.28, 1.02, i / (count - 1)) * height;
    const edge: number[] = [];
    for (let x = -20; x <= width + 20; x += Math.max(2, unit / 160)) {
      edge.push(x, base + wave((x / unit) * 1.1, i) * unit * 0.22 + (x - width / 2) * tilt * 0.25);
    }
    const colour = blend(
      blend(paints[1 + (i % (paints.length - 1))]!, paints[2]!, (i / count) * 0.5),
      paints[0]!,
      0.28 * (1 - i / count),
    );
    for (let s = 6; s >= 1; s--) {
      const shifted = edge.map((v, k) => (k % 2 === 0 ? v : v - unit * 0.0032 * s));
      fill(raster, [...shifted, width + 20, height + 20, -20, height + 20], {
        colour: [0.05, 0.04, 0.08],
        alpha: 0.045,
      });
    }
    fill(raster, [...edge, width + 20, height + 20, -20, height + 20], { colour });
  }
}

/** Overlapping translucent discs with fine lines. */
function paintOrbs(stage: Stage): void {
  const { raster, width, height, unit } = stage;
  const rng = stage.rng('orbs');
  const paints = colours(stage).slice(1);
  for (let i = 0; i < 22; i++) {
    const radius = unit * lerp(0.3, 0.025, (i / 22) ** 0.7) * lerp(0.7, 1.15, rng());
    const angle = i * 2.39996 + rng();
    const away = Math.sqrt(i / 22) * 0.42;
    const at = {
      x: width * (0.5 + Math.cos(angle) * away),
      y: height * (0.5 + Math.sin(angle) * away),
      radius,
    };
    const colour = pick(rng, paints);
    disc(raster, at, { colour, alpha: lerp(0.55, 0.92, rng()) });
    if (rng() < 0.45)
      disc(raster, { ...at, radius: radius * 0.62 }, { colour: pick(rng, paints), alpha: 0.85 });
    if (rng() < 0.5) {
      const ring = ellipse({ ...at, radius: radius * 1.14 });
      fill(raster, limb([...ring, ring[0]!, ring[1]!], unit * 0.004, unit * 0.004), {
        colour: pick(rng, paints),
      });
    }
  }
  for (let i = 0; i < 5; i++) {
    const [x, y, turn] = [rng() * width, rng() * height, rng() * Math.PI];
    const [dx, dy] = [Math.cos(turn) * unit, Math.sin(turn) * unit];
    fill(raster, limb([x - dx, y - dy, x + dx, y + dy], unit * 0.004, unit * 0.002), {
      colour: paints[1]!,
    });
  }
}
