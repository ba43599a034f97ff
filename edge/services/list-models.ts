/** Lists the catalog with what is really online, best availability over all pools. */
import type { Availability, ModelView } from '#schema/api.ts';
import { MODELS } from '#schema/model.ts';
import type { JobType, Model } from '#schema/model.ts';
import {
  MUSIC_DURATION_S_MAX,
  PROMPT_CHARS_MAX,
  SPEECH_CHARS_MAX,
  TRANSCRIPTION_DURATION_S_MAX,
  VIDEO_DURATION_S_MAX,
  VIDEO_FPS_MAX,
} from '#schema/limits.ts';
import { tellPrice } from '#schema/price.ts';
import type { Env } from '../env.ts';
import { surveyPool } from './survey-pool.ts';

/** The catalog's first publication; OpenAI's list shape wants a time. */
const CATALOG_AT_S = Date.UTC(2026, 10, 1) / 1000;
const RANK: Readonly<Record<Availability, number>> = { offline: 0, installed: 1, resident: 2 };

/** Every model; all are offline while no Scheduler answers. */
export async function listModels(env: Env, now: number): Promise<ModelView[]> {
  const surveys = await Promise.all(env.pools.map((pool) => surveyPool(env, pool, now)));
  return MODELS.map((model) => {
    const known = surveys.map((survey) => survey?.models[model.id] ?? 'offline');
    const availability = known.reduce((best, next) => (RANK[next] > RANK[best] ? next : best));
    return viewModel(model, availability);
  });
}

function viewModel(model: Model, availability: Availability): ModelView {
  return {
    id: model.id,
    object: 'model',
    created: CATALOG_AT_S,
    owned_by: 'tessera',
    type: model.type,
    title: model.title,
    description: model.about,
    plan: model.plan,
    price: tellPrice(model),
    limits: LIMITS[model.type](model),
    defaults: DEFAULTS[model.type](model),
    accepts: [...model.accepts],
    availability,
  };
}

type Facts = Record<string, unknown>;
const LIMITS: Readonly<Record<JobType, (model: Model) => Facts>> = {
  image: (model) => ({
    side_px: model.sidePxMax,
    steps: model.stepsMax,
    prompt_characters: PROMPT_CHARS_MAX,
  }),
  video: (model) => ({
    side_px: model.sidePxMax,
    steps: model.stepsMax,
    duration_s: VIDEO_DURATION_S_MAX,
    fps: VIDEO_FPS_MAX,
  }),
  text: (model) => ({ max_tokens: model.maxTokens }),
  speech: ({ voices, formats }) => ({
    input_characters: SPEECH_CHARS_MAX,
    voices: [...voices],
    formats: [...formats],
  }),
  music: ({ formats }) => ({
    duration_s: MUSIC_DURATION_S_MAX,
    prompt_characters: PROMPT_CHARS_MAX,
    formats: [...formats],
  }),
  transcription: () => ({ duration_s: TRANSCRIPTION_DURATION_S_MAX }),
};

const DEFAULTS: Readonly<Record<JobType, (model: Model) => Facts>> = {
  image: ({ width, height, steps, guidance }) => ({ width, height, steps, guidance }),
  video: ({ width, height, steps, fps, durationS }) => ({
    width,
    height,
    steps,
    fps,
    duration_s: durationS,
  }),
  text: () => ({}),
  speech: ({ voices }) => ({ voice: voices[0] ?? 'default' }),
  music: ({ durationS }) => ({ duration_s: durationS }),
  transcription: () => ({}),
};
