/**
 * One picture from first wash to finish. Each of its steps adds layers to the scene and paints
 * them with a finer brush than the step before; more steps end with more layers and finer
 * strokes. `begin` sets it up, `step` does one step, `finish` varnishes and returns bytes.
 * The same arguments give the same bytes.
 */
import type { Rgb } from './colour.ts';
import { fbm, clamp, lerp, mix, makeRng, smooth } from '../noise.ts';
import type { Rng } from '../noise.ts';
import { makeFlow, paintPass } from './brush.ts';
import type { Pass } from './brush.ts';
import { readPrompt } from './prompt.ts';
import type { Manner } from './prompt.ts';
import { makeRaster, vignette } from './raster.ts';
import type { Raster } from './raster.ts';
import { blend, breadthOf, recolour } from './repaint.ts';
import type { Original } from './repaint.ts';
import { layersOf } from './scene.ts';
import { setStage } from './stage.ts';
import type { Layer, Stage } from './stage.ts';

export interface PictureSpec {
  readonly prompt: string;
  readonly width: number;
  readonly height: number;
  readonly steps: number;
  readonly seed: number;
}

/** Interleaved 8-bit RGB. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

interface Picture {
  readonly spec: PictureSpec;
  /** The exact scene that strokes are taken from. */
  readonly scene: Stage;
  /** The picture itself. */
  readonly canvas: Stage;
  readonly layers: readonly Layer[];
  readonly fine: readonly Layer[];
  readonly rng: Rng;
  /** What is painted over, if anything is. */
  readonly original: Original | null;
  painted: number;
}

/** Scenes are composed at most this large; strokes are always at full size. */
const TARGET_SIDE_MAX = 1024;
/** Where only the colours of a scene are wanted, it is composed at this size. */
const TONE_SIDE = 192;
/** With this many steps nothing of a scene is left out. */
const FULL_STEPS = 14;
/** Share of the steps after which all layers are in; the rest refines. */
const LAYING_SHARE = 0.6;

/** How detailed a picture of so many steps gets, 0 to 1. */
function detailOf(steps: number): number {
  return Math.min(1, lerp(0.3, 1, ((steps - 1) / (FULL_STEPS - 1)) ** 0.75));
}

/** `original` is painted over, instead of the scene that the prompt describes. */
export function begin(spec: PictureSpec, original: Original | null = null): Picture {
  const { width, height, seed } = spec;
  const plan = readPrompt(spec.prompt);
  const scale = Math.min(1, TARGET_SIDE_MAX / Math.max(width, height));
  const paper: Rgb = plan.manner === 'watercolour' ? [0.97, 0.955, 0.92] : [0.5, 0.48, 0.45];
  const canvas = setStage(plan, { raster: makeRaster(width, height, paper), seed });
  const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  if (original) return beginOver({ spec, original, canvas });
  const flat = plan.manner === 'poster';
  const scene = flat ? canvas : setStage(plan, { raster: makeRaster(w, h, paper), seed });
  const wanted = layersOf(canvas).filter((layer) => layer.detail <= detailOf(spec.steps));
  return {
    spec,
    scene,
    canvas,
    layers: wanted.filter((layer) => !layer.fine),
    fine: wanted.filter((layer) => layer.fine),
    rng: makeRng(mix(seed ^ plan.hash ^ 0x51ed)),
    original: null,
    painted: 0,
  };
}

/** The prompt's scene lends its colours alone: small, and never seen. */
function beginOver(of: { spec: PictureSpec; original: Original; canvas: Stage }): Picture {
  const { spec, original, canvas } = of;
  const { width, height, seed } = spec;
  const { plan } = canvas;
  const scale = TONE_SIDE / Math.max(width, height);
  const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  const small = setStage(plan, { raster: makeRaster(w, h, [0.5, 0.48, 0.45]), seed });
  for (const layer of layersOf(small)) layer.paint(small);
  const raster = recolour(original, { width, height, wanted: small.raster });
  const scene = setStage(plan, { raster, seed });
  const rng = makeRng(mix(seed ^ plan.hash ^ 0x51ed));
  return { spec, scene, canvas, layers: [], fine: [], rng, original, painted: 0 };
}

/** Does step `number` (from 1) of the picture. */
export function step(picture: Picture, number: number): void {
  const { spec, scene, canvas, layers } = picture;
  const laying = Math.max(1, Math.ceil(spec.steps * LAYING_SHARE));
  const due = number >= laying ? layers.length : Math.ceil((layers.length * number) / laying);
  while (picture.painted < due) layers[picture.painted++]!.paint(scene);
  if (scene !== canvas) {
    const flow = makeFlow(scene.raster, scene.noise('flow'));
    paintPass(
      { canvas: canvas.raster, target: scene.raster, flow },
      passOf(picture, number),
      picture.rng,
    );
  }
  if (number < spec.steps) return;
  if (scene.plan.manner === 'oil' || picture.original)
    sharpen(canvas.raster, scene.raster, 0.2 * detailOf(spec.steps));
  for (const layer of picture.fine) layer.paint(canvas);
}

function passOf(picture: Picture, number: number): Pass {
  const { spec, scene } = picture;
  const unit = Math.min(spec.width, spec.height);
  const finest =
    ((picture.original ? breadthOf(picture.original) : 1) * unit) /
    lerp(26, 250, detailOf(spec.steps)) /
    (1 + Math.max(0, spec.steps - 20) / 60);
  const share = spec.steps === 1 ? 1 : (number - 1) / (spec.steps - 1);
  const size = Math.max(1.6, unit * 0.1 * (finest / (unit * 0.1)) ** (share ** 0.8));
  const water = scene.plan.manner === 'watercolour';
  return {
    size: water ? size * 1.3 : size,
    threshold: lerp(0.16, 0.1, share),
    alpha: water ? lerp(0.42, 0.6, share) : lerp(0.82, 0.95, share),
    jitter: lerp(0.045, 0.016, share) * (water ? 0.7 : 1),
    length: water ? 2.1 : lerp(3, 3.8, share),
    bristle: water ? 0.25 : 1,
  };
}

