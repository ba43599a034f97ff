/**
 * Prices, in millitokens (integers of a thousandth of a token): the most a job can cost, which
 * is held at admission, and what it did cost, which is settled at its end.
 * Base: an image of 1024x1024 at its model's default steps is 1 token; 5 s of 1280x720 video
 * are 3; 500 tokens of text are 0.5. The settled price never exceeds the held one.
 */
import { assert } from './assert.ts';
import type { JobSpec } from './job.ts';
import { findModel } from './model.ts';
import type { JobType, Model } from './model.ts';
import type { Usage } from './usage.ts';

const IMAGE_PX = 1024 * 1024;
const VIDEO_PX_S = 1280 * 720 * 5;
const VIDEO_MILLITOKENS = 3000;
const TEXT_MILLITOKENS_PER_TOKEN = 1;
const SPEECH_MILLITOKENS_PER_1000_CHARS = 500;
const MUSIC_MILLITOKENS_PER_MINUTE = 2000;
const TRANSCRIPTION_MILLITOKENS_PER_MINUTE = 100;
/** A recording whose length is unknown counts as this long. */
const TRANSCRIPTION_USUAL_S = 600;

/** The highest possible cost of a job: what is held while it waits and runs. */
export function quoteMillitokens(spec: JobSpec): number {
  const model = findModel(spec.model);
  assert(model, 'a spec names a model of the catalog');
  const price = (basePrice(spec, model.steps) * model.factorMillis) / 1000;
  return Math.max(1, Math.ceil(price - 1e-9));
}

function basePrice(spec: JobSpec, defaultSteps: number): number {
  switch (spec.type) {
    case 'image': {
      const scale = spec.upscale === 1 ? 1 : 1.5;
      const area = (spec.width * spec.height) / IMAGE_PX;
      return 1000 * area * (spec.steps / defaultSteps) * spec.count * scale;
    }
    case 'video': {
      const volume = (spec.width * spec.height * spec.duration_s) / VIDEO_PX_S;
      return VIDEO_MILLITOKENS * volume * (spec.steps / defaultSteps);
    }
    case 'text':
      return spec.max_tokens * TEXT_MILLITOKENS_PER_TOKEN;
    case 'speech':
      return (spec.input.length / 1000) * SPEECH_MILLITOKENS_PER_1000_CHARS;
    case 'music':
      return (spec.duration_s / 60) * MUSIC_MILLITOKENS_PER_MINUTE;
    case 'transcription': {
      const minutes = (spec.duration_s ?? TRANSCRIPTION_USUAL_S) / 60;
      return minutes * TRANSCRIPTION_MILLITOKENS_PER_MINUTE;
    }
  }
}

/** How a price is told: so much for a job of this size at the model's defaults. */
const UNITS: Readonly<Record<JobType, { readonly millitokens: number; readonly per: string }>> = {
  image: { millitokens: 1000, per: '1024x1024 image' },
  video: { millitokens: VIDEO_MILLITOKENS, per: '5 s of 1280x720 video' },
  text: { millitokens: 500 * TEXT_MILLITOKENS_PER_TOKEN, per: '500 tokens of text' },
  speech: { millitokens: SPEECH_MILLITOKENS_PER_1000_CHARS, per: '1000 characters of speech' },
  music: { millitokens: MUSIC_MILLITOKENS_PER_MINUTE, per: 'minute of music' },
  transcription: { millitokens: TRANSCRIPTION_MILLITOKENS_PER_MINUTE, per: 'minute of recording' },
};

/** What a model costs, for a user to read. */
export function tellPrice({ type, factorMillis }: Model): { tokens: number; per: string } {
  const { millitokens, per } = UNITS[type];
  return { tokens: toTokens((millitokens * factorMillis) / 1000), per };
}

/** Price of the job that the catalog's time of service is of: the model's defaults, once. */
export function standardMillitokens(model: Model): number {
  return Math.max(1, (standardPrice(model) * model.factorMillis) / 1000);
}

function standardPrice({ type, width, height, durationS, maxTokens }: Model): number {
  switch (type) {
    case 'image':
      return (1000 * width * height) / IMAGE_PX;
    case 'video':
      return (VIDEO_MILLITOKENS * width * height * durationS) / VIDEO_PX_S;
    case 'text':
      return maxTokens * TEXT_MILLITOKENS_PER_TOKEN;
    case 'speech':
      return SPEECH_MILLITOKENS_PER_1000_CHARS;
    case 'music':
      return (durationS / 60) * MUSIC_MILLITOKENS_PER_MINUTE;
    case 'transcription':
      return (TRANSCRIPTION_USUAL_S / 60) * TRANSCRIPTION_MILLITOKENS_PER_MINUTE;
  }
}

/**
 * What a job that ended has cost. A failure costs nothing; a job cancelled while it ran costs
 * the share of steps that were done; text costs the tokens that were generated.
 */
export function settleMillitokens(
  job: { spec: JobSpec; heldMillitokens: number },
  outcome: 'completed' | 'failed' | 'cancelled',
  usage: Usage,
): number {
  if (outcome === 'failed') return 0;
  const share = workShare(job.spec, outcome, usage);
  const price = Math.max(0, Math.ceil(job.heldMillitokens * share - 1e-9));
  return Math.min(job.heldMillitokens, price);
}

function workShare(spec: JobSpec, outcome: 'completed' | 'cancelled', usage: Usage): number {
  switch (spec.type) {
    case 'text':
      if (outcome === 'completed' && usage.completionTokens === undefined) return 1;
      return Math.min(1, (usage.completionTokens ?? 0) / spec.max_tokens);
    case 'image':
    case 'video':
      return outcome === 'completed' ? 1 : Math.min(1, (usage.steps ?? 0) / spec.steps);
    case 'speech':
    case 'music':
    case 'transcription':
      return outcome === 'completed' ? 1 : 0;
  }
}

/** Millitokens as the wire's decimal number of tokens. */
export function toTokens(millitokens: number): number {
  return millitokens / 1000;
}
