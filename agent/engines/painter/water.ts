/** Lakes and seas. */
import { clamp, fbm, lerp, smooth } from '../noise.ts';
import type { Stage } from './stage.ts';

/** A mirror of what is above the horizon, broken by ripples, with the sun's path on it. */
export function paintWater(stage: Stage): void {
  const { raster, width, height, unit, palette, horizon, sun, plan } = stage;
  const { data } = raster;
  const ripple = fbm(stage.noise('ripple'), 3);
  const rough = plan.scene === 'sea' ? 1 : 0.35;
  const top = Math.floor(horizon);
  const path =
    plan.weather === 'rain' || plan.weather === 'storm' ? 0 : palette.hour === 'day' ? 0.45 : 0.85;
  for (let y = top; y < height; y++) {
    const down = (y - horizon) / Math.max(1, height - horizon);
    const depth = 1 / (down + 0.06);
    const fall = 0.3 + down * 0.45 * (0.5 + rough * 0.5);
    for (let x = 0; x < width; x++) {
      const wave = ripple((x / unit) * 2.2 * depth ** 0.35, depth * 7.5 + (x / unit) * 0.4);
      const shift = wave * unit * (0.012 + 0.1 * down) * rough;
      const from = clamp(
        Math.round(horizon - (y - horizon) * 0.95 + shift * 2.2),
        0,
        Math.max(0, top - 1),
      );
      const column = clamp(Math.round(x + wave * unit * 0.02 * (0.3 + down)), 0, width - 1);
      const source = (from * width + column) * 3;
      const i = (y * width + x) * 3;
      const glint =
        path *
        smooth(0.02, 0.3, wave + 0.1) *
        Math.exp(-(((x - sun.x) / (unit * (0.035 + 0.16 * down))) ** 2));
      const dark = clamp(fall - wave * 0.55 * rough, 0.08, 0.85);
      for (let k = 0; k < 3; k++) {
        const mirrored = lerp(data[source + k]!, palette.water[k]!, dark);
        data[i + k] = lerp(mirrored, palette.light[k]!, clamp(glint));
      }
    }
  }
}
