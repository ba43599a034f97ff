/** `POST /v1/images/generations`, as OpenAI's clients send and expect it. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import { ImageEvent, ImageGenerationRequest, ImagesResponse } from '#schema/openai/image.ts';
import type { ImageStreamKind } from '#schema/openai/image.ts';
import { parseSize } from '#schema/openai/parameter.ts';
import type { LiveJob } from '#schema/record.ts';
import type { AppEnv } from '../../env.ts';
import { awaitEnd } from '../../services/openai/await-end.ts';
import { streamAnswer } from '../../services/openai/stream-answer.ts';
import { keyed } from '../access.ts';
import { BY_API_KEY, errors, json } from '../describe.ts';
import { toFieldWire } from '../error.ts';
import { refuse } from '../wire.ts';
import type { Call } from './caller.ts';
import {
  clientOf,
  onUnsupported,
  SUBMIT_ERRORS,
  SubmitHeaders,
  submitFor,
  WAIT_ERRORS,
} from './caller.ts';
import { lastWords, STREAM_HEADERS, toEndWire, withRefusals } from './outcome.ts';
import { IMAGE_NAMES, tellPictures, viewUrls, writeBase64 } from './picture.ts';

const REQUEST_EXAMPLE = {
  model: 'sdxl',
  prompt: 'a lighthouse at dusk, oil on canvas',
  n: 1,
  size: '1024x1024',
};

/** What both picture routes answer. */
export const PICTURE_ANSWER = {
  description:
    'The pictures; with `stream`, server-sent events: previews of the work as it comes, then ' +
    'each picture.',
  content: { ...json(ImagesResponse), 'text/event-stream': { schema: ImageEvent } },
};

const generationRoute = createRoute({
  method: 'post',
  path: '/v1/images/generations',
  tags: ['OpenAI-compatible'],
  summary: 'Make pictures of a prompt',
  description:
    'As the official OpenAI clients send and expect it; `x-job-id` names the job. Waits for the ' +
    'end up to 9 minutes. `negative_prompt`, `steps`, `guidance` and `seed` are taken too.',
  security: BY_API_KEY,
  middleware: keyed,
  request: {
    headers: SubmitHeaders,
    body: { content: json(ImageGenerationRequest, REQUEST_EXAMPLE), required: true },
  },
  responses: { 200: PICTURE_ANSWER, ...errors(...SUBMIT_ERRORS, ...WAIT_ERRORS) },
});

export const imageRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onUnsupported }).openapi(
  generationRoute,
  async (c) => {
    const body = c.req.valid('json');
    const { model, prompt, n, negative_prompt, steps, guidance, seed, user } = body;
    const request = {
      type: 'image',
      ...{ model, prompt, negative_prompt, steps, guidance, seed },
      ...parseSize(body.size),
      count: n,
      metadata: user ? { user } : undefined,
    };
    checkStream(body);
    const job = await submitFor(c, { request, sent: body, names: IMAGE_NAMES });
    return answerPictures(c, { job, kind: 'image_generation', asked: body });
  },
);

interface Asked {
  readonly stream?: boolean | null | undefined;
  readonly partial_images?: number | null | undefined;
  readonly response_format?: 'url' | 'b64_json' | null | undefined;
}

/** Refuses what a stream, or an answer that is none, cannot give. */
export function checkStream({ stream, partial_images, response_format }: Asked): void {
  if (partial_images && !stream) {
    refuse(toFieldWire({ field: 'partial_images', message: 'is only for a stream' }));
  }
  if (stream && response_format === 'url') {
    refuse(toFieldWire({ field: 'response_format', message: 'must be b64_json for a stream' }));
  }
}

/** Waits for the pictures and answers them, or streams them as they come. */
export async function answerPictures(
  c: Call,
  { job, kind, asked }: { job: LiveJob; kind: ImageStreamKind; asked: Asked },
) {
  const env = c.var.env;
  const waiting = { job, client: clientOf(c), origin: c.var.origin };
  if (asked.stream) {
    const requestId = c.var.requestId;
    const told = { record: job.record, kind, partials: asked.partial_images ?? 0 };
    const stream = streamAnswer(env, {
      ...waiting,
      tell: (events) => withRefusals(tellPictures(env, told, events), requestId),
      lastWords: lastWords(requestId),
    });
    return c.body(stream, 200, STREAM_HEADERS);
  }
  const ended = await awaitEnd(env, waiting);
  if (!ended.ok) refuse(toEndWire(ended.error));
  const record = ended.value;
  if (asked.response_format === 'url') {
    return c.json(await viewUrls(env, { record, origin: c.var.origin }), 200);
  }
  return c.body(writeBase64(env, record), 200, { 'content-type': 'application/json' });
}
