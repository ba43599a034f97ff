/** Deep space: a nebula of warped noise, stars, and planets with a lit limb. */
import { blend, makeRamp, tune } from './colour.ts';
import type { Rgb } from './colour.ts';
import { clamp, fbm, lerp, smooth } from '../noise.ts';
import { dab, fill, glow } from './raster.ts';
import type { Circle } from './raster.ts';
import type { Stage } from './stage.ts';

const scratch = new Float32Array(3);

function tones(stage: Stage): Rgb[] {
  const { accents, sky } = stage.palette;
  const [first, second] = stage.plan.colours;
  const rng = stage.rng('nebula tones');
  const sets: Rgb[][] = [
    [
      [0.05, 0.05, 0.16],
      [0.33, 0.1, 0.45],
      [0.86, 0.3, 0.48],
      [1, 0.74, 0.5],
    ],
    [
      [0.02, 0.07, 0.14],
      [0.05, 0.3, 0.42],
      [0.2, 0.68, 0.66],
      [0.95, 0.9, 0.7],
    ],
    [
      [0.04, 0.04, 0.14],
      [0.16, 0.2, 0.55],
      [0.5, 0.45, 0.92],
      [0.98, 0.75, 0.86],
    ],
    [
      [0.07, 0.03, 0.07],
      [0.42, 0.12, 0.16],
      [0.9, 0.45, 0.22],
      [1, 0.88, 0.6],
    ],
  ];
  if (first === undefined) return sets[Math.floor(rng() * sets.length)]!;
  const bright = second ?? tune(first, { light: 0.2 });
  return [
    blend(sky[0]!, [0.01, 0.01, 0.04], 0.6),
    tune(first, { light: -0.25 }),
    first,
    blend(bright, accents[1] ?? bright, 0.1),
  ];
}

export function paintNebula(stage: Stage): void {
  const { raster, width, height, unit } = stage;
  const [a, b] = [fbm(stage.noise('nebula a'), 3), fbm(stage.noise('nebula b'), 5)];
  const ramp = makeRamp([[0.008, 0.008, 0.03], ...tones(stage)]);
  const rng = stage.rng('nebula');
  const tilt = (rng() - 0.5) * 2.4;
  const [mx, my, band] = [lerp(0.3, 0.7, rng()), lerp(0.3, 0.7, rng()), lerp(1.6, 3.2, rng())];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [u, v] = [x / unit, y / unit];
      const [wx, wy] = [a(u * 1.4, v * 1.4), a(u * 1.4 + 30, v * 1.4 + 11)];
      const cloud = b(u * 1.7 + wx * 1.9, v * 1.7 + wy * 1.9);
      const across = (y / height - my) * Math.cos(tilt) - (x / width - mx) * Math.sin(tilt);
      const mass = Math.exp(-(across * across) * band * 2.2);
      const dust = smooth(0.1, 0.36, b(u * 2.6 - wy * 1.4 + 9, v * 2.6 + wx)) * 0.55;
      const glowing = clamp((cloud + 0.42) * mass * 1.15 + mass * 0.14) * (1 - dust * mass);
      ramp(glowing ** 1.15, scratch);
      const i = (y * width + x) * 3;
      raster.data[i] = scratch[0]!;
      raster.data[i + 1] = scratch[1]!;
      raster.data[i + 2] = scratch[2]!;
    }
  }
}

export function paintStarField(stage: Stage): void {
  const { raster, width, height, unit } = stage;
  const rng = stage.rng('star field');
  const count = Math.round((620 * width * height) / unit ** 2);
  const hues: Rgb[] = [
    [1, 1, 1],
    [0.8, 0.88, 1],
    [1, 0.9, 0.75],
    [1, 0.8, 0.7],
  ];
  for (let i = 0; i < count; i++) {
    const radius = unit * lerp(0.0008, 0.0026, rng() ** 7);
    const at = { x: rng() * width, y: rng() * height, radius: Math.max(1.2, radius * 3) };
    const colour = hues[Math.floor(rng() * hues.length)]!;
    glow(raster, at, { colour, alpha: lerp(0.3, 1, rng()) });
    if (rng() < 0.018) {
      glow(raster, { ...at, radius: unit * 0.035 }, { colour, alpha: 0.55 });
      const long = unit * lerp(0.014, 0.036, rng());
      for (const [dx, dy] of [
        [1, 0],
        [0, 1],
      ] as const) {
        const half = Math.max(0.4, unit * 0.0009);
        fill(
          raster,
          [
            at.x - dx * long,
            at.y - dy * long,
            at.x + dy * half,
            at.y + dx * half,
            at.x + dx * long,
            at.y + dy * long,
            at.x - dy * half,
            at.y - dx * half,
          ],
          { colour, alpha: 0.8 },
        );
      }
    }
  }
}

