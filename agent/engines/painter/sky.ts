/** Skies: gradients, sun and moon, stars, aurora, clouds, weather. Each is one layer. */
import { blend, makeRamp, tune } from './colour.ts';
import { clamp, fbm, lerp, smooth } from '../noise.ts';
import { dab, disc, fill, glow } from './raster.ts';
import type { Stage } from './stage.ts';

const scratch = new Float32Array(3);

/** The gradient from the zenith to the horizon, uneven like paint. */
export function paintSky(stage: Stage): void {
  const { raster, width, height, unit, palette, horizon, sun } = stage;
  const ramp = makeRamp(palette.sky);
  const noise = fbm(stage.noise('sky'), 3);
  const bottom = Math.min(height, horizon + unit * 0.12);
  const warm = palette.hour === 'day' ? 0.18 : palette.hour === 'night' ? 0.12 : 0.5;
  for (let y = 0; y < bottom; y++) {
    for (let x = 0; x < width; x++) {
      const uneven = noise((x / unit) * 1.3, (y / unit) * 3.1) * 0.09;
      ramp(clamp(y / horizon) ** 0.92 + uneven, scratch);
      const far = Math.hypot((x - sun.x) * 0.75, (y - sun.y) * 1.15) / unit;
      const lit = warm * Math.exp(-far * 3.2);
      const i = (y * width + x) * 3;
      for (let k = 0; k < 3; k++) {
        raster.data[i + k] = scratch[k]! + (palette.light[k]! - scratch[k]!) * lit;
      }
    }
  }
}

/** The sun, or a moon with its seas. */
export function paintSun(stage: Stage): void {
  const { raster, sun, palette, plan, unit } = stage;
  if (plan.weather === 'rain' || plan.weather === 'storm') return;
  if (palette.hour === 'night' || plan.figures.has('moon')) {
    const radius = sun.radius * (plan.figures.has('moon') ? 1.7 : 1);
    const moon = { ...sun, radius };
    glow(raster, { ...moon, radius: radius * 6 }, { colour: palette.light, alpha: 0.38 });
    disc(raster, moon, { colour: palette.light, soft: 0.06 });
    const rng = stage.rng('moon');
    const shade = tune(blend(palette.light, palette.sky[1]!, 0.28), { chroma: 0.7 });
    for (let i = 0; i < 9; i++) {
      const angle = rng() * Math.PI * 2;
      const size = radius * lerp(0.1, 0.3, rng());
      const off = (radius - size * 1.15) * Math.sqrt(rng());
      const at = {
        x: sun.x + Math.cos(angle) * off,
        y: sun.y + Math.sin(angle) * off,
        radius: size,
      };
      disc(raster, at, { colour: shade, alpha: 0.38, soft: 0.7 });
    }
    return;
  }
  glow(raster, { ...sun, radius: unit * 0.75 }, { colour: palette.light, alpha: 0.32 });
  glow(raster, { ...sun, radius: sun.radius * 3.2 }, { colour: palette.light, alpha: 0.6 });
  disc(raster, sun, { colour: blend(palette.light, [1, 1, 1], 0.4), soft: 0.16 });
}

/** Stars, and a band of the Milky Way. */
export function paintStars(stage: Stage): void {
  const { raster, width, unit, palette, plan } = stage;
  if (palette.hour !== 'night' && !plan.figures.has('stars')) return;
  const rng = stage.rng('stars');
  const cloud = fbm(stage.noise('milky way'), 4);
  const limit = Math.min(stage.horizon, raster.height);
  const tilt = lerp(-0.9, 0.9, rng());
  const middle = lerp(0.25, 0.6, rng());
  for (let y = 0; y < limit; y++) {
    for (let x = 0; x < width; x++) {
      const across = (x / width - middle) * 1.2 - (y / limit - 0.4) * tilt;
      const band = Math.exp(-(across * across) * 22);
      if (band < 0.03) continue;
      const thick = clamp(cloud((x / unit) * 3, (y / unit) * 3) + 0.45);
      const alpha = band * thick * 0.3;
      dab(raster, (y * width + x) * 3, { colour: palette.cloudLit, alpha });
    }
  }
  const count = Math.round((340 * (width * limit)) / unit ** 2);
  for (let i = 0; i < count; i++) {
    const radius = unit * lerp(0.0006, 0.0022, rng() ** 5);
    const at = { x: rng() * width, y: rng() ** 1.2 * limit, radius };
    const alpha = lerp(0.3, 1, rng()) * (1 - (at.y / limit) ** 3);
    glow(
      raster,
      { ...at, radius: Math.max(1.3, radius * 3.5) },
      { colour: [1, 0.98, 0.92], alpha },
    );
    if (rng() < 0.03)
      glow(raster, { ...at, radius: radius * 12 }, { colour: palette.light, alpha: 0.5 });
  }
}

