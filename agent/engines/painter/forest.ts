/** Woods in rows with mist between them, and grass in the foreground. */
import { blend, hex, tune } from './colour.ts';
import type { Rgb } from './colour.ts';
import { clamp, fbm, lerp, pick, smooth } from '../noise.ts';
import type { Rng } from '../noise.ts';
import { fillLand, skyline } from './land.ts';
import { dab, ellipse, fill } from './raster.ts';
import type { Points } from './raster.ts';
import type { Stage } from './stage.ts';

/** A conifer: tiers of drooping boughs, uneven like grown ones. */
function conifer(rng: Rng, at: { x: number; foot: number; tall: number }): number[] {
  const { x, foot, tall } = at;
  const tiers = 9;
  const side = (sign: number): number[] => {
    const edge: number[] = [];
    for (let t = 0; t < tiers; t++) {
      const low = (t + 1) / tiers;
      const outer = (0.025 + low * 0.19) * lerp(0.78, 1.12, rng());
      const droop = lerp(0.012, 0.035, rng());
      edge.push(x + sign * outer * tall, foot - tall * (1 - low * 0.93) + tall * droop);
      edge.push(x + sign * outer * tall * 0.42, foot - tall * (1 - low * 0.93));
    }
    return edge;
  };
  const [left, right] = [side(-1), side(1)];
  const back: number[] = [];
  for (let i = right.length - 2; i >= 0; i -= 2) back.push(right[i]!, right[i + 1]!);
  const trunk = [
    x - tall * 0.014,
    foot - tall * 0.05,
    x - tall * 0.016,
    foot + tall * 0.03,
    x + tall * 0.016,
    foot + tall * 0.03,
    x + tall * 0.014,
    foot - tall * 0.05,
  ];
  return [x, foot - tall, ...left, ...trunk, ...back];
}

const LEAVES: Readonly<Record<'spring' | 'summer' | 'autumn' | 'winter', readonly string[]>> = {
  spring: ['#8fbf5a', '#a9cf6a', '#f0b9c8'],
  summer: ['#4f8f3f', '#6aa24a', '#3f7a3c'],
  autumn: ['#d9772b', '#c2481f', '#e8ab3a', '#a63a1e'],
  winter: [],
};

/** A broad tree: a trunk and a crown of overlapping rounds, lighter towards the sun. */
function paintBroadleaf(
  stage: Stage,
  rng: Rng,
  tree: { x: number; foot: number; tall: number; colour: Rgb },
): void {
  const { raster, palette, sun } = stage;
  const { x, foot, tall, colour } = tree;
  const [half, top] = [tall * 0.018, foot - tall * 0.55];
  fill(raster, [x - half, top, x + half, top, x + half * 1.7, foot, x - half * 1.7, foot], {
    colour: blend(palette.near, colour, 0.12),
  });
  const side = sun.x < x ? -1 : 1;
  for (let i = 0; i < 26; i++) {
    const angle = rng() * Math.PI * 2;
    const away = Math.sqrt(rng());
    const [dx, dy] = [Math.cos(angle) * away, Math.sin(angle) * away];
    const lit = (dx * side - dy) * 0.06 + (i / 26) * 0.05 - 0.03;
    const round = {
      x: x + dx * tall * 0.2,
      y: foot - tall * 0.68 + dy * tall * 0.26,
      radius: tall * lerp(0.05, 0.1, rng()),
    };
    fill(raster, ellipse({ ...round, ratio: 0.8 }), { colour: tune(colour, { light: lit }) });
  }
}

