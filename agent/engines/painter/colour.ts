/**
 * Colours of the painter: sRGB triples in [0, 1], mixed and turned in OKLab
 * (bottosson.github.io/posts/oklab), where equal distances look equal. Pure.
 */
import { clamp, lerp } from '../noise.ts';

export type Rgb = readonly [number, number, number];

export function hex(code: string): Rgb {
  const value = Number.parseInt(code.slice(1), 16);
  return [(value >> 16) / 255, ((value >> 8) & 255) / 255, (value & 255) / 255];
}

function toLinear(c: number): number {
  return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
}

function toGamma(c: number): number {
  const v = clamp(c);
  return v <= 0.0031308 ? v * 12.92 : 1.055 * v ** (1 / 2.4) - 0.055;
}

type Lab = [number, number, number];

function toLab([r8, g8, b8]: Rgb): Lab {
  const r = toLinear(r8);
  const g = toLinear(g8);
  const b = toLinear(b8);
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function fromLab([lightness, a, b]: Lab): Rgb {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    toGamma(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    toGamma(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    toGamma(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

/** The colour between two, `t` of the way from the first. */
export function blend(from: Rgb, to: Rgb, t: number): Rgb {
  const a = toLab(from);
  const b = toLab(to);
  return fromLab([lerp(a[0], b[0], t), lerp(a[1], b[1], t), lerp(a[2], b[2], t)]);
}

/** A colour made lighter (above 0) or darker, and more (above 1) or less colourful. */
export function tune(colour: Rgb, change: { light?: number; chroma?: number }): Rgb {
  const [l, a, b] = toLab(colour);
  const chroma = change.chroma ?? 1;
  return fromLab([clamp(l + (change.light ?? 0)), a * chroma, b * chroma]);
}

/** Leans a colour's hue towards another's, keeping its lightness. */
export function lean(colour: Rgb, towards: Rgb, weight: number): Rgb {
  const [l, a, b] = toLab(colour);
  const [, ta, tb] = toLab(towards);
  const reach = Math.hypot(ta, tb);
  if (reach < 0.02) return fromLab([l, a * (1 - weight), b * (1 - weight)]);
  const chroma = Math.max(Math.hypot(a, b), Math.min(reach, 0.12) * (1 - Math.abs(l - 0.6)));
  return fromLab([
    l,
    lerp(a, (ta / reach) * chroma, weight),
    lerp(b, (tb / reach) * chroma, weight),
  ]);
}

interface Ramp {
  /** Writes the colour at `t` in [0, 1] into `out`. */
  (t: number, out: Float32Array): void;
}

const RAMP_STEPS = 255;

/** A smooth gradient through colours at equal distances, as a table. */
export function makeRamp(colours: readonly Rgb[]): Ramp {
  const table = new Float32Array((RAMP_STEPS + 2) * 3);
  for (let i = 0; i <= RAMP_STEPS + 1; i++) {
    const at = (Math.min(i, RAMP_STEPS) / RAMP_STEPS) * (colours.length - 1);
    const first = Math.min(Math.floor(at), colours.length - 2);
    table.set(blend(colours[first]!, colours[first + 1]!, at - first), i * 3);
  }
  return (t, out) => {
    const at = clamp(t) * RAMP_STEPS;
    const i = Math.floor(at) * 3;
    const f = at - Math.floor(at);
    out[0] = table[i]! + (table[i + 3]! - table[i]!) * f;
    out[1] = table[i + 1]! + (table[i + 4]! - table[i + 1]!) * f;
    out[2] = table[i + 2]! + (table[i + 5]! - table[i + 2]!) * f;
  };
}
