/** `POST /v1/images/generations`, as OpenAI's clients send and expect it. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import { ImageEvent, ImageGenerationRequest, ImagesResponse } from '#schema/openai/image.ts';
import type { ImageStreamKind } from '#schema/openai/image.ts';
import { endUserOf, parseSize } from '#schema/openai/parameter.ts';
import type { LiveJob } from '#schema/record.ts';
import type { AppEnv } from '../../env.ts';
import { keyed } from '../access.ts';
import { BY_API_KEY, errors, json } from '../describe.ts';
import { toFieldWire } from '../error.ts';
import { refuse } from '../wire.ts';
import type { Call } from './caller.ts';
import { onUnsupported, SUBMIT_ERRORS, SubmitHeaders, submitFor, WAIT_ERRORS } from './caller.ts';
import {
  IMAGE_NAMES,
  openPictures,
  tellPictures,
  toSteps,
  viewUrls,
  writeBase64,
} from './picture.ts';
import { streamEvents, waitForEnd } from './wait.ts';

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
    const { model, prompt, n, negative_prompt, guidance, seed } = body;
    const request = {
      type: 'image',
      ...{ model, prompt, negative_prompt, guidance, seed },
      ...parseSize(body.size),
      steps: toSteps(body),
      count: n,
      metadata: endUserOf(body),
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
  const { env, origin } = c.var;
  if (asked.stream) {
    const told = { record: job.record, kind, partials: asked.partial_images ?? 0 };
    return streamEvents(c, { job, tell: (events) => tellPictures(env, told, events) });
  }
  const record = await waitForEnd(c, job);
  if (asked.response_format === 'url') return c.json(await viewUrls(env, { record, origin }), 200);
  const { body, bytes } = writeBase64(record, await openPictures(env, record));
  const headers = { 'content-type': 'application/json', 'content-length': String(bytes) };
  return c.body(body, 200, headers);
}
