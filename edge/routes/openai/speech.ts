/** `POST /v1/audio/speech`, as OpenAI's clients send and expect it: the answer is the sound. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import { findModel } from '#schema/model.ts';
import { OPENAI_VOICES, SpeechRequest } from '#schema/openai/audio.ts';
import type { AppEnv } from '../../env.ts';
import { openResult } from '../../services/openai/open-result.ts';
import { keyed } from '../access.ts';
import { BY_API_KEY, errors, json } from '../describe.ts';
import { refuse } from '../wire.ts';
import { onUnsupported, SUBMIT_ERRORS, SubmitHeaders, submitFor, WAIT_ERRORS } from './caller.ts';
import { toOpenWire } from './outcome.ts';
import { waitForEnd } from './wait.ts';

const REQUEST_EXAMPLE = { model: 'kokoro', input: 'The tide is turning.', voice: 'af_heart' };
const SOUND = { schema: { type: 'string', format: 'binary' } } as const;

const speechRoute = createRoute({
  method: 'post',
  path: '/v1/audio/speech',
  tags: ['OpenAI-compatible'],
  summary: 'Speak a text',
  description:
    'As the official OpenAI clients send and expect it; `x-job-id` names the job, `x-voice` the ' +
    'voice. Which voices and formats a model has, `GET /v1/models` tells. Waits up to 9 minutes.',
  security: BY_API_KEY,
  middleware: keyed,
  request: {
    headers: SubmitHeaders,
    body: { content: json(SpeechRequest, REQUEST_EXAMPLE), required: true },
  },
  responses: {
    200: {
      description: 'The sound.',
      content: { 'audio/mpeg': SOUND, 'audio/ogg': SOUND, 'audio/wav': SOUND },
    },
    ...errors(...SUBMIT_ERRORS, ...WAIT_ERRORS),
  },
});

export const speechRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onUnsupported }).openapi(
  speechRoute,
  async (c) => {
    const body = c.req.valid('json');
    const { model, input, speed, language } = body;
    const voice = typeof body.voice === 'string' ? body.voice : body.voice.id;
    const isTheirs = (OPENAI_VOICES as readonly string[]).includes(voice);
    const request = {
      type: 'speech',
      ...{ model, input, speed, language },
      voice: isTheirs ? undefined : voice,
      format: toFormat(body),
    };
    const names = { format: 'response_format' };
    const job = await submitFor(c, { request, sent: body, names });
    const { spec } = job.record;
    if (spec.type === 'speech') c.header('x-voice', spec.voice);
    const env = c.get('env');
    const opened = await openResult(env, await waitForEnd(c, job), { index: 0 });
    if (!opened.ok) refuse(toOpenWire(opened.error));
    const { object, contentType } = opened.value;
    return c.body(object.body, 200, {
      'content-type': contentType,
      'content-length': String(object.size),
    });
  },
);

/** Our name of a format; without one, theirs by default where the named model makes it. */
function toFormat({ response_format: format, model }: SpeechRequest) {
  if (format === 'opus') return 'ogg';
  if (format !== undefined) return format;
  return findModel(model ?? '')?.formats.includes('mp3') ? 'mp3' : undefined;
}
