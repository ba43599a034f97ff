/**
 * Jobs: what a client may ask for (`JobRequest`), what is really run (`JobSpec`: the same with
 * every default filled in), and the words for how a job stands.
 * Every parameter is bounded here; unknown fields are refused. `toSpec` is the only way from
 * the one to the other. Wire names are snake_case, as in every JSON body.
 */
import { z } from 'zod';
import {
  DEADLINE_S_MAX,
  IMAGE_COUNT_MAX,
  IMAGE_SIDE_PX_MAX,
  IMAGE_SIDE_PX_MIN,
  IMAGE_SIDE_PX_STEP,
  LORAS_MAX,
  LYRICS_CHARS_MAX,
  MESSAGES_MAX,
  MESSAGE_CHARS_MAX,
  MUSIC_DURATION_S_MAX,
  MUSIC_DURATION_S_MIN,
  PROMPT_CHARS_MAX,
  SEED_MAX,
  SPEECH_CHARS_MAX,
  STEPS_MAX,
  STOP_CHARS_MAX,
  STOP_SEQUENCES_MAX,
  TEXT_TOKENS_MAX,
  VIDEO_DURATION_S_MAX,
  VIDEO_FPS_MAX,
  VIDEO_SIDE_PX_MAX,
} from './limits.ts';
import { ModelId } from './model.ts';
import type { Model } from './model.ts';
import { Metadata, NEGATIVE_PROMPT, plain, PROMPT, text } from './text.ts';
import { JobWebhook } from './webhook.ts';

function side(pxMax: number) {
  return z
    .int()
    .min(IMAGE_SIDE_PX_MIN)
    .max(pxMax)
    .multipleOf(IMAGE_SIDE_PX_STEP)
    .meta({
      description: `A multiple of ${IMAGE_SIDE_PX_STEP}.`,
      multipleOf: IMAGE_SIDE_PX_STEP,
    });
}

const Seed = z.int().min(0).max(SEED_MAX);
/** An uploaded input file. */
export const FileId = z.string().regex(/^file_[0-9a-z]{26}$/, 'a file id looks like file_01k…');
const Language = z
  .string()
  .regex(/^([a-z]{2,3}(-[A-Za-z]{2,4})?|auto)$/, 'a language code like en or pt-BR');

const COMMON = {
  model: ModelId.optional().meta({
    description: 'A model of `GET /v1/models`; left out, the first that is online.',
  }),
  deadline_s: z.int().min(1).max(DEADLINE_S_MAX).optional().meta({
    description: 'Seconds from now within which the job must start, else it fails uncharged.',
  }),
  metadata: Metadata.optional().meta({ description: 'Your own labels, given back with the job.' }),
  webhook: JobWebhook.optional(),
};

export const ImageRequest = z
  .strictObject({
    type: z.literal('image'),
    ...COMMON,
    prompt: text(PROMPT_CHARS_MAX).meta(PROMPT),
    negative_prompt: text(PROMPT_CHARS_MAX, 0).optional().meta(NEGATIVE_PROMPT),
    width: side(IMAGE_SIDE_PX_MAX).optional(),
    height: side(IMAGE_SIDE_PX_MAX).optional(),
    steps: z.int().min(1).max(STEPS_MAX).optional(),
    guidance: z.number().min(0).max(30).optional(),
    seed: Seed.optional(),
    count: z.int().min(1).max(IMAGE_COUNT_MAX).optional(),
    input_image: FileId.optional(),
    mask: FileId.optional().meta({
      description: 'Where it is white, `input_image` is painted anew.',
    }),
    mask_by: z.literal('transparency').optional().meta({
      description: 'The mask says where by being transparent, whatever its colours.',
    }),
    strength: z.number().min(0).max(1).optional(),
    loras: z
      .array(z.strictObject({ name: ModelId, weight: z.number().min(-2).max(2) }))
      .max(LORAS_MAX)
      .optional(),
    upscale: z.union([z.literal(2), z.literal(4)]).optional(),
  })
  .meta({ id: 'ImageRequest' });

export const VideoRequest = z
  .strictObject({
    type: z.literal('video'),
    ...COMMON,
    prompt: text(PROMPT_CHARS_MAX).meta(PROMPT),
    negative_prompt: text(PROMPT_CHARS_MAX, 0).optional().meta(NEGATIVE_PROMPT),
    width: side(VIDEO_SIDE_PX_MAX).optional(),
    height: side(VIDEO_SIDE_PX_MAX).optional(),
    duration_s: z.number().min(0.5).max(VIDEO_DURATION_S_MAX).optional(),
    fps: z.int().min(1).max(VIDEO_FPS_MAX).optional(),
    steps: z.int().min(1).max(STEPS_MAX).optional(),
    guidance: z.number().min(0).max(30).optional(),
    seed: Seed.optional(),
    input_image: FileId.optional(),
  })
  .meta({ id: 'VideoRequest' });

