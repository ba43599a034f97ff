/**
 * `POST /v1/chat/completions` and `/v1/completions`: what is taken and what is answered, in the
 * shapes of OpenAI's API (platform.openai.com/docs/api-reference/chat).
 * Numbers are bounded where the request becomes a job, by the job's own schema.
 */
import { z } from 'zod';
import { CompatibleModel, EndUser, EpochSeconds, Labels, only, TextUsage } from './parameter.ts';

const Content = z.union(
  [z.string(), z.array(z.strictObject({ type: z.literal('text'), text: z.string() })).min(1)],
  { error: 'must be a text, or parts of type text: nothing else is read here' },
);

/** A list that must have nothing in it. */
const Nothing = z
  .array(z.unknown())
  .refine((list) => list.length === 0, 'is not supported here; leave it out')
  .meta({ maxItems: 0 });

/** An earlier answer may be sent back as it came, with what it says of things it has not. */
const ABSENT = {
  refusal: z.null().optional(),
  annotations: z.array(z.unknown()).max(0).optional(),
  audio: z.null().optional(),
  function_call: z.null().optional(),
  tool_calls: z.array(z.unknown()).max(0).nullish(),
};

export const CompatibleMessage = z.discriminatedUnion('role', [
  z.strictObject({ role: z.enum(['system', 'developer', 'user']), content: Content }),
  z.strictObject({ role: z.literal('assistant'), content: Content, ...ABSENT }),
]);
export type CompatibleMessage = z.infer<typeof CompatibleMessage>;

const SAMPLING = {
  model: CompatibleModel,
  max_tokens: z.number().nullish().meta({ description: 'At most so many; 512 when left out.' }),
  temperature: z.number().nullish().meta({ description: '0 to 2; 1 when left out.' }),
  top_p: z.number().nullish(),
  seed: z.number().nullish(),
  stop: z.union([z.string(), z.array(z.string())]).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({
      include_usage: z.boolean().nullish(),
      include_obfuscation: only(false),
    })
    .nullish(),
  user: EndUser,
  safety_identifier: EndUser,
  n: only(1),
  presence_penalty: only(0),
  frequency_penalty: only(0),
  logit_bias: z.strictObject({}).nullish(),
};

export const ChatCompletionRequest = z
  .strictObject({
    ...SAMPLING,
    messages: z.array(CompatibleMessage).min(1),
    max_completion_tokens: z.number().nullish(),
    metadata: Labels,
    response_format: z
      .object({ type: z.enum(['text', 'json_object']) })
      .optional()
      .meta({
        description:
          'Where the engine can: JSON of any shape. For a schema, put it into a message.',
      }),
    logprobs: only(false),
    modalities: z.array(z.literal('text')).nullish(),
    store: only(false),
    service_tier: only('auto', 'default'),
    tools: Nothing.optional(),
    tool_choice: only('none', 'auto'),
    parallel_tool_calls: z.boolean().optional(),
  })
  .meta({ id: 'ChatCompletionRequest' });
export type ChatCompletionRequest = z.infer<typeof ChatCompletionRequest>;

export const CompletionRequest = z
  .strictObject({
    ...SAMPLING,
    prompt: z.union([z.string(), z.tuple([z.string()])], {
      error: 'must be one text; send several as requests of their own',
    }),
    best_of: only(1),
    echo: only(false),
    suffix: only(''),
    logprobs: z.null().optional(),
  })
  .meta({ id: 'CompletionRequest' });
export type CompletionRequest = z.infer<typeof CompletionRequest>;

export const FinishReason = z.enum(['stop', 'length']);
export type FinishReason = z.infer<typeof FinishReason>;

const ANSWER = { id: z.string(), created: EpochSeconds, model: z.string() };

export const ChatCompletion = z
  .object({
    ...ANSWER,
    object: z.literal('chat.completion'),
    choices: z.tuple([
      z.object({
        index: z.literal(0),
        message: z.object({
          role: z.literal('assistant'),
          content: z.string(),
          refusal: z.null(),
        }),
        logprobs: z.null(),
        finish_reason: FinishReason,
      }),
    ]),
    usage: TextUsage,
  })
  .meta({ id: 'ChatCompletion' });
export type ChatCompletion = z.infer<typeof ChatCompletion>;

/** One event of a streamed chat; the last is followed by `[DONE]`. */
export const ChatCompletionChunk = z
  .object({
    ...ANSWER,
    object: z.literal('chat.completion.chunk'),
    choices: z.array(
      z.object({
        index: z.literal(0),
        delta: z.object({
          role: z.literal('assistant').optional(),
          content: z.string().optional(),
        }),
        logprobs: z.null(),
        finish_reason: FinishReason.nullable(),
      }),
    ),
    usage: TextUsage.nullish(),
  })
  .meta({ id: 'ChatCompletionChunk' });
export type ChatCompletionChunk = z.infer<typeof ChatCompletionChunk>;

/** An answer, and each event of a streamed one. */
export const Completion = z
  .object({
    ...ANSWER,
    object: z.literal('text_completion'),
    choices: z.array(
      z.object({
        index: z.literal(0),
        text: z.string(),
        logprobs: z.null(),
        finish_reason: FinishReason.nullable(),
      }),
    ),
    usage: TextUsage.nullish(),
  })
  .meta({ id: 'Completion' });
export type Completion = z.infer<typeof Completion>;
