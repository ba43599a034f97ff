/** Boats, buildings and desert landmarks. One layer each. */
import { blend, hex, tune } from './colour.ts';
import type { Rgb } from './colour.ts';
import { lerp } from '../noise.ts';
import { dark, penAt } from './pen.ts';
import { disc, fill, glow } from './raster.ts';
import type { Points } from './raster.ts';
import type { Stage } from './stage.ts';

/** A small sailing boat with its reflection. */
export function paintBoat(stage: Stage): void {
  const rng = stage.rng('boat');
  const { unit, width, height, horizon, palette } = stage;
  // Palms lean in from the side away from the sun.
  const side = stage.plan.figures.has('palm') && stage.sun.x > width / 2 ? 0.3 : 0;
  const spot = {
    x: width * (side + lerp(0.3, 0.5, rng())),
    y: horizon + (height - horizon) * lerp(0.22, 0.36, rng()),
    size: unit * 0.2,
    flip: rng() < 0.5,
  };
  const ink = dark(stage);
  const sail = blend([0.98, 0.96, 0.9], palette.light, 0.4);
  for (const mirror of [-1, 1]) {
    const fade = (colour: Rgb): Rgb => (mirror === 1 ? colour : blend(colour, palette.water, 0.55));
    const pen = penAt(stage, { ...spot, size: spot.size });
    const up = (points: Points): number[] =>
      points.map((v, i) => (i % 2 === 0 ? v : v * mirror * (mirror === -1 ? 0.8 : 1)));
    pen.shape(
      up([-0.4, 0.12, -0.3, 0, 0.28, 0, 0.42, 0.14]),
      fade(blend(ink, palette.accents[0]!, 0.45)),
    );
    pen.shape(up([-0.012, 0.1, 0.012, 0.1, 0.008, 1.02, -0.008, 1.02]), fade(ink));
    pen.shape(up([0.03, 0.17, 0.36, 0.2, 0.2, 0.5, 0.03, 0.97]), fade(sail));
    pen.shape(
      up([-0.035, 0.17, -0.32, 0.19, -0.16, 0.5, -0.035, 0.86]),
      fade(tune(sail, { light: -0.09 })),
    );
  }
}

/** A tall ship. */
export function paintShip(stage: Stage): void {
  const rng = stage.rng('ship');
  const { unit, width, horizon, palette } = stage;
  const pen = penAt(stage, {
    x: width * lerp(0.35, 0.65, rng()),
    y: horizon + unit * 0.05,
    size: unit * 0.36,
    flip: rng() < 0.5,
  });
  const ink = dark(stage);
  const sail = blend(palette.cloudLit, ink, 0.25);
  pen.smooth([-0.5, 0.2, -0.44, 0.02, 0, -0.01, 0.4, 0.02, 0.5, 0.17, 0.2, 0.12, -0.3, 0.13], ink);
  pen.line([0.44, 0.15, 0.72, 0.3], [0.014, 0.008], ink);
  for (const [x, tall] of [
    [-0.28, 0.7],
    [0.0, 0.9],
    [0.27, 0.72],
  ] as const) {
    pen.line([x, 0.1, x, 0.12 + tall], [0.018, 0.008], ink);
    for (let row = 0; row < 3; row++) {
      const [low, high] = [0.2 + (row * tall) / 3.4, 0.18 + ((row + 0.9) * tall) / 3.4];
      const half = 0.14 * (1 - row * 0.2);
      pen.smooth(
        [
          x - half,
          low,
          x + half,
          low,
          x + half * 1.25,
          (low + high) / 2,
          x + half * 0.8,
          high,
          x - half * 0.8,
          high,
          x - half * 0.8,
          (low + high) / 2,
        ],
        tune(sail, { light: -row * 0.03 }),
      );
    }
  }
}

/** A house with a lit window and smoke. */
export function paintHouse(stage: Stage): void {
  const rng = stage.rng('house');
  const { width, height, horizon, unit, palette, raster, plan } = stage;
  const spot = {
    x: width * lerp(0.28, 0.7, rng()),
    y: horizon + (height - horizon) * 0.5,
    size: unit * 0.22,
    flip: rng() < 0.5,
  };
  const pen = penAt(stage, spot);
  const lightly = 0.25 + palette.day * 0.65;
  const wall = blend(palette.near, blend([0.93, 0.88, 0.8], palette.accents[1]!, 0.1), lightly);
  const roof = blend(palette.near, plan.colours[0] ?? hex('#9c4632'), lightly * 0.85);
  pen.shape([0.3, 0.9, 0.4, 0.9, 0.4, 0.5, 0.3, 0.5], blend(roof, palette.near, 0.3));
  pen.shape([-0.5, -0.04, 0.5, -0.04, 0.5, 0.5, -0.5, 0.5], wall);
  pen.shape(
    [-0.5, -0.04, -0.12, -0.04, -0.12, 0.5, -0.31, 0.82, -0.5, 0.5],
    tune(wall, { light: -0.07 }),
  );
  pen.shape([-0.31, 0.86, -0.09, 0.47, 0.58, 0.47, 0.4, 0.86], roof);
  pen.line([-0.57, 0.44, -0.31, 0.87], [0.05, 0.05], roof);
  const lit: Rgb = [1, 0.82, 0.45];
  const glass = blend(lit, palette.sky[0]!, palette.day > 0.8 ? 0.75 : 0.05);
  for (const [x0, y0] of [
    [0.04, 0.2],
    [0.3, 0.2],
    [-0.39, 0.22],
  ] as const)
    pen.shape([x0, y0, x0 + 0.14, y0, x0 + 0.14, y0 + 0.18, x0, y0 + 0.18], glass);
  if (palette.day < 0.8)
    glow(
      raster,
      { x: spot.x + spot.size * 0.1, y: spot.y - spot.size * 0.28, radius: spot.size * 1.1 },
      { colour: [1, 0.62, 0.25], alpha: 0.32 },
    );
  for (let i = 0; i < 7; i++) {
    const side = spot.flip ? -1 : 1;
    const at = {
      x: spot.x + side * spot.size * (0.35 + i * 0.045 + 0.03 * Math.sin(i)),
      y: spot.y - spot.size * (0.98 + i * 0.13),
      radius: spot.size * (0.05 + i * 0.018),
    };
    disc(raster, at, { colour: palette.cloudLit, alpha: 0.36 - i * 0.04, soft: 1 });
  }
}

