/** `POST /v1/completions`: a plain prompt is continued, as OpenAI's clients send and expect it. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import { Completion, CompletionRequest } from '#schema/openai/text.ts';
import type { JobRecord } from '#schema/record.ts';
import type { AppEnv } from '../../env.ts';
import { keyed } from '../access.ts';
import { BY_API_KEY, errors, json } from '../describe.ts';
import { toFieldWire } from '../error.ts';
import { refuse } from '../wire.ts';
import { onUnsupported, SUBMIT_ERRORS, SubmitHeaders, submitFor, WAIT_ERRORS } from './caller.ts';
import { finishOf, readText, tellText, toFrame, toSampling, usageOf } from './text.ts';
import type { TextFrames } from './text.ts';
import { streamEvents, waitForEnd } from './wait.ts';

const REQUEST_EXAMPLE = { model: 'chat', prompt: 'Once upon a time', max_tokens: 100 };

const completionRoute = createRoute({
  method: 'post',
  path: '/v1/completions',
  tags: ['OpenAI-compatible'],
  summary: 'Continue a text',
  description:
    'As the official OpenAI clients send and expect it, for one prompt; `x-job-id` names the job.',
  security: BY_API_KEY,
  middleware: keyed,
  request: {
    headers: SubmitHeaders,
    body: { content: json(CompletionRequest, REQUEST_EXAMPLE), required: true },
  },
  responses: {
    200: {
      description: 'The text; with `stream`, its pieces as server-sent events, then `[DONE]`.',
      content: { ...json(Completion), 'text/event-stream': { schema: Completion } },
    },
    ...errors(...SUBMIT_ERRORS, ...WAIT_ERRORS, 'stream_restarted'),
  },
});

export const completionRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onUnsupported }).openapi(
  completionRoute,
  async (c) => {
    const body = c.req.valid('json');
    const env = c.get('env');
    if (body.stream_options && !body.stream) {
      refuse(toFieldWire({ field: 'stream_options', message: 'is only for a stream' }));
    }
    const prompt = typeof body.prompt === 'string' ? body.prompt : body.prompt[0];
    const request = { ...toSampling(body), prompt, max_tokens: body.max_tokens };
    const job = await submitFor(c, { request, sent: body, names: {} });
    if (body.stream) {
      const { record } = job;
      const frames = framesOf(record, body.stream_options?.include_usage === true);
      return streamEvents(c, { job, tell: (events) => tellText(env, { record, frames }, events) });
    }
    const record = await waitForEnd(c, job);
    const answer = toCompletion(record, await readText(env, record), finishOf(record));
    return c.json({ ...answer, usage: usageOf(record) }, 200);
  },
);

type Finish = Completion['choices'][number]['finish_reason'];

function toCompletion(
  { id, createdAt, spec }: JobRecord,
  text: string,
  finish: Finish,
): Completion {
  return {
    id: `cmpl-${id}`,
    object: 'text_completion',
    created: Math.floor(createdAt / 1000),
    model: spec.model,
    choices: [{ index: 0, text, logprobs: null, finish_reason: finish }],
  };
}

function framesOf(record: JobRecord, includeUsage: boolean): TextFrames {
  return {
    begin: '',
    piece: (text) => toFrame(toCompletion(record, text, null)),
    end: (ended) => {
      const last = { ...toCompletion(ended, '', null), choices: [], usage: usageOf(ended) };
      const finish = toFrame(toCompletion(ended, '', finishOf(ended)));
      return `${finish}${includeUsage ? toFrame(last) : ''}data: [DONE]\n\n`;
    },
  };
}
