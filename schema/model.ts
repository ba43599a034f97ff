/**
 * The model catalog: what can be asked for, from which plan on, at which price and within
 * which bounds. An agent announces which of these it really has; a model that no agent has
 * is listed as offline. To add a model, add an entry here (and, for ComfyUI, its workflow).
 */
import { z } from 'zod';
import { assert } from './assert.ts';
import { IMAGE_SIDE_PX_MAX, STEPS_MAX, TEXT_TOKENS_MAX, VIDEO_SIDE_PX_MAX } from './limits.ts';
import type { PlanId } from './plan.ts';

export const JOB_TYPES = ['image', 'video', 'text', 'speech', 'music', 'transcription'] as const;
export const JobType = z.enum(JOB_TYPES).meta({ id: 'JobType' });
export type JobType = z.infer<typeof JobType>;

export const ModelId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,63}$/, 'a model id is lower case letters, digits, dots and dashes');
export type ModelId = z.infer<typeof ModelId>;

/** Parameters that only some models of a type take; others refuse them by name. */
export type OptionalParameter =
  | 'negative_prompt'
  | 'guidance'
  | 'input_image'
  | 'mask'
  | 'strength'
  | 'loras'
  | 'upscale'
  | 'lyrics'
  | 'language'
  | 'translate'
  | 'json';

export interface Model {
  readonly id: ModelId;
  readonly type: JobType;
  readonly title: string;
  /** One sentence for people. */
  readonly about: string;
  /** The least plan that may use it. */
  readonly plan: PlanId;
  /** Price relative to the type's base price, in thousandths. */
  readonly factorMillis: number;
  readonly accepts: readonly OptionalParameter[];
  /** It makes nothing without a picture to begin with. */
  readonly needsImage?: true;
  /** Steps of the sampler when none are asked for; the price scales with them. */
  readonly steps: number;
  readonly stepsMax: number;
  /** Pixels, for images and videos. */
  readonly width: number;
  readonly height: number;
  readonly sidePxMax: number;
  readonly guidance: number;
  readonly fps: number;
  readonly durationS: number;
  readonly maxTokens: number;
  readonly voices: readonly string[];
  /** Sound files that it can make. */
  readonly formats: readonly ('wav' | 'mp3' | 'ogg')[];
  /** First estimates, until an agent's own figures are known. */
  readonly loadMs: number;
  readonly serviceMs: number;
  /** Graphics memory it needs, MiB; 0 runs without a GPU. */
  readonly vramMib: number;
}

const NEUTRAL = {
  plan: 'free',
  factorMillis: 1000,
  accepts: [],
  steps: 1,
  stepsMax: STEPS_MAX,
  width: 1024,
  height: 1024,
  sidePxMax: IMAGE_SIDE_PX_MAX,
  guidance: 0,
  fps: 0,
  durationS: 0,
  maxTokens: TEXT_TOKENS_MAX,
  voices: [],
  formats: ['wav', 'mp3', 'ogg'],
  loadMs: 20_000,
  serviceMs: 15_000,
  vramMib: 0,
} as const satisfies Partial<Model>;

const IMAGE = {
  ...NEUTRAL,
  type: 'image',
  steps: 30,
  guidance: 7,
  accepts: ['negative_prompt', 'guidance', 'input_image', 'mask', 'strength', 'loras', 'upscale'],
  vramMib: 8000,
} as const satisfies Partial<Model>;

const VIDEO = {
  ...NEUTRAL,
  type: 'video',
  plan: 'pro',
  steps: 30,
  width: 768,
  height: 512,
  sidePxMax: VIDEO_SIDE_PX_MAX,
  fps: 24,
  durationS: 4,
  accepts: ['negative_prompt', 'guidance', 'input_image'],
  guidance: 3,
  loadMs: 40_000,
  serviceMs: 60_000,
  vramMib: 10_000,
} as const satisfies Partial<Model>;