/** A lighthouse on a rock, its beam sweeping at dusk and night. */
export function paintLighthouse(stage: Stage): void {
  const rng = stage.rng('lighthouse');
  const { width, horizon, unit, palette, raster } = stage;
  const flip = rng() < 0.5;
  const spot = {
    x: width * (flip ? 0.24 : 0.76),
    y: horizon + unit * 0.06,
    size: unit * 0.46,
    flip,
  };
  const pen = penAt(stage, spot);
  const rock = dark(stage);
  const wall = blend(palette.near, [0.96, 0.94, 0.9], 0.35 + palette.day * 0.6);
  const band = blend(
    palette.near,
    stage.plan.colours[0] ?? hex('#c8352e'),
    0.45 + palette.day * 0.5,
  );
  const lamp = { x: spot.x, y: spot.y - spot.size * 1.0, radius: spot.size * 0.5 };
  if (palette.day < 0.8) {
    for (let i = 0; i < 10; i++) {
      const reach = width * 0.9;
      const spread = reach * (0.03 + i * 0.011);
      for (const side of [-1, 1])
        fill(
          raster,
          [
            lamp.x,
            lamp.y,
            lamp.x + side * reach,
            lamp.y - spread * 1.3,
            lamp.x + side * reach,
            lamp.y + spread * 0.7,
          ],
          { colour: [1, 0.95, 0.75], alpha: 0.022 },
        );
    }
  }
  pen.smooth(
    [
      -0.9, -0.14, -0.55, 0.02, -0.3, 0.13, -0.05, 0.19, 0.2, 0.16, 0.5, 0.05, 0.9, 0.0, 0.95, -0.2,
      0, -0.26,
    ],
    rock,
  );
  const half = (y: number): number => 0.12 - (y - 0.15) * 0.062;
  for (let i = 0; i < 5; i++) {
    const [low, high] = [0.13 + i * 0.155, 0.13 + (i + 1) * 0.155];
    pen.shape(
      [-half(low), low, half(low), low, half(high), high, -half(high), high],
      i % 2 === 0 ? wall : band,
    );
    pen.shape(
      [half(low) * 0.35, low, half(low), low, half(high), high, half(high) * 0.35, high],
      tune(i % 2 === 0 ? wall : band, { light: -0.1 }),
    );
  }
  pen.shape([-0.1, 0.9, 0.1, 0.9, 0.1, 0.935, -0.1, 0.935], rock);
  pen.shape([-0.055, 0.935, 0.055, 0.935, 0.055, 1.04, -0.055, 1.04], [1, 0.93, 0.65]);
  pen.shape([-0.085, 1.04, 0.085, 1.04, 0, 1.14], rock);
  if (palette.day < 0.8) glow(raster, lamp, { colour: [1, 0.85, 0.5], alpha: 0.75 });
}

export function paintPyramids(stage: Stage): void {
  const rng = stage.rng('pyramids');
  const { width, horizon, unit, palette, sun } = stage;
  for (const [x, size] of [
    [0.7, 0.3],
    [0.3, 0.46],
    [0.56, 0.2],
  ] as const) {
    const pen = penAt(stage, {
      x: width * (x + (rng() - 0.5) * 0.06),
      y: horizon + unit * 0.02,
      size: unit * size,
      flip: sun.x > width / 2,
    });
    const stone = blend(
      palette.far,
      blend([0.86, 0.66, 0.42], palette.light, 0.2),
      0.35 + palette.day * 0.4,
    );
    pen.shape([-0.62, 0, 0.08, 0, 0, 0.78], tune(stone, { light: 0.05 }));
    pen.shape([0.08, 0, 0.62, 0, 0, 0.78], blend(stone, palette.near, 0.45));
  }
}

export function paintCactus(stage: Stage): void {
  const rng = stage.rng('cactus');
  const { width, height, unit, palette } = stage;
  for (const [x, size] of [
    [0.2, 0.2],
    [0.8, 0.34],
  ] as const) {
    const pen = penAt(stage, {
      x: width * (x + (rng() - 0.5) * 0.08),
      y: height * lerp(0.8, 0.95, size * 2),
      size: unit * size,
      flip: rng() < 0.5,
    });
    const green = blend(palette.near, hex('#3d6b45'), 0.3 + palette.day * 0.5);
    pen.line([0, 0, 0, 0.5, 0, 1], [0.19, 0.15], green);
    pen.round([0, 1, 0.075, 0.075], green);
    pen.line([0, 0.4, 0.24, 0.42, 0.28, 0.52, 0.28, 0.74], [0.12, 0.1], green);
    pen.round([0.28, 0.74, 0.05, 0.05], green);
    pen.line([0, 0.52, -0.22, 0.54, -0.27, 0.64, -0.27, 0.84], [0.12, 0.1], green);
    pen.round([-0.27, 0.84, 0.05, 0.05], green);
  }
}