export const ChatMessage = z
  .strictObject({
    role: z.enum(['system', 'user', 'assistant']),
    content: text(MESSAGE_CHARS_MAX),
  })
  .meta({ id: 'ChatMessage' });

export const TextRequest = z
  .strictObject({
    type: z.literal('text'),
    ...COMMON,
    messages: z.array(ChatMessage).min(1).max(MESSAGES_MAX).optional(),
    prompt: text(MESSAGE_CHARS_MAX).optional(),
    max_tokens: z.int().min(1).max(TEXT_TOKENS_MAX).optional(),
    temperature: z.number().min(0).max(2).optional(),
    top_p: z.number().gt(0).max(1).optional(),
    stop: z
      .array(plain(z.string().min(1).max(STOP_CHARS_MAX)))
      .max(STOP_SEQUENCES_MAX)
      .optional(),
    seed: Seed.optional(),
    json: z.literal(true).optional().meta({
      description: 'Keeps the answer to JSON; the prompt must ask for it too.',
    }),
  })
  .refine((value) => (value.messages === undefined) !== (value.prompt === undefined), {
    message: 'send either messages or prompt',
    path: ['messages'],
  })
  .meta({ id: 'TextRequest' });

export const SpeechRequest = z
  .strictObject({
    type: z.literal('speech'),
    ...COMMON,
    input: text(SPEECH_CHARS_MAX),
    voice: z
      .string()
      .regex(/^[a-zA-Z0-9_+().-]{1,64}$/)
      .optional(),
    speed: z.number().min(0.25).max(4).optional(),
    language: Language.optional(),
    format: z.enum(['wav', 'mp3', 'ogg']).optional(),
  })
  .meta({ id: 'SpeechRequest' });

export const MusicRequest = z
  .strictObject({
    type: z.literal('music'),
    ...COMMON,
    prompt: text(PROMPT_CHARS_MAX),
    lyrics: text(LYRICS_CHARS_MAX, 0).optional(),
    duration_s: z.number().min(MUSIC_DURATION_S_MIN).max(MUSIC_DURATION_S_MAX).optional(),
    seed: Seed.optional(),
    format: z.enum(['wav', 'mp3', 'ogg']).optional(),
  })
  .meta({ id: 'MusicRequest' });

export const TranscriptionRequest = z
  .strictObject({
    type: z.literal('transcription'),
    ...COMMON,
    file: FileId,
    language: Language.optional(),
    translate: z.boolean().optional(),
    timestamps: z.enum(['none', 'segment', 'word']).optional(),
    format: z.enum(['json', 'text', 'srt', 'vtt']).optional(),
  })
  .meta({ id: 'TranscriptionRequest' });

/** Body of `POST /v1/jobs`. */
export const JobRequest = z
  .discriminatedUnion('type', [
    ImageRequest,
    VideoRequest,
    TextRequest,
    SpeechRequest,
    MusicRequest,
    TranscriptionRequest,
  ])
  .meta({ id: 'JobRequest' });
export type JobRequest = z.infer<typeof JobRequest>;

const SPEC = { model: ModelId };

export const ImageSpec = z.object({
  ...SPEC,
  type: z.literal('image'),
  prompt: z.string(),
  negative_prompt: z.string(),
  width: z.int(),
  height: z.int(),
  steps: z.int(),
  guidance: z.number(),
  seed: z.int(),
  count: z.int(),
  input_image: z.string().nullable(),
  mask: z.string().nullable(),
  /** Else by being white. */
  mask_by: z.literal('transparency').optional(),
  strength: z.number(),
  loras: z.array(z.object({ name: z.string(), weight: z.number() })),
  upscale: z.int(),
});
export type ImageSpec = z.infer<typeof ImageSpec>;

export const VideoSpec = z.object({
  ...SPEC,
  type: z.literal('video'),
  prompt: z.string(),
  negative_prompt: z.string(),
  width: z.int(),
  height: z.int(),
  duration_s: z.number(),
  fps: z.int(),
  steps: z.int(),
  guidance: z.number(),
  seed: z.int(),
  input_image: z.string().nullable(),
});
export type VideoSpec = z.infer<typeof VideoSpec>;

export const TextSpec = z.object({
  ...SPEC,
  type: z.literal('text'),
  messages: z.array(
    z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() }),
  ),
  /** Plain completion when set; `messages` is then empty. */
  prompt: z.string().nullable(),
  max_tokens: z.int(),
  temperature: z.number(),
  top_p: z.number(),
  stop: z.array(z.string()),
  seed: z.int(),
  /** Only where the answer is to be JSON. */
  json: z.literal(true).optional(),
});
export type TextSpec = z.infer<typeof TextSpec>;