/** Curtains of northern light. */
export function paintAurora(stage: Stage): void {
  const { raster, width, unit, palette, horizon } = stage;
  const noise = fbm(stage.noise('aurora'), 3);
  const [green, violet] = [palette.accents[0]!, palette.accents[2]!];
  const cold = stage.plan.colours.length > 0 ? green : ([0.25, 0.95, 0.6] as const);
  const warm = stage.plan.colours.length > 1 ? violet : ([0.55, 0.3, 0.95] as const);
  for (let x = 0; x < width; x++) {
    const u = x / unit;
    for (let curtain = 0; curtain < 3; curtain++) {
      const foot = horizon * (0.5 + 0.16 * curtain + 0.5 * noise(u * 0.9, curtain * 7.3));
      const rays =
        clamp(0.5 + 1.1 * noise(u * 14, curtain * 3.1)) *
        clamp(0.7 + 1.5 * noise(u * 1.7, curtain + 40));
      const tall = horizon * (0.35 + 0.3 * rays);
      for (
        let y = Math.max(0, Math.floor(foot - tall));
        y < Math.min(horizon, foot + unit * 0.03);
        y++
      ) {
        const up = (foot - y) / tall;
        const alpha = rays * (up < 0 ? smooth(-0.08, 0, up) : clamp(1 - up) ** 1.7) * 0.6;
        const i = (y * width + x) * 3;
        for (let k = 0; k < 3; k++) {
          const light = lerp(cold[k]!, warm[k]!, clamp(up * 1.25)) * alpha;
          raster.data[i + k] = 1 - (1 - raster.data[i + k]!) * (1 - light);
        }
      }
    }
  }
}

const COVER = {
  clear: 0.16,
  cloudy: -0.06,
  rain: -0.2,
  snow: -0.1,
  fog: 0.02,
  storm: -0.22,
} as const;

/** Clouds in perspective, lit from the sun's side. */
export function paintClouds(stage: Stage): void {
  const { raster, width, unit, palette, horizon, sun, plan } = stage;
  const noise = fbm(stage.noise('clouds'), 5);
  const warp = stage.noise('cloud warp');
  const rng = stage.rng('clouds');
  const from = COVER[plan.weather] + lerp(-0.1, 0.1, rng());
  const stretch = lerp(1.6, 3.2, rng());
  const drift = rng() * 50;
  const opacity = palette.hour === 'night' ? 0.55 : 0.92;
  const bottom = Math.min(raster.height, horizon);
  for (let y = 0; y < bottom; y++) {
    const up = 1 - y / horizon;
    const depth = 1 / (up * 0.9 + 0.16);
    const v = depth * 1.5;
    const fade = smooth(0, 0.14, up);
    for (let x = 0; x < width; x++) {
      const u = ((x - width / 2) / unit) * depth * (2.6 / stretch) + drift;
      const bend = warp(u * 0.7, v * 0.9) * 0.5;
      const density = noise(u + bend, v * 1.25 + bend);
      const alpha = smooth(from, from + 0.3, density) * fade * opacity;
      if (alpha < 0.004) continue;
      const towards = ((sun.x - x) / unit) * 0.12;
      const lit = clamp(0.55 + 2.4 * (density - noise(u + bend + towards, v * 1.25 + bend - 0.14)));
      const near = Math.exp(-Math.hypot(x - sun.x, y - sun.y) / (unit * 0.35)) * 0.45;
      const i = (y * width + x) * 3;
      for (let k = 0; k < 3; k++) {
        const colour = lerp(palette.cloudShade[k]!, palette.cloudLit[k]!, clamp(lit + near));
        raster.data[i + k] = lerp(raster.data[i + k]!, colour, alpha);
      }
    }
  }
}

export function paintRainbow(stage: Stage): void {
  const { raster, width, unit, horizon } = stage;
  const bands = ['#d9363a', '#ef8a2e', '#f5d33c', '#4caf57', '#3f86dc', '#5b4bc4'].map((code) => {
    const value = Number.parseInt(code.slice(1), 16);
    return [(value >> 16) / 255, ((value >> 8) & 255) / 255, (value & 255) / 255] as const;
  });
  const [cx, radius, thick] = [width * 0.5, Math.max(width * 0.44, unit * 0.5), unit * 0.075];
  for (let y = 0; y < Math.min(horizon, raster.height); y++) {
    for (let x = 0; x < width; x++) {
      const at = (radius - Math.hypot(x - cx, y - horizon * 1.06)) / thick;
      if (at <= 0 || at >= 1) continue;
      const alpha = 0.62 * Math.sin(Math.PI * at) * smooth(0, 0.25, 1 - y / horizon);
      dab(raster, (y * width + x) * 3, { colour: bands[Math.floor(at * bands.length)]!, alpha });
    }
  }
}