/** Varnish, paper or canvas grain, then 8 bits. */
export function finish(picture: Picture): Pixels {
  const { raster, plan } = picture.canvas;
  if (picture.original) {
    grain(raster, plan.manner, picture.spec.seed);
    return blend(toPixels(raster), picture.original);
  }
  if (plan.manner === 'watercolour') bleed(picture.canvas);
  else vignette(raster, plan.manner === 'poster' ? 0.08 : 0.24);
  grain(raster, plan.manner, picture.spec.seed);
  return toPixels(raster);
}

/** Mixes the exact scene in, most where it has edges that strokes cannot follow. */
function sharpen(canvas: Raster, target: Raster, share: number): void {
  const { width, height, data } = canvas;
  const scale = target.width / width;
  for (let y = 0; y < height; y++) {
    const ty = clamp((y + 0.5) * scale - 0.5, 0, target.height - 1.001);
    const fy = ty - Math.floor(ty);
    for (let x = 0; x < width; x++) {
      const tx = clamp((x + 0.5) * scale - 0.5, 0, target.width - 1.001);
      const fx = tx - Math.floor(tx);
      const t = (Math.floor(ty) * target.width + Math.floor(tx)) * 3;
      const below = t + (target.height > 1 ? target.width * 3 : 0);
      const i = (y * width + x) * 3;
      for (let k = 0; k < 3; k++) {
        const upper = lerp(target.data[t + k]!, target.data[t + 3 + k]!, fx);
        const lower = lerp(target.data[below + k]!, target.data[below + 3 + k]!, fx);
        const exact = lerp(upper, lower, fy);
        const off = Math.abs(exact - data[i + k]!);
        data[i + k] = lerp(data[i + k]!, exact, Math.min(0.85, share * (0.5 + off * 7)));
      }
    }
  }
}

/** Watercolour: pale, granulating, fading out in a ragged border of bare paper. */
function bleed(stage: Stage): void {
  const { width, height, unit } = stage;
  const { data } = stage.raster;
  const rag = fbm(stage.noise('rag'), 4);
  const pool = fbm(stage.noise('pool'), 4);
  const paper = [0.975, 0.962, 0.93] as const;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [u, v] = [x / unit, y / unit];
      const border = Math.min(x, y, width - 1 - x, height - 1 - y) / unit;
      const inside = border + rag(u * 6, v * 6) * 0.04;
      const wet = smooth(0.012, 0.04, inside);
      const rim = Math.exp(-(((inside - 0.042) / 0.012) ** 2)) * 0.09;
      const pale = 0.2 + pool(u * 3.2, v * 3.2) * 0.34;
      const i = (y * width + x) * 3;
      for (let k = 0; k < 3; k++) {
        const pigment = lerp(data[i + k]!, paper[k]!, clamp(pale)) * (1 - rim);
        data[i + k] = lerp(paper[k]!, pigment, wet);
      }
    }
  }
}

/** The weave of canvas or the tooth of paper, faint. */
function grain(canvas: Raster, manner: Manner, seed: number): void {
  const { width, height, data } = canvas;
  const strength = { oil: 0.012, watercolour: 0.022, poster: 0.012 }[manner];
  const size = Math.max(1, Math.min(width, height) / 640);
  const side = 128;
  const tile = new Float32Array(side * side);
  const rng = makeRng(seed ^ 0x6e61);
  for (let i = 0; i < tile.length; i++) tile[i] = rng() + rng() - 1;
  for (let y = 0; y < height; y++) {
    const ty = Math.floor(y / size);
    for (let x = 0; x < width; x++) {
      const tx = Math.floor(x / size);
      const weave = manner === 'oil' ? ((tx ^ ty) & 1) * 0.7 - 0.35 : 0;
      const at = ((ty + (tx >> 7) * 37) & (side - 1)) * side + ((tx + (ty >> 7) * 53) & (side - 1));
      const shade = (tile[at]! + weave) * strength;
      const i = (y * width + x) * 3;
      data[i] = data[i]! + shade;
      data[i + 1] = data[i + 1]! + shade;
      data[i + 2] = data[i + 2]! + shade;
    }
  }
}

function toPixels({ width, height, data }: Raster): Pixels {
  const rgb = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) rgb[i] = clamp(data[i]!) * 255 + 0.5;
  return { width, height, rgb };
}

/** The canvas so far, shrunk to a longest side of `side` px. */
export function sketch(picture: Picture, side: number): Pixels {
  const canvas = picture.canvas.raster;
  const scale = Math.min(1, side / Math.max(canvas.width, canvas.height));
  const width = Math.max(1, Math.round(canvas.width * scale));
  const height = Math.max(1, Math.round(canvas.height * scale));
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let k = 0; k < 3; k++) {
        let sum = 0;
        for (let s = 0; s < 4; s++) {
          const cx = Math.min(canvas.width - 1, Math.floor((x + 0.25 + (s & 1) * 0.5) / scale));
          const cy = Math.min(canvas.height - 1, Math.floor((y + 0.25 + (s >> 1) * 0.5) / scale));
          sum += canvas.data[(cy * canvas.width + cx) * 3 + k]!;
        }
        rgb[(y * width + x) * 3 + k] = clamp(sum / 4) * 255 + 0.5;
      }
    }
  }
  return { width, height, rgb };
}
