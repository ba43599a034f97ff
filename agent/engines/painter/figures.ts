/** Living things and balloons in a landscape, mostly silhouettes against the light. One layer each. */
import { blend, hex, tune } from './colour.ts';
import { lerp } from '../noise.ts';
import { dark, openCurve, penAt } from './pen.ts';
import type { Spot } from './pen.ts';
import { disc, fill, limb } from './raster.ts';
import type { Stage } from './stage.ts';

/** A sitting cat seen from behind, looking at the view. */
export function paintCat(stage: Stage): void {
  const rng = stage.rng('cat');
  const many = stage.plan.words.has('cats') ? 2 : 1;
  for (let i = 0; i < many; i++) {
    const size = stage.unit * lerp(0.3, 0.36, rng());
    const x = stage.width * (lerp(0.36, 0.6, rng()) + i * 0.2);
    sitCat(stage, { x, y: stage.height * 0.965, size, flip: rng() < 0.5 });
  }
}

function sitCat(stage: Stage, spot: Spot): void {
  const pen = penAt(stage, spot);
  const [first] = stage.plan.colours;
  const coat =
    first === undefined ? dark(stage) : blend(dark(stage), first, 0.35 + stage.palette.day * 0.3);
  pen.line([0.2, 0.03, 0.42, 0.02, 0.56, 0.1, 0.5, 0.24, 0.58, 0.36], [0.085, 0.045], coat);
  pen.smooth(
    [
      -0.2, 0.0, -0.25, 0.14, -0.2, 0.36, -0.11, 0.56, 0.0, 0.62, 0.11, 0.56, 0.2, 0.36, 0.25, 0.14,
      0.2, 0.0, 0, -0.015,
    ],
    coat,
  );
  pen.smooth(
    [
      -0.145, 0.66, -0.13, 0.57, -0.05, 0.52, 0.05, 0.52, 0.13, 0.57, 0.145, 0.66, 0.11, 0.75, 0,
      0.785, -0.11, 0.75,
    ],
    coat,
  );
  pen.shape([-0.14, 0.66, -0.135, 0.89, -0.02, 0.76], coat);
  pen.shape([0.14, 0.66, 0.135, 0.89, 0.02, 0.76], coat);
  const rim = blend(coat, stage.palette.light, 0.55);
  const side = stage.sun.x < spot.x === !spot.flip ? -1 : 1;
  pen.line([side * 0.245, 0.12, side * 0.205, 0.34, side * 0.118, 0.54], [0.012, 0.006], rim);
  pen.line([side * 0.145, 0.68, side * 0.142, 0.78, side * 0.133, 0.88], [0.012, 0.004], rim);
}

/** A sitting dog, from behind. */
export function paintDog(stage: Stage): void {
  const rng = stage.rng('dog');
  const spot = {
    x: stage.width * lerp(0.3, 0.68, rng()),
    y: stage.height * 0.965,
    size: stage.unit * 0.34,
    flip: rng() < 0.5,
  };
  const pen = penAt(stage, spot);
  const [first] = stage.plan.colours;
  const coat = first === undefined ? dark(stage) : blend(dark(stage), first, 0.4);
  pen.line([0.18, 0.05, 0.34, 0.08, 0.46, 0.22], [0.07, 0.03], coat);
  pen.smooth(
    [
      -0.19, 0, -0.24, 0.14, -0.17, 0.4, -0.12, 0.62, 0, 0.68, 0.12, 0.62, 0.17, 0.4, 0.24, 0.14,
      0.19, 0, 0, -0.01,
    ],
    coat,
  );
  pen.round([0, 0.76, 0.125, 0.13], coat);
  pen.smooth([-0.1, 0.84, -0.2, 0.82, -0.21, 0.66, -0.15, 0.6, -0.11, 0.72], coat);
  pen.smooth([0.1, 0.84, 0.2, 0.82, 0.21, 0.66, 0.15, 0.6, 0.11, 0.72], coat);
}

/** Somebody standing, seen from behind. */
export function paintPerson(stage: Stage): void {
  const rng = stage.rng('person');
  const y = stage.plan.scene === 'city' ? stage.height * 0.99 : stage.height * 0.93;
  const spot = {
    x: stage.width * lerp(0.35, 0.65, rng()),
    y,
    size: stage.unit * 0.24,
    flip: rng() < 0.5,
  };
  const pen = penAt(stage, spot);
  const ink = dark(stage);
  const coat = blend(ink, stage.palette.accents[0]!, stage.plan.colours.length > 0 ? 0.6 : 0.3);
  pen.line([-0.06, 0.5, -0.075, 0.25, -0.08, 0.0], [0.1, 0.06], ink);
  pen.line([0.06, 0.5, 0.08, 0.25, 0.09, 0.0], [0.1, 0.06], ink);
  pen.smooth(
    [-0.15, 0.36, -0.15, 0.7, -0.11, 0.82, 0, 0.86, 0.11, 0.82, 0.15, 0.7, 0.15, 0.36, 0, 0.33],
    coat,
  );
  pen.line([-0.13, 0.78, -0.19, 0.6, -0.18, 0.42], [0.075, 0.05], coat);
  pen.line([0.13, 0.78, 0.19, 0.6, 0.18, 0.42], [0.075, 0.05], coat);
  pen.round([0, 0.95, 0.078, 0.09], ink);
}