export const SpeechSpec = z.object({
  ...SPEC,
  type: z.literal('speech'),
  input: z.string(),
  voice: z.string(),
  speed: z.number(),
  language: z.string(),
  format: z.enum(['wav', 'mp3', 'ogg']),
});
export type SpeechSpec = z.infer<typeof SpeechSpec>;

export const MusicSpec = z.object({
  ...SPEC,
  type: z.literal('music'),
  prompt: z.string(),
  lyrics: z.string(),
  duration_s: z.number(),
  seed: z.int(),
  format: z.enum(['wav', 'mp3', 'ogg']),
});
export type MusicSpec = z.infer<typeof MusicSpec>;

export const TranscriptionSpec = z.object({
  ...SPEC,
  type: z.literal('transcription'),
  file: z.string(),
  /** Of the file, as its headers tell; the price is by it. */
  duration_s: z.number().positive().optional(),
  language: z.string(),
  translate: z.boolean(),
  timestamps: z.enum(['none', 'segment', 'word']),
  format: z.enum(['json', 'text', 'srt', 'vtt']),
});
export type TranscriptionSpec = z.infer<typeof TranscriptionSpec>;

/** What an engine runs: complete, so that the same spec gives the same work anywhere. */
export const JobSpec = z.discriminatedUnion('type', [
  ImageSpec,
  VideoSpec,
  TextSpec,
  SpeechSpec,
  MusicSpec,
  TranscriptionSpec,
]);
export type JobSpec = z.infer<typeof JobSpec>;

/** Fills a request with the model's defaults; `seed` (0 to SEED_MAX) stands in for none given. */
export function toSpec(request: JobRequest, model: Model, seed: number): JobSpec {
  switch (request.type) {
    case 'image':
      return { ...pictureSpec(request, model, seed), ...imageSpec(request) };
    case 'video':
      return {
        ...pictureSpec(request, model, seed),
        type: 'video',
        duration_s: request.duration_s ?? model.durationS,
        fps: request.fps ?? model.fps,
      };
    case 'text':
      return {
        model: model.id,
        type: 'text',
        messages: request.messages ?? [],
        prompt: request.prompt ?? null,
        max_tokens: request.max_tokens ?? 512,
        temperature: request.temperature ?? 0.7,
        top_p: request.top_p ?? 1,
        stop: request.stop ?? [],
        seed: request.seed ?? seed,
        ...(request.json ? { json: request.json } : {}),
      };
    case 'speech':
      return {
        model: model.id,
        type: 'speech',
        input: request.input,
        voice: request.voice ?? model.voices[0] ?? 'default',
        speed: request.speed ?? 1,
        language: request.language ?? 'en',
        format: request.format ?? 'wav',
      };
    case 'music':
      return {
        model: model.id,
        type: 'music',
        prompt: request.prompt,
        lyrics: request.lyrics ?? '',
        duration_s: request.duration_s ?? model.durationS,
        seed: request.seed ?? seed,
        format: request.format ?? 'wav',
      };
    case 'transcription':
      return {
        model: model.id,
        type: 'transcription',
        file: request.file,
        language: request.language ?? 'auto',
        translate: request.translate ?? false,
        timestamps: request.timestamps ?? 'none',
        format: request.format ?? 'json',
      };
  }
}

function pictureSpec(
  request: z.infer<typeof ImageRequest> | z.infer<typeof VideoRequest>,
  model: Model,
  seed: number,
) {
  return {
    model: model.id,
    prompt: request.prompt,
    negative_prompt: request.negative_prompt ?? '',
    width: request.width ?? model.width,
    height: request.height ?? model.height,
    steps: request.steps ?? model.steps,
    guidance: request.guidance ?? model.guidance,
    seed: request.seed ?? seed,
    input_image: request.input_image ?? null,
  };
}

function imageSpec(request: z.infer<typeof ImageRequest>) {
  return {
    type: 'image' as const,
    count: request.count ?? 1,
    mask: request.mask ?? null,
    ...(request.mask_by ? { mask_by: request.mask_by } : {}),
    strength: request.strength ?? 0.6,
    loras: request.loras ?? [],
    upscale: request.upscale ?? 1,
  };
}

export const JOB_STATUSES = [
  'created',
  'queued',
  'running',
  'completed',
  'failed',
  'cancelled',
] as const;
export const JobStatus = z.enum(JOB_STATUSES).meta({ id: 'JobStatus' });
export type JobStatus = z.infer<typeof JobStatus>;

/** Whether a status is final. */
export function isTerminal(status: JobStatus): status is 'completed' | 'failed' | 'cancelled' {
  return status === 'completed' || status === 'failed' || status === 'cancelled';
}
