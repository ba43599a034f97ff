/**
 * Randomness and noise for engines: all of it from numbers given, so that the same seed makes
 * the same work on every machine. Pure.
 */

/** A stream of numbers in [0, 1). */
export type Rng = () => number;
/** Smooth noise in about [-1, 1] over the plane. */
export type Noise = (x: number, y: number) => number;

/** FNV-1a over UTF-16 units, finished by an avalanche: an unsigned 32-bit hash of a text. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/** Spreads the bits of a 32-bit number. */
export function mix(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Mulberry32: small, fast, good enough for brushes. */
export function makeRng(seed: number): Rng {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const PERIOD = 256;

/** Gradient noise after Perlin, with its own table for the seed; repeats every 256 units. */
export function makeNoise(seed: number): Noise {
  const rng = makeRng(seed);
  const order = Array.from({ length: PERIOD }, (_, i) => i);
  for (let i = PERIOD - 1; i > 0; i--) {
    const j = Math.floor(rng() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  const table = new Uint8Array(PERIOD * 2);
  const gx = new Float64Array(PERIOD * 2);
  const gy = new Float64Array(PERIOD * 2);
  for (let i = 0; i < PERIOD * 2; i++) {
    const value = order[i & (PERIOD - 1)]!;
    table[i] = value;
    const angle = (value / PERIOD) * Math.PI * 2;
    gx[i] = Math.cos(angle) * 1.5;
    gy[i] = Math.sin(angle) * 1.5;
  }
  return (x, y) => {
    const fx = Math.floor(x);
    const fy = Math.floor(y);
    const dx = x - fx;
    const dy = y - fy;
    const left = fx & (PERIOD - 1);
    const top = fy & (PERIOD - 1);
    const a = table[left]! + top;
    const b = table[left + 1]! + top;
    const u = dx * dx * dx * (dx * (dx * 6 - 15) + 10);
    const v = dy * dy * dy * (dy * (dy * 6 - 15) + 10);
    const n00 = gx[table[a]!]! * dx + gy[table[a]!]! * dy;
    const n10 = gx[table[b]!]! * (dx - 1) + gy[table[b]!]! * dy;
    const n01 = gx[table[a + 1]!]! * dx + gy[table[a + 1]!]! * (dy - 1);
    const n11 = gx[table[b + 1]!]! * (dx - 1) + gy[table[b + 1]!]! * (dy - 1);
    const upper = n00 + u * (n10 - n00);
    return upper + v * (n01 + u * (n11 - n01) - upper);
  };
}

/** Octaves of noise, each half as strong and about twice as fine as the one before. */
export function fbm(noise: Noise, octaves: number): Noise {
  return (x, y) => {
    let sum = 0;
    let strength = 0.5;
    let scale = 1;
    for (let i = 0; i < octaves; i++) {
      sum += strength * noise(x * scale + i * 17.3, y * scale - i * 9.7);
      strength *= 0.5;
      scale *= 2.03;
    }
    return sum;
  };
}

/** Sharp-crested octaves in [0, 1]: mountains. */
export function ridged(noise: Noise, octaves: number): Noise {
  return (x, y) => {
    let sum = 0;
    let total = 0;
    let strength = 1;
    let scale = 1;
    for (let i = 0; i < octaves; i++) {
      const crest = 1 - Math.abs(noise(x * scale + i * 31.7, y * scale + i * 5.1));
      sum += strength * crest * crest;
      total += strength;
      strength *= 0.48;
      scale *= 2.07;
    }
    return sum / total;
  };
}

export function clamp(value: number, low = 0, high = 1): number {
  return value < low ? low : value > high ? high : value;
}

/** 0 below `low`, 1 above `high`, smooth between. */
export function smooth(low: number, high: number, value: number): number {
  const t = clamp((value - low) / (high - low));
  return t * t * (3 - 2 * t);
}

export function lerp(a: number, b: number, t: number): number {
  return a + (b - a) * t;
}

export function pick<T>(rng: Rng, list: readonly T[]): T {
  return list[Math.floor(rng() * list.length)]!;
}
