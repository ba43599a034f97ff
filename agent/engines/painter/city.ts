/** A city: towers row behind row, windows that light up as the day ends, a wet street or bay below. */
import { blend, hex, tune } from './colour.ts';
import type { Rgb } from './colour.ts';
import { lerp, pick } from '../noise.ts';
import type { Rng } from '../noise.ts';
import { fill, glow } from './raster.ts';
import type { Stage } from './stage.ts';

interface Tower {
  readonly x: number;
  readonly wide: number;
  readonly top: number;
  readonly foot: number;
  readonly colour: Rgb;
}

function box(
  stage: Stage,
  [x0, y0, x1, y1]: readonly [number, number, number, number],
  colour: Rgb,
): void {
  fill(stage.raster, [x0, y0, x1, y0, x1, y1, x0, y1], { colour });
}

function paintTower(stage: Stage, tower: Tower, rng: Rng): void {
  const { unit, palette, sun } = stage;
  const { x, wide, top, foot, colour } = tower;
  const kind = rng();
  box(stage, [x, top, x + wide, foot], colour);
  const lit = sun.x < x + wide / 2 ? 0 : wide * 0.62;
  box(
    stage,
    [x + lit, top, x + lit + wide * 0.38, foot],
    blend(colour, palette.light, 0.08 + palette.day * 0.06),
  );
  if (kind < 0.3) {
    box(stage, [x + wide * 0.2, top - unit * 0.03, x + wide * 0.8, top + 1], colour);
    box(stage, [x + wide * 0.36, top - unit * 0.055, x + wide * 0.64, top - unit * 0.028], colour);
  } else if (kind < 0.45) {
    fill(stage.raster, [x, top + 1, x + wide / 2, top - unit * 0.07, x + wide, top + 1], {
      colour,
    });
  }
  if (kind < 0.22 || kind > 0.88) {
    const half = Math.max(0.5, unit * 0.0016);
    box(
      stage,
      [x + wide / 2 - half, top - unit * lerp(0.09, 0.15, rng()), x + wide / 2 + half, top + 1],
      colour,
    );
  }
}

function paintWindows(stage: Stage, tower: Tower, rng: Rng): void {
  const { unit, palette } = stage;
  const cell = Math.max(3, unit * lerp(0.011, 0.016, rng()));
  const share = palette.day > 0.8 ? 0.5 : lerp(0.68, 0.36, palette.day);
  const neon = stage.plan.words.has('neon') || stage.plan.words.has('cyberpunk');
  const lamps = neon
    ? ['#ff3fa4', '#31e8ff', '#ffd257', '#9a5bff'].map(hex)
    : ['#ffd88a', '#ffbf5e', '#fff1c9', '#ffdf9e'].map(hex);
  const day = blend(tower.colour, palette.sky[1]!, 0.45);
  const own = pick(rng, lamps);
  for (let y = tower.top + cell; y < tower.foot - cell * 0.6; y += cell) {
    for (let x = tower.x + cell * 0.5; x < tower.x + tower.wide - cell * 0.7; x += cell * 0.85) {
      if (rng() > share) continue;
      const lamp = rng() < 0.75 ? own : pick(rng, lamps);
      const colour = palette.day > 0.8 ? day : blend(tower.colour, lamp, lerp(0.45, 1, rng()));
      box(stage, [x, y, x + cell * 0.46, y + cell * 0.56], colour);
    }
  }
}

/** Three rows of towers, the far ones pale. */
export function paintCity(stage: Stage): void {
  const { width, horizon, unit, palette } = stage;
  const neon = stage.plan.words.has('neon') || stage.plan.words.has('cyberpunk');
  for (let row = 0; row < 3; row++) {
    const rng = stage.rng(`row ${row}`);
    const near = row / 2;
    const base = blend(palette.far, palette.near, 0.12 + near * 0.78);
    let x = -unit * rng() * 0.1;
    while (x < width) {
      const wide = unit * lerp(0.045, 0.12, rng()) * (1 + near * 0.5);
      const middle = Math.exp(-(((x / width - 0.5) / 0.3) ** 2));
      const tall =
        unit * (lerp(0.12, 0.2, rng()) + lerp(0.36, 0.18, near) * rng() ** 1.6 * (0.4 + middle));
      const colour = tune(base, { light: (rng() - 0.5) * 0.045 });
      const top = Math.max(
        horizon - tall * (row === 0 ? 1.2 : 1),
        horizon * lerp(0.16, 0.26, rng()),
      );
      const tower = { x, wide, top, foot: horizon + 2, colour };
      paintTower(stage, tower, rng);
      if (row > 0 || palette.day < 0.5) paintWindows(stage, tower, rng);
      x += wide * lerp(0.82, 1.25, rng());
    }
    if (row < 2) {
      const air = neon ? blend(hex('#ff3fa4'), hex('#31e8ff'), row) : palette.sky.at(-1)!;
      glow(
        stage.raster,
        { x: width / 2, y: horizon, radius: Math.max(width, unit) * 0.62 },
        { colour: air, alpha: 0.26 },
      );
    }
  }
}

/** Neon signs and street lamps along the water line. */
export function paintLamps(stage: Stage): void {
  const { width, horizon, unit, palette, raster } = stage;
  if (palette.day > 0.8) return;
  const rng = stage.rng('lamps');
  const neon = stage.plan.words.has('neon') || stage.plan.words.has('cyberpunk');
  const colours = neon
    ? ['#ff3fa4', '#31e8ff', '#ffd257', '#9a5bff'].map(hex)
    : ['#ffc56b', '#ffdf9e'].map(hex);
  for (let x = unit * 0.02; x < width; x += unit * lerp(0.04, 0.09, rng())) {
    const colour = pick(rng, colours);
    if (neon && rng() < 0.45) {
      const [tall, wide] = [unit * lerp(0.04, 0.14, rng()), unit * 0.011];
      const y = horizon - unit * lerp(0.06, 0.22, rng());
      box(stage, [x, y - tall, x + wide, y], blend(colour, [1, 1, 1], 0.25));
      glow(raster, { x: x + wide / 2, y: y - tall / 2, radius: tall }, { colour, alpha: 0.55 });
    }
    glow(raster, { x, y: horizon - unit * 0.012, radius: unit * 0.035 }, { colour, alpha: 0.8 });
  }
}
