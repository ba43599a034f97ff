/** Land: ridges, hills and dunes, each filled from one skyline down to the next. */
import { blend } from './colour.ts';
import type { Rgb } from './colour.ts';
import { clamp, fbm, lerp, ridged, smooth } from '../noise.ts';
import type { Stage } from './stage.ts';

/** Height of the land's upper edge for each column, px from the top. */
type Skyline = Float32Array;

export function skyline(stage: Stage, at: (u: number) => number): Skyline {
  const tops = new Float32Array(stage.width);
  for (let x = 0; x < stage.width; x++) tops[x] = at((x - stage.width / 2) / stage.unit);
  return tops;
}

interface Relief {
  /** Lightness at a pixel, about -1 to 1; `deep` is px below the skyline. */
  readonly shade: (x: number, y: number, deep: number) => number;
  readonly top: Rgb;
  readonly bottom: Rgb;
  /** Pixels from `top` to `bottom`. */
  readonly reach: number;
  /** How much white lies on it, 0 to 1, by pixel. */
  readonly snow?: (x: number, deep: number) => number;
}

/** Fills from one skyline down to the next, or to `floor`. */
export function fillLand(
  stage: Stage,
  span: { tops: Skyline; floor: Skyline | number },
  relief: Relief,
): void {
  const { width, height, raster } = stage;
  const { data } = raster;
  const flat = stage.plan.manner === 'poster' ? 0.3 : 1;
  const white = blend(blend(stage.palette.cloudLit, [1, 1, 1], 0.35), stage.palette.sky[1]!, 0.3);
  for (let x = 0; x < width; x++) {
    const top = span.tops[x]!;
    const end = typeof span.floor === 'number' ? span.floor : Math.max(top, span.floor[x]!) + 2;
    for (let y = Math.max(0, Math.floor(top)); y < Math.min(height, end); y++) {
      const deep = y - top;
      const cover = clamp(deep + 1);
      const down = clamp(deep / relief.reach);
      const light = relief.shade(x, y, deep) * flat;
      const snow = relief.snow === undefined ? 0 : relief.snow(x, deep);
      const i = (y * width + x) * 3;
      for (let k = 0; k < 3; k++) {
        let colour = lerp(relief.top[k]!, relief.bottom[k]!, down);
        colour = lerp(colour, white[k]!, snow);
        const glint =
          light > 0 ? (stage.palette.light[k]! - colour) * (0.15 + colour) : colour * 0.85;
        data[i + k] = lerp(data[i + k]!, colour + glint * light, cover);
      }
    }
  }
}

/** Ranges of mountains, one behind the other, paler with distance. */
export function paintRidges(stage: Stage): void {
  const { unit, horizon, plan } = stage;
  const rng = stage.rng('ridges');
  const base = plan.scene === 'lake' ? horizon : horizon + unit * 0.04;
  const count = plan.scene === 'mountains' ? 5 : 3;
  const volcano = plan.words.has('volcano');
  const ranges: Skyline[] = [];
  for (let r = 0; r < count; r++) {
    const noise = ridged(stage.noise(`ridge ${r}`), 6);
    const near = r / (count - 1);
    const [offset, peak, wide] = [rng() * 80, lerp(-0.45, 0.45, rng()), lerp(0.35, 0.7, rng())];
    const tall =
      unit * (plan.scene === 'mountains' ? lerp(0.5, 0.2, near) : lerp(0.42, 0.12, near));
    const foot = base + (plan.scene === 'mountains' ? near * near * unit * 0.16 : 0);
    ranges.push(
      skyline(stage, (u) => {
        const mass = Math.exp(-(((u - peak) / wide) ** 2));
        const cone = volcano && r === 1 ? clamp(1.06 - Math.abs(u) * 1.7, 0, 0.94) ** 1.25 : 0;
        const height = noise(u * lerp(1.5, 2.1, near) + offset, r * 9.1) ** 1.6;
        const rough =
          cone > 0 ? height * 0.16 : height * (0.45 + 0.75 * mass) * (volcano ? 0.45 : 1);
        return foot - tall * (0.08 + rough + cone * 1.05);
      }),
    );
  }
  for (const [r, tops] of ranges.entries()) {
    fillLand(
      stage,
      { tops, floor: ranges[r + 1] ?? base + unit * 0.5 },
      rockOf(stage, { tops, base, row: r, near: r / (count - 1) }),
    );
  }
}

/** Rock whose gullies run down from the crest, lit from the sun's side, with snow on the heights. */
function rockOf(
  stage: Stage,
  range: { tops: Skyline; base: number; row: number; near: number },
): Relief {
  const { unit, palette, plan, sun, width } = stage;
  const { tops, base, row, near } = range;
  const side = sun.x < width / 2 ? -1 : 1;
  const snowy =
    plan.season === 'winter' || plan.weather === 'snow'
      ? 0.62
      : plan.season === 'autumn'
        ? 0.1
        : 0.2;
  const rock = ridged(stage.noise(`rock ${row}`), 4);
  const warp = stage.noise(`fold ${row}`);
  const patch = fbm(stage.noise(`snow ${row}`), 3);
  const falls = slopeOf(tops, Math.max(2, Math.round(unit * 0.05)));
  const scale = 1 / (unit * lerp(0.1, 0.15, near));
  const colour = blend(palette.far, palette.near, near ** 1.15);
  const haze = blend(palette.sky.at(-1)!, palette.far, 0.45);
  const step = 0.16;
  const depth = lerp(1.1, 1.7, near) * (0.55 + palette.day * 0.45);
  return {
    top: colour,
    bottom: blend(colour, haze, lerp(0.62, 0.2, near)),
    reach: unit * 0.3,
    shade: (x, y, deep) => {
      const fall = falls[x]!;
      const fold = warp(x * scale * 0.6, y * scale * 0.6) * 0.5;
      const u = (x - deep * fall * 0.8) * scale + fold;
      const v = deep * scale * 0.34 + fold;
      const gully = rock(u + step * side, v) - rock(u, v);
      return clamp((gully * 0.9 - fall * side * 0.28) * depth, -0.5, 0.34);
    },
    snow: (x, deep) => {
      const high = (base - tops[x]!) / unit;
      const line =
        unit *
        snowy *
        clamp(high * 1.9 - 0.24) *
        (0.5 + 1.9 * Math.abs(patch(x * scale * 1.7, deep * scale * 0.5)));
      return line <= 0 ? 0 : (1 - smooth(line * 0.7, line, deep)) * lerp(0.8, 0.4, near);
    },
  };
}