/** A few birds far off, in a loose flock. */
export function paintBirds(stage: Stage): void {
  const { raster, width, unit, horizon } = stage;
  const rng = stage.rng('birds');
  const [cx, cy] = [
    width * lerp(0.2, 0.8, rng()),
    Math.min(horizon, stage.height) * lerp(0.2, 0.5, rng()),
  ];
  const count = 5 + Math.floor(rng() * 8);
  const ink = blend(dark(stage), stage.palette.sky[1]!, 0.2);
  for (let i = 0; i < count; i++) {
    const span = unit * lerp(0.012, 0.028, rng());
    const [x, y] = [cx + (rng() - 0.5) * unit * 0.42, cy + (rng() - 0.5) * unit * 0.16];
    const lift = span * lerp(0.25, 0.6, rng());
    for (const side of [-1, 1]) {
      const wing = [x, y, x + side * span * 0.45, y - lift, x + side * span, y - lift * 0.55];
      fill(raster, limb(openCurve(wing), Math.max(1, span * 0.17), Math.max(0.5, span * 0.05)), {
        colour: ink,
      });
    }
  }
}

/** Hot-air balloons, the nearest the largest. */
export function paintBalloons(stage: Stage): void {
  const rng = stage.rng('balloons');
  const { width, unit, palette, raster } = stage;
  const sky = Math.min(stage.horizon, stage.height);
  const sizes = [0.06, 0.09, 0.2];
  for (const [i, size] of sizes.entries()) {
    const s = unit * size * lerp(0.9, 1.2, rng());
    const x = width * (i === 2 ? lerp(0.32, 0.66, rng()) : lerp(0.12, 0.88, rng()));
    const y = i === 2 ? sky * lerp(0.34, 0.46, rng()) : sky * lerp(0.22, 0.75, rng());
    const haze = lerp(0.5, 0.06, i / 2);
    const gores = 8;
    for (let g = 0; g < gores; g++) {
      const stripe =
        palette.accents[
          (g + i) % 2 === 0 ? i % palette.accents.length : (i + 1) % palette.accents.length
        ]!;
      const at = (k: number): number => Math.sin(((k / gores) * 2 - 1) * (Math.PI / 2));
      const lit = Math.cos((((g + 0.5) / gores) * 2 - 1 - (stage.sun.x < x ? -0.35 : 0.35)) * 1.2);
      const colour = blend(tune(stripe, { light: (lit - 0.75) * 0.3 }), palette.sky.at(-1)!, haze);
      const edge = (k: number): number[] => {
        const out: number[] = [];
        for (let t = 0; t <= 1.001; t += 0.05) {
          const angle = Math.PI * t * 0.86;
          const wide = Math.sin(angle) * (t > 0.55 ? 1 - (t - 0.55) * 0.62 : 1);
          out.push(x + at(k) * s * wide * 0.9, y - s * Math.cos(angle) * 1.02);
        }
        return out;
      };
      const [a, b] = [edge(g), edge(g + 1)];
      const back: number[] = [];
      for (let k = b.length - 2; k >= 0; k -= 2) back.push(b[k]!, b[k + 1]!);
      fill(raster, [...a, ...back], { colour });
    }
    const basket = blend(hex('#6b4526'), palette.sky.at(-1)!, haze);
    const pen = penAt(stage, { x, y, size: s, flip: false });
    for (const side of [-1, 1])
      pen.line([side * 0.24, -0.9, side * 0.1, -1.3], [0.025, 0.025], basket);
    pen.shape([-0.13, -1.28, 0.13, -1.28, 0.1, -1.48, -0.1, -1.48], basket);
  }
}

/** A whale's tail above the waves. */
export function paintWhale(stage: Stage): void {
  const rng = stage.rng('whale');
  const { width, height, horizon, unit, palette } = stage;
  const spot = {
    x: width * lerp(0.35, 0.65, rng()),
    y: horizon + (height - horizon) * 0.32,
    size: unit * 0.34,
    flip: rng() < 0.5,
  };
  const pen = penAt(stage, spot);
  const skin = blend(dark(stage), palette.water, 0.35);
  pen.smooth([-0.14, -0.03, -0.07, 0.28, -0.05, 0.46, 0.05, 0.46, 0.07, 0.28, 0.16, -0.03], skin);
  pen.smooth(
    [
      0, 0.42, -0.12, 0.5, -0.34, 0.62, -0.52, 0.6, -0.44, 0.72, -0.22, 0.74, -0.04, 0.62, 0, 0.58,
      0.04, 0.62, 0.22, 0.74, 0.44, 0.72, 0.52, 0.6, 0.34, 0.62, 0.12, 0.5,
    ],
    skin,
  );
  for (let i = 0; i < 26; i++) {
    const at = {
      x: spot.x + (rng() - 0.5) * unit * 0.2,
      y: spot.y + (rng() - 0.6) * unit * 0.03,
      radius: unit * lerp(0.003, 0.011, rng()),
    };
    disc(stage.raster, at, { colour: [0.96, 0.98, 1], alpha: 0.55, soft: 0.8 });
  }
}