interface Planet extends Circle {
  readonly colours: readonly Rgb[];
  readonly ring: boolean;
  readonly tilt: number;
}

/** One large planet and perhaps a moon. */
export function paintPlanets(stage: Stage): void {
  const { width, height, unit, palette, plan } = stage;
  const rng = stage.rng('planets');
  const warm = plan.colours[0] ?? palette.accents[0]!;
  const big: Planet = {
    x: width * lerp(0.28, 0.72, rng()),
    y: height * lerp(0.34, 0.62, rng()),
    radius: unit * lerp(0.15, 0.24, rng()),
    colours: [
      tune(warm, { light: -0.2 }),
      warm,
      blend(warm, [1, 0.92, 0.8], 0.55),
      tune(palette.accents[1]!, { light: -0.05 }),
    ],
    ring: rng() < 0.6 || plan.words.has('saturn'),
    tilt: lerp(-0.5, 0.5, rng()),
  };
  if (big.ring) paintRing(stage, big, -1);
  paintGlobe(stage, big);
  if (big.ring) paintRing(stage, big, 1);
  const moon = {
    ...big,
    radius: big.radius * lerp(0.14, 0.24, rng()),
    ring: false,
    colours: [
      [0.4, 0.4, 0.44],
      [0.75, 0.74, 0.72],
      [0.9, 0.88, 0.84],
    ] as Rgb[],
  };
  const angle = rng() * Math.PI * 2;
  paintGlobe(stage, {
    ...moon,
    x: big.x + Math.cos(angle) * big.radius * 2.1,
    y: big.y + Math.sin(angle) * big.radius * 1.5,
  });
}

function paintGlobe(stage: Stage, planet: Planet): void {
  const { raster, width, height } = stage;
  const noise = fbm(stage.noise(`globe ${planet.ring}`), 5);
  const ramp = makeRamp(planet.colours);
  const { x: cx, y: cy, radius, tilt } = planet;
  glow(
    raster,
    { x: cx - radius * 0.25, y: cy - radius * 0.25, radius: radius * 1.5 },
    { colour: planet.colours[1]!, alpha: 0.5 },
  );
  for (let y = Math.max(0, Math.floor(cy - radius)); y <= Math.min(height - 1, cy + radius); y++) {
    for (let x = Math.max(0, Math.floor(cx - radius)); x <= Math.min(width - 1, cx + radius); x++) {
      const [dx, dy] = [(x + 0.5 - cx) / radius, (y + 0.5 - cy) / radius];
      const far = dx * dx + dy * dy;
      if (far >= 1) continue;
      const dz = Math.sqrt(1 - far);
      const lat = dy * Math.cos(tilt) - dx * Math.sin(tilt);
      const lon = dx * Math.cos(tilt) + dy * Math.sin(tilt);
      const bands = Math.sin(lat * 9 + noise(lon * 1.3 + 3, lat * 5) * 2.6) * 0.5 + 0.5;
      ramp(clamp(bands * 0.75 + noise(lon * 2.4, lat * 9 + 20) * 0.4 + 0.1), scratch);
      const light = clamp(-dx * 0.55 - dy * 0.45 + dz * 0.6 + 0.04);
      const air = (1 - dz) ** 3 * light * 0.9;
      const colour: Rgb = [
        scratch[0]! * light * 1.15 + air * 0.7,
        scratch[1]! * light * 1.15 + air * 0.8,
        scratch[2]! * light * 1.15 + air,
      ];
      dab(raster, (y * width + x) * 3, { colour, alpha: clamp((1 - Math.sqrt(far)) * radius) });
    }
  }
}

function paintRing(stage: Stage, planet: Planet, half: -1 | 1): void {
  const { raster, width, height } = stage;
  const { x: cx, y: cy, radius, tilt } = planet;
  const grooves = stage.noise('grooves');
  const colour = blend(planet.colours[2]!, [1, 0.95, 0.85], 0.4);
  const reach = radius * 2.3;
  for (let y = Math.max(0, Math.floor(cy - reach)); y < Math.min(height, cy + reach); y++) {
    for (let x = Math.max(0, Math.floor(cx - reach)); x < Math.min(width, cx + reach); x++) {
      const [dx, dy] = [(x - cx) / radius, (y - cy) / radius];
      const along = dx * Math.cos(tilt) + dy * Math.sin(tilt);
      const across = (dy * Math.cos(tilt) - dx * Math.sin(tilt)) / 0.27;
      if (Math.sign(across) !== half) continue;
      const at = Math.hypot(along, across);
      if (at < 1.3 || at > 2.2) continue;
      const shade =
        smooth(1.3, 1.4, at) *
        (1 - smooth(2.05, 2.2, at)) *
        clamp(0.62 + grooves(at * 13, 4) * 0.9);
      dab(raster, (y * width + x) * 3, { colour, alpha: shade * 0.8 });
    }
  }
}