/** Rows of firs in mist, from far to near. */
export function paintForest(stage: Stage): void {
  const { unit, palette, horizon, height, width, raster, plan } = stage;
  const rows = 5;
  const leaves = LEAVES[plan.season ?? 'winter'].map(hex);
  const broad = leaves.length > 0 ? leaves : null;
  for (let r = 0; r < rows; r++) {
    const rng = stage.rng(`firs ${r}`);
    const near = r / (rows - 1);
    const tall = unit * lerp(0.17, 0.62, near ** 1.6);
    const foot = horizon + (height - horizon) * lerp(0.02, 1.02, near ** 1.5);
    const tone = blend(palette.far, palette.near, near ** 0.8);
    const leafy = blend(tone, palette.ground, plan.season === 'autumn' ? 0.42 : 0.22);
    const hill = stage.noise(`slope ${r}`);
    const gap = tall * lerp(0.13, 0.27, near);
    const opening = width * lerp(0.35, 0.65, stage.rng('opening')());
    for (let x = -tall * 0.3; x < width + tall * 0.3; x += gap * lerp(0.6, 1.5, rng())) {
      const size = tall * lerp(0.6, 1.12, rng());
      const clear = near > 0.6 ? smooth(0, unit * 0.34 * near, Math.abs(x - opening)) : 1;
      const tint = tune(leafy, { light: (rng() - 0.5) * 0.045 });
      if (clear < 0.35) continue;
      const y = foot + hill((x / unit) * 1.5, r) * unit * 0.06;
      const tree = { x, foot: y, tall: size * lerp(0.55, 1, clear) };
      if (broad === null) fill(raster, conifer(rng, tree), { colour: tint });
      else
        paintBroadleaf(stage, rng, {
          ...tree,
          colour: blend(tint, pick(rng, broad), lerp(0.3, 0.75, near) * (0.4 + palette.day * 0.6)),
        });
    }
    const floor = skyline(
      stage,
      (u) => foot - unit * 0.012 + hill(u * 1.5 + (width / unit / 2) * 1.5, r) * unit * 0.06,
    );
    const soil = fbm(stage.noise(`soil ${r}`), 3);
    if (r < rows - 1)
      veil(stage, { foot, tall, alpha: (plan.weather === 'fog' ? 0.75 : 0.34) * (1 - near) });
    fillLand(
      stage,
      { tops: floor, floor: height },
      {
        top: leafy,
        bottom: blend(leafy, palette.sky.at(-1)!, near < 0.9 ? 0.75 - near * 0.4 : 0.05),
        reach: unit * 0.16,
        shade: (x, y) => soil((x / unit) * 9, (y / unit) * 30) * 0.18,
      },
    );
  }
}

/** Mist that rises between two rows of trees. */
function veil(
  stage: Stage,
  { foot, tall, alpha }: { foot: number; tall: number; alpha: number },
): void {
  const { raster, width, palette } = stage;
  const drift = stage.noise(`veil ${Math.round(alpha * 1000)}`);
  const colour = blend(palette.sky.at(-1)!, palette.cloudLit, 0.25);
  for (
    let y = Math.max(0, Math.floor(foot - tall * 0.95));
    y < Math.min(raster.height, foot + tall * 0.2);
    y++
  ) {
    const rise = smooth(0.95, 0, (foot - y) / tall);
    for (let x = 0; x < width; x++) {
      const thick = clamp(0.75 + drift((x / stage.unit) * 2, (y / stage.unit) * 5) * 0.8);
      dab(raster, (y * width + x) * 3, { colour, alpha: alpha * rise * thick });
    }
  }
}

/** Blades of grass or reeds along the lower edge. */
export function paintGrass(stage: Stage): void {
  const { raster, width, height, unit, palette, plan } = stage;
  if (plan.season === 'winter') return;
  const rng = stage.rng('grass');
  const bank = stage.noise('bank');
  const count = Math.round((width / unit) * 260);
  for (let i = 0; i < count; i++) {
    const x = rng() * width;
    const size =
      unit * lerp(0.03, 0.13, rng() ** 2) * (0.7 + 0.9 * clamp(bank((x / unit) * 1.7, 3) + 0.4));
    const bend = (rng() - 0.45) * size * 0.7;
    const half = Math.max(0.4, unit * 0.0017);
    const blade: Points = [
      x - half,
      height + 2,
      x + bend * 0.3 - half * 0.6,
      height - size * 0.6,
      x + bend,
      height - size,
      x + bend * 0.3 + half * 0.6,
      height - size * 0.6,
      x + half,
      height + 2,
    ];
    fill(raster, blade, { colour: blend(palette.near, palette.ground, rng() * 0.6), alpha: 0.95 });
  }
}
