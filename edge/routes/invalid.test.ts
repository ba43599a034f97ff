import { expect, it } from 'vitest';
import { z } from 'zod';
import { SentFile } from '#schema/file.ts';
import { JobRequest } from '#schema/job.ts';
import { ChatCompletionRequest } from '#schema/openai/text.ts';
import { UpdateWebhook } from '#schema/webhook.ts';
import { toInvalidWire } from './invalid.ts';
import { toErrorAnswer } from './wire.ts';

/** What a developer is told of a body that does not parse. */
function tell(schema: z.ZodType, sent: unknown) {
  const { error } = schema.safeParse(sent);
  const { body } = toErrorAnswer(toInvalidWire(error!, sent), 'req_test');
  return { message: body.error.message, param: body.error.param };
}

const TYPES = 'image, video, text, speech, music, transcription';
const chat = { messages: [{ role: 'user', content: 'hi' }] };

it.each([
  [JobRequest, { type: 'picture' }, `type must be one of ${TYPES}.`, 'type'],
  [JobRequest, {}, `type is missing; it must be one of ${TYPES}.`, 'type'],
  [JobRequest, { type: 'image' }, 'prompt is missing.', 'prompt'],
  [z.object({ f: SentFile }), {}, 'f is missing.', 'f'],
  [z.object({ f: SentFile }), { f: 'x' }, 'f must be a file.', 'f'],
  [z.object({ a: z.null() }), { a: 1 }, 'a must be null.', 'a'],
  [z.object({ a: z.literal([1, '1']) }), { a: 2 }, 'a must be 1.', 'a'],
  [z.object({ a: z.array(z.string()).min(1) }), { a: [] }, 'a must have at least 1 item.', 'a'],
  [z.object({ a: z.array(z.int()).min(2) }), { a: [] }, 'a must have at least 2 items.', 'a'],
  [UpdateWebhook, {}, 'the body must change something: url, events, description or enabled.', null],
  [
    ChatCompletionRequest,
    { ...chat, tools: [1] },
    'tools is not supported here; leave it out.',
    'tools',
  ],
] as const)('%#: tells in words what is wrong', (schema, sent, message, param) => {
  expect(tell(schema, sent)).toEqual({ message, param });
});
