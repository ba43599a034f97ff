/**
 * `POST /v1/audio/speech`, `/v1/audio/transcriptions` and `/v1/audio/translations`: what is taken
 * and what is answered, in the shapes of OpenAI's API.
 */
import { z } from 'zod';
import { SentFile } from '../file.ts';
import { CompatibleModel, FormBoolean, formNumber, only } from './parameter.ts';

/**
 * The names of OpenAI's own voices, which no model here has: each stands for the first voice of
 * the model, so that a program moves without a change. `x-voice` of the answer tells which.
 */
export const OPENAI_VOICES = [
  'alloy',
  'ash',
  'ballad',
  'cedar',
  'coral',
  'echo',
  'fable',
  'marin',
  'nova',
  'onyx',
  'sage',
  'shimmer',
  'verse',
] as const;

export const SpeechRequest = z
  .strictObject({
    model: CompatibleModel,
    input: z.string(),
    voice: z.union([z.string(), z.strictObject({ id: z.string() })]).meta({
      description:
        "A voice of the model; a name of OpenAI's voices stands for the model's first, and " +
        '`x-voice` tells which that is.',
      example: 'alloy',
    }),
    response_format: z
      .enum(['mp3', 'opus', 'ogg', 'wav'])
      .optional()
      .meta({
        description:
          'Left out: `mp3`, or `wav` where the model makes none. `opus` and `ogg` are both an Ogg ' +
          "file, in the model's own codec.",
      }),
    speed: z.number().optional(),
    language: z.string().optional(),
    stream_format: only('audio'),
  })
  .meta({ id: 'SpeechCompatibleRequest' });
export type SpeechRequest = z.infer<typeof SpeechRequest>;

const RECORDING = {
  file: SentFile,
  model: CompatibleModel,
  response_format: z.enum(['json', 'text', 'srt', 'verbose_json', 'vtt']).optional(),
  temperature: formNumber(z.literal(0)).optional(),
};

export const TranscriptionRequest = z
  .strictObject({
    ...RECORDING,
    language: z.string().optional(),
    stream: FormBoolean.optional(),
    'timestamp_granularities[]': z.array(z.enum(['word', 'segment'])).optional(),
    chunking_strategy: only('auto'),
  })
  .meta({ id: 'TranscriptionCompatibleRequest' });
export type TranscriptionRequest = z.infer<typeof TranscriptionRequest>;

export const TranslationRequest = z.strictObject(RECORDING).meta({ id: 'TranslationRequest' });
export type TranslationRequest = z.infer<typeof TranslationRequest>;

const Span = { start: z.number(), end: z.number() };
const Word = z.object({ word: z.string(), ...Span });

/** The file of a transcription job whose format is `json`; see the agent's transcripts. */
export const TranscriptFile = z.object({
  text: z.string(),
  language: z.string().nullable(),
  duration: z.number(),
  segments: z
    .array(z.object({ id: z.int(), text: z.string(), ...Span, words: z.array(Word).optional() }))
    .optional(),
});
export type TranscriptFile = z.infer<typeof TranscriptFile>;

const DurationUsage = z.object({ type: z.literal('duration'), seconds: z.number() });

export const Transcription = z
  .object({ text: z.string(), usage: DurationUsage })
  .meta({ id: 'Transcription' });
export type Transcription = z.infer<typeof Transcription>;

export const VerboseTranscription = z
  .object({
    task: z.enum(['transcribe', 'translate']),
    language: z.string(),
    duration: z.number(),
    text: z.string(),
    segments: z.array(z.object({ id: z.int(), text: z.string(), ...Span })).optional(),
    words: z.array(Word).optional(),
    usage: DurationUsage,
  })
  .meta({ id: 'VerboseTranscription' });
export type VerboseTranscription = z.infer<typeof VerboseTranscription>;

export const TranscriptionEvent = z
  .union([
    z.object({ type: z.literal('transcript.text.delta'), delta: z.string() }),
    z.object({ type: z.literal('transcript.text.done'), text: z.string() }),
  ])
  .meta({ id: 'TranscriptionEvent' });
export type TranscriptionEvent = z.infer<typeof TranscriptionEvent>;
