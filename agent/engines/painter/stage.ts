/**
 * What every layer of a picture shares: the canvas, the plan, the light, where the horizon and
 * the sun are, and named random streams, so that leaving one layer out changes no other.
 */
import { hashText, lerp, makeNoise, makeRng, mix } from '../noise.ts';
import type { Noise, Rng } from '../noise.ts';
import { makePalette } from './palette.ts';
import type { Palette } from './palette.ts';
import type { Plan } from './prompt.ts';
import type { Circle, Raster } from './raster.ts';

export interface Stage {
  readonly raster: Raster;
  readonly width: number;
  readonly height: number;
  /** The shorter side, px: what sizes are relative to. */
  readonly unit: number;
  readonly plan: Plan;
  readonly palette: Palette;
  /** Line between sky and land or water, px from the top. */
  readonly horizon: number;
  /** The sun or the moon. */
  readonly sun: Circle;
  readonly rng: (name: string) => Rng;
  readonly noise: (name: string) => Noise;
}

/** One thing to paint. Layers with more `detail` are left out of hasty pictures. */
export interface Layer {
  /** 0 always, 1 only in a picture with all its steps. */
  readonly detail: number;
  /** Drawn on the picture itself in its last step, where brush strokes would smear it. */
  readonly fine: boolean;
  readonly paint: (stage: Stage) => void;
}

/** Sets the stage on a canvas for a plan and a seed; everything follows from these. */
export function setStage(plan: Plan, canvas: { raster: Raster; seed: number }): Stage {
  const { raster, seed } = canvas;
  const { width, height } = raster;
  const base = mix(seed ^ plan.hash);
  const rng = (name: string): Rng => makeRng(mix(base ^ hashText(name)));
  const palette = makePalette(plan, rng('palette'));
  const place = rng('place');
  const unit = Math.min(width, height);
  const horizon = height * horizonOf(plan, place());
  const low = palette.hour === 'dawn' || palette.hour === 'dusk';
  const side = place() < 0.5 ? lerp(0.22, 0.42, place()) : lerp(0.58, 0.78, place());
  return {
    raster,
    width,
    height,
    unit,
    plan,
    palette,
    horizon,
    sun: {
      x: width * side,
      y: low ? horizon * lerp(0.62, 0.86, place()) : horizon * lerp(0.22, 0.45, place()),
      radius:
        unit *
        (palette.hour === 'night' ? lerp(0.045, 0.075, place()) : lerp(0.04, 0.065, place())),
    },
    rng,
    noise: (name) => makeNoise(mix(base ^ hashText(`noise ${name}`))),
  };
}

function horizonOf(plan: Plan, at: number): number {
  switch (plan.scene) {
    case 'sea':
      return lerp(0.5, 0.62, at);
    case 'lake':
      return lerp(0.52, 0.6, at);
    case 'city':
      return lerp(0.68, 0.76, at);
    case 'desert':
      return lerp(0.5, 0.58, at);
    case 'flowers':
      return lerp(0.34, 0.44, at);
    case 'mountains':
      return lerp(0.66, 0.74, at);
    case 'forest':
      return lerp(0.62, 0.7, at);
    case 'hills':
      return lerp(0.56, 0.66, at);
    case 'space':
    case 'portrait':
    case 'abstract':
      return 1;
  }
}