/** In the order of preference: a job that names no model gets the first that is online. */
export const MODELS: readonly Model[] = [
  {
    ...IMAGE,
    id: 'sdxl',
    title: 'Stable Diffusion XL',
    about: 'The all-round picture model, 1024x1024.',
  },
  {
    ...IMAGE,
    id: 'flux-schnell',
    title: 'FLUX.1 schnell',
    about: 'Fast pictures in four steps that follow the prompt closely.',
    plan: 'starter',
    steps: 4,
    stepsMax: 12,
    accepts: ['input_image', 'strength', 'loras', 'upscale'],
    guidance: 0,
    vramMib: 12_000,
  },
  {
    ...IMAGE,
    id: 'flux-dev',
    title: 'FLUX.1 dev',
    about: 'Detailed pictures, readable text; slower.',
    plan: 'starter',
    factorMillis: 2000,
    steps: 20,
    stepsMax: 50,
    accepts: ['guidance', 'input_image', 'strength', 'loras', 'upscale'],
    guidance: 3.5,
    serviceMs: 30_000,
    vramMib: 12_000,
  },
  {
    ...NEUTRAL,
    id: 'painter',
    type: 'image',
    title: 'Painter',
    about: 'A procedural painter, not a neural model: runs anywhere, paints the mood of a prompt.',
    accepts: ['input_image', 'mask', 'strength', 'upscale'],
    steps: 20,
    loadMs: 300,
    serviceMs: 1700,
  },
  {
    ...VIDEO,
    id: 'ltx-video',
    title: 'LTX-Video',
    about: 'Short clips from text or a picture, the fastest of the video models.',
  },
  {
    ...VIDEO,
    id: 'wan-2.1',
    title: 'Wan 2.1',
    about: 'Short clips with steady motion; slow.',
    factorMillis: 2000,
    width: 832,
    height: 480,
    fps: 16,
    guidance: 6,
    serviceMs: 240_000,
  },
  {
    ...VIDEO,
    id: 'svd',
    title: 'Stable Video Diffusion',
    about: 'Brings a picture to life.',
    needsImage: true,
    width: 1024,
    height: 576,
    fps: 6,
    steps: 20,
    accepts: ['input_image', 'guidance'],
    guidance: 2.5,
  },
  {
    ...VIDEO,
    id: 'animatediff',
    title: 'AnimateDiff',
    about: 'Looping clips in the style of Stable Diffusion 1.5.',
    width: 512,
    height: 512,
    fps: 8,
    durationS: 2,
    steps: 20,
    guidance: 7,
    vramMib: 6000,
  },
  {
    ...VIDEO,
    id: 'painter-motion',
    title: 'Painter in motion',
    about: 'A painted picture, and a slow camera over it; not a neural model: runs anywhere.',
    factorMillis: 250,
    steps: 20,
    fps: 24,
    accepts: [],
    guidance: 0,
    loadMs: 300,
    serviceMs: 8000,
    vramMib: 0,
  },
  {
    ...NEUTRAL,
    id: 'chat',
    type: 'text',
    title: 'Chat',
    about: "The operator's language model, for conversation and writing.",
    accepts: ['json'],
    serviceMs: 8000,
    vramMib: 6000,
  },
  {
    ...NEUTRAL,
    id: 'chat-small',
    type: 'text',
    title: 'Chat, small',
    about: 'A small language model on the processor: needs no GPU, and knows little.',
    factorMillis: 250,
    loadMs: 2000,
    serviceMs: 10_000,
  },
  {
    ...NEUTRAL,
    id: 'kokoro',
    type: 'speech',
    title: 'Kokoro',
    about: 'Natural speech in several languages.',
    voices: ['af_heart', 'af_bella', 'am_adam', 'bf_emma', 'bm_george'],
    accepts: ['language'],
    loadMs: 5000,
    serviceMs: 3000,
    vramMib: 2000,
  },
  {
    ...NEUTRAL,
    id: 'flite',
    type: 'speech',
    title: 'Flite',
    about: 'Small English speech synthesis that runs anywhere.',
    voices: ['slt', 'rms', 'awb', 'kal16'],
    formats: ['wav', 'ogg'],
    loadMs: 450,
    serviceMs: 500,
  },
  {
    ...NEUTRAL,
    id: 'ace-step',
    type: 'music',
    title: 'ACE-Step',
    about: 'Songs with or without lyrics.',
    durationS: 60,
    steps: 50,
    accepts: ['lyrics'],
    loadMs: 30_000,
    serviceMs: 20_000,
    vramMib: 8000,
  },
  {
    ...NEUTRAL,
    id: 'stable-audio',
    type: 'music',
    title: 'Stable Audio',
    about: 'Instrumental pieces and sounds up to 47 s.',
    durationS: 30,
    steps: 50,
    vramMib: 8000,
  },
  {
    ...NEUTRAL,
    id: 'composer',
    type: 'music',
    title: 'Composer',
    about: 'A rule-based composer with a soundfont, not a neural model: runs anywhere.',
    durationS: 30,
    formats: ['wav', 'ogg'],
    loadMs: 400,
    serviceMs: 2000,
  },
  {
    ...NEUTRAL,
    id: 'whisper',
    type: 'transcription',
    title: 'Whisper',
    about: 'Speech to text in 99 languages, with timestamps.',
    accepts: ['language', 'translate'],
    serviceMs: 10_000,
    vramMib: 4000,
  },
  {
    ...NEUTRAL,
    id: 'pocketsphinx',
    type: 'transcription',
    title: 'PocketSphinx',
    about: 'Small English speech recognition that runs anywhere; far less exact than Whisper.',
    accepts: ['language'],
    loadMs: 0,
    serviceMs: 70_000,
  },
];

const BY_ID = new Map(MODELS.map((model) => [model.id, model]));
assert(BY_ID.size === MODELS.length, 'model ids are unique');
for (const type of JOB_TYPES) {
  assert(
    MODELS.some((model) => model.type === type),
    `a model of type ${type} exists`,
  );
}

/** The model with this id, or undefined. */
export function findModel(id: string): Model | undefined {
  return BY_ID.get(id);
}

/** The models of a type, in the catalog's order of preference. */
export function modelsOf(type: JobType): readonly Model[] {
  return MODELS.filter((model) => model.type === type);
}