/** Steepness of a skyline, smoothed over `reach` columns: above 0 where it falls to the right. */
function slopeOf(tops: Skyline, reach: number): Float32Array {
  const last = tops.length - 1;
  return tops.map((_, x) => {
    const [left, right] = [Math.max(0, x - reach), Math.min(last, x + reach)];
    return clamp((tops[right]! - tops[left]!) / (right - left), -1, 1);
  });
}

/** Rounded hills with fields; the nearest carries the ground's colour. */
export function paintHills(stage: Stage): void {
  const { unit, palette, horizon, height, sun, width } = stage;
  const rng = stage.rng('hills');
  const count = 4;
  const hills: Skyline[] = [];
  for (let r = 0; r < count; r++) {
    const noise = fbm(stage.noise(`hill ${r}`), 2);
    const near = r / (count - 1);
    const offset = rng() * 60;
    const foot = horizon + near ** 1.3 * (height - horizon) * 0.62;
    hills.push(
      skyline(
        stage,
        (u) =>
          foot -
          unit * lerp(0.1, 0.16, near) * (0.4 + 1.3 * noise(u * lerp(1.5, 0.85, near) + offset, r)),
      ),
    );
  }
  const side = sun.x < width / 2 ? -1 : 1;
  for (const [r, tops] of hills.entries()) {
    const near = r / (count - 1);
    const soil = fbm(stage.noise(`field ${r}`), 4);
    const colour = blend(
      blend(palette.far, palette.ground, 0.35 + near * 0.5),
      palette.near,
      near * 0.25,
    );
    const rows = r > 0 && rng() < 0.6 ? lerp(26, 50, rng()) : 0;
    const tilt = lerp(-0.8, 0.8, rng());
    fillLand(
      stage,
      { tops, floor: hills[r + 1] ?? height },
      {
        top: blend(colour, palette.light, 0.12 + palette.day * 0.08),
        bottom: blend(colour, palette.near, 0.22 + near * 0.3),
        reach: unit * lerp(0.14, 0.42, near),
        shade: (x, y, deep) => {
          const slope = (tops[Math.min(width - 1, x + 3)]! - tops[Math.max(0, x - 3)]!) / 6;
          const furrow =
            rows === 0
              ? 0
              : Math.sin(
                  (x / unit + tilt * (y / unit)) * rows + Math.sqrt(Math.max(0, deep) / unit) * 14,
                ) * 0.05;
          const grain = soil((x / unit) * 5, (y / unit) * 16) * 0.2;
          return clamp(slope * side * -0.5 + grain + furrow, -0.4, 0.32);
        },
      },
    );
  }
}

/** Dunes with a bright and a dark flank. */
export function paintDunes(stage: Stage): void {
  const { unit, palette, horizon, height, sun, width } = stage;
  const rng = stage.rng('dunes');
  const sand: Rgb = stage.plan.colours.length > 0 ? palette.ground : [0.87, 0.63, 0.38];
  const count = 5;
  const dunes: Skyline[] = [];
  for (let r = 0; r < count; r++) {
    const noise = stage.noise(`dune ${r}`);
    const near = r / (count - 1);
    const offset = rng() * 60;
    const foot = horizon + near ** 1.4 * (height - horizon) * 0.75;
    dunes.push(
      skyline(stage, (u) => {
        const wave = noise(u * lerp(2.4, 0.75, near) + offset, r * 3.3);
        return foot - unit * lerp(0.05, 0.2, near) * (1 - Math.abs(wave) * 1.5) * 0.9;
      }),
    );
  }
  const side = sun.x < width / 2 ? -1 : 1;
  const lit = blend(palette.near, blend(sand, palette.light, 0.3), 0.3 + palette.day * 0.7);
  for (const [r, tops] of dunes.entries()) {
    const near = r / (count - 1);
    const ripple = stage.noise(`ripple ${r}`);
    const flank = stage.noise(`flank ${r}`);
    const colour = blend(palette.far, lit, 0.35 + near * 0.65);
    fillLand(
      stage,
      { tops, floor: dunes[r + 1] ?? height },
      {
        top: blend(colour, palette.light, 0.2),
        bottom: blend(colour, palette.near, 0.28 + near * 0.1),
        reach: unit * lerp(0.12, 0.45, near),
        shade: (x, y, deep) => {
          const wind = deep * 0.9 + flank(x / unit, deep / unit / 0.2) * unit * 0.05;
          const column = clamp(Math.round(x - side * wind * 0.8), 3, width - 4);
          const slope = (tops[column + 3]! - tops[column - 3]!) / 6;
          const shadow = smooth(-0.05, 0.25, slope * side);
          const sandy =
            Math.sin(
              (y / unit) * lerp(300, 130, near) + ripple((x / unit) * 6, (y / unit) * 9) * 5,
            ) *
            0.03 *
            near;
          return clamp(sandy + 0.06 - shadow * 0.5, -0.6, 0.3);
        },
      },
    );
  }
}