/** Rain, snow, fog or lightning, over the whole picture. */
export function paintWeather(stage: Stage): void {
  const { raster, width, height, unit, palette, plan } = stage;
  const rng = stage.rng('weather');
  const many = (width * height) / unit ** 2;
  if (plan.weather === 'snow') {
    for (let i = 0; i < many * 420; i++) {
      const radius = unit * lerp(0.0012, 0.006, rng() ** 4);
      const at = { x: rng() * width, y: rng() * height, radius: Math.max(0.7, radius) };
      disc(raster, at, { colour: [0.98, 0.99, 1], alpha: lerp(0.35, 0.9, rng()), soft: 0.9 });
    }
  }
  if (plan.weather === 'rain' || plan.weather === 'storm') {
    for (let i = 0; i < many * 420; i++) {
      const [x, y, length] = [rng() * width, rng() * height, unit * lerp(0.015, 0.06, rng())];
      const half = Math.max(0.35, unit * 0.0007);
      const slant = length * 0.22;
      const drop = [
        x - half,
        y,
        x + half,
        y,
        x + half - slant,
        y + length,
        x - half - slant,
        y + length,
      ];
      fill(raster, drop, { colour: blend(palette.cloudLit, [1, 1, 1], 0.3), alpha: 0.3 });
    }
  }
}

/** A bolt from the clouds to the horizon. */
export function paintLightning(stage: Stage): void {
  const { raster, width, unit, horizon } = stage;
  const rng = stage.rng('lightning');
  let [x, y] = [width * lerp(0.2, 0.8, rng()), horizon * 0.1];
  glow(raster, { x, y: horizon * 0.4, radius: unit * 0.6 }, { colour: [0.8, 0.82, 1], alpha: 0.5 });
  while (y < horizon) {
    const [nx, ny] = [x + (rng() - 0.5) * unit * 0.07, y + unit * lerp(0.015, 0.045, rng())];
    const half = Math.max(0.6, unit * 0.0022 * (1.3 - y / horizon));
    fill(raster, [x - half, y, x + half, y, nx + half, ny, nx - half, ny], { colour: [1, 1, 1] });
    glow(raster, { x: nx, y: ny, radius: unit * 0.035 }, { colour: [0.75, 0.8, 1], alpha: 0.5 });
    [x, y] = [nx, ny];
  }
}

/** Mist lying over the land, thickest at the horizon. */
export function paintMist(stage: Stage): void {
  const { raster, width, height, unit, palette, horizon, plan } = stage;
  const noise = fbm(stage.noise('mist'), 4);
  const strength = plan.weather === 'fog' ? 0.85 : 0.38;
  const colour = blend(palette.sky.at(-1)!, palette.cloudLit, 0.35);
  const reach = unit * (plan.weather === 'fog' ? 0.34 : 0.16);
  const top = Math.max(0, Math.floor(horizon - reach * 2));
  for (let y = top; y < Math.min(height, horizon + reach * 2); y++) {
    const band = Math.exp(-(((y - horizon) / reach) ** 2));
    for (let x = 0; x < width; x++) {
      const alpha = strength * band * clamp(0.6 + noise((x / unit) * 1.8, (y / unit) * 6) * 1.1);
      dab(raster, (y * width + x) * 3, { colour, alpha });
    }
  }
}

/** A glowing crater and its plume; the cone stands in the middle. */
export function paintCrater(stage: Stage): void {
  const { raster, width, unit, palette } = stage;
  const rng = stage.rng('crater');
  const [x, y] = [width / 2, stage.horizon + unit * 0.04 - unit * 0.45];
  for (let i = 0; i < 46; i++) {
    const up = i / 46;
    const radius = unit * lerp(0.02, 0.12, up) * lerp(0.7, 1.3, rng());
    const at = {
      x: x + (rng() - 0.5) * unit * 0.22 * up + up * up * unit * 0.24,
      y: y - up * unit * 0.42,
      radius,
    };
    const colour = blend(
      blend(palette.cloudShade, [1, 0.42, 0.12], (1 - up) ** 4 * 0.7),
      palette.cloudLit,
      rng() * 0.3,
    );
    disc(raster, at, { colour, alpha: 0.3, soft: 1 });
  }
  glow(raster, { x, y, radius: unit * 0.3 }, { colour: [1, 0.36, 0.1], alpha: 0.75 });
  for (let s = 0; s < 7; s++) {
    let [px, py] = [x + (rng() - 0.5) * unit * 0.1, y + unit * 0.005];
    const drift = (px - x) * 0.03;
    for (let i = 0; i < 26 + rng() * 30; i++) {
      disc(
        raster,
        { x: px, y: py, radius: Math.max(0.8, unit * 0.0034 * (1 - i / 60)) },
        { colour: [1, 0.5 - i * 0.006, 0.12], soft: 0.5 },
      );
      px += drift + (rng() - 0.5) * unit * 0.004;
      py += unit * 0.0042;
    }
  }
}
