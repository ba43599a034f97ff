/** `POST /v1/chat/completions`, as OpenAI's clients send and expect it. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import { ChatCompletion, ChatCompletionChunk, ChatCompletionRequest } from '#schema/openai/text.ts';
import type { CompatibleMessage } from '#schema/openai/text.ts';
import type { JobRecord } from '#schema/record.ts';
import type { AppEnv } from '../../env.ts';
import { keyed } from '../access.ts';
import { BY_API_KEY, errors, json } from '../describe.ts';
import { toFieldWire } from '../error.ts';
import { refuse } from '../wire.ts';
import type { Work } from './caller.ts';
import { onUnsupported, SUBMIT_ERRORS, SubmitHeaders, submitFor, WAIT_ERRORS } from './caller.ts';
import { finishOf, readText, tellText, toFrame, toSampling, usageOf } from './text.ts';
import type { TextFrames } from './text.ts';
import { streamEvents, waitForEnd } from './wait.ts';

const REQUEST_EXAMPLE = {
  model: 'chat',
  messages: [
    { role: 'system', content: 'You answer in one sentence.' },
    { role: 'user', content: 'Why is the sea salt?' },
  ],
  max_tokens: 100,
  stream: true,
  stream_options: { include_usage: true },
};

const chatRoute = createRoute({
  method: 'post',
  path: '/v1/chat/completions',
  tags: ['OpenAI-compatible'],
  summary: 'Answer a conversation',
  description:
    'As the official OpenAI clients send and expect it; `x-job-id` names the job. A stream that ' +
    'waits in the queue is kept open by comments. Parameters that are not supported are refused ' +
    'by name. An answer that does not stream is waited for up to 9 minutes.',
  security: BY_API_KEY,
  middleware: keyed,
  request: {
    headers: SubmitHeaders,
    body: { content: json(ChatCompletionRequest, REQUEST_EXAMPLE), required: true },
  },
  responses: {
    200: {
      description: 'The answer; with `stream`, its pieces as server-sent events, then `[DONE]`.',
      content: {
        ...json(ChatCompletion),
        'text/event-stream': { schema: ChatCompletionChunk },
      },
    },
    ...errors(...SUBMIT_ERRORS, ...WAIT_ERRORS, 'stream_restarted'),
  },
});

export const chatRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onUnsupported }).openapi(
  chatRoute,
  async (c) => {
    const body = c.req.valid('json');
    const env = c.get('env');
    const job = await submitFor(c, { ...toJob(body), sent: body });
    if (body.stream) {
      const { record } = job;
      const frames = framesOf(record, body.stream_options?.include_usage === true);
      return streamEvents(c, { job, tell: (events) => tellText(env, { record, frames }, events) });
    }
    const record = await waitForEnd(c, job);
    return c.json(toCompletion(record, await readText(env, record)), 200);
  },
);

function toJob(body: ChatCompletionRequest): Omit<Work, 'sent'> {
  const { max_tokens, max_completion_tokens, metadata } = body;
  if (body.stream_options && !body.stream) {
    refuse(toFieldWire({ field: 'stream_options', message: 'is only for a stream' }));
  }
  const most = max_completion_tokens ?? max_tokens;
  if ((max_tokens ?? most) !== most) {
    refuse(toFieldWire({ field: 'max_tokens', message: 'must be max_completion_tokens or none' }));
  }
  const sampling = toSampling(body);
  return {
    request: {
      ...sampling,
      messages: body.messages.map(toMessage),
      max_tokens: most,
      json: body.response_format?.type === 'json_object' ? true : undefined,
      metadata: metadata || sampling.metadata ? { ...metadata, ...sampling.metadata } : undefined,
    },
    names: {
      json: 'response_format',
      ...(most === max_tokens ? {} : { max_tokens: 'max_completion_tokens' }),
    },
  };
}

function toMessage({ role, content }: CompatibleMessage) {
  const text = typeof content === 'string' ? content : content.map((part) => part.text).join('');
  return { role: role === 'developer' ? 'system' : role, content: text };
}

function headOf({ id, createdAt, spec }: JobRecord) {
  return { id: `chatcmpl-${id}`, created: Math.floor(createdAt / 1000), model: spec.model };
}

function toCompletion(record: JobRecord, content: string): ChatCompletion {
  return {
    ...headOf(record),
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content, refusal: null },
        logprobs: null,
        finish_reason: finishOf(record),
      },
    ],
    usage: usageOf(record),
  };
}

type Choice = ChatCompletionChunk['choices'][number];

function framesOf(record: JobRecord, includeUsage: boolean): TextFrames {
  const head = { ...headOf(record), object: 'chat.completion.chunk' as const };
  const usage = includeUsage ? { usage: null } : {};
  const chunk = (delta: Choice['delta'], finish_reason: Choice['finish_reason'] = null) => {
    const choices: Choice[] = [{ index: 0, delta, logprobs: null, finish_reason }];
    return toFrame({ ...head, choices, ...usage } satisfies ChatCompletionChunk);
  };
  return {
    begin: chunk({ role: 'assistant', content: '' }),
    piece: (content) => chunk({ content }),
    end: (ended) => {
      const last: ChatCompletionChunk = { ...head, choices: [], usage: usageOf(ended) };
      return `${chunk({}, finishOf(ended))}${includeUsage ? toFrame(last) : ''}data: [DONE]\n\n`;
    },
  };
}
