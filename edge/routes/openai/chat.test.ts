import OpenAI from 'openai';
import type { APIError } from 'openai';
import { describe, expect, it } from 'vitest';
import type { LeasedJob } from '#schema/agent-protocol.ts';
import { ChatCompletion, ChatCompletionChunk } from '#schema/openai/text.ts';
import { expectAuthRefusals, expectError, HttpWorld } from '../../test/http.ts';
import { answerText, finishWith, OpenAiWorld, takeSoon } from '../../test/openai.ts';
import { eventually } from '../../test/world.ts';

const ASKED = {
  model: 'chat',
  messages: [{ role: 'user' as const, content: 'Why is the sea salt?' }],
  max_tokens: 50,
};
const IN_JSON_BY_ONE_THAT_CANNOT = {
  model: 'chat-small',
  response_format: { type: 'json_object' },
};
const PIECES = ['Rivers ', 'bring ', 'it.'];
const USAGE = { promptTokens: 12, completionTokens: 3 };

/** What the job was really asked, without the seed that we draw. */
function specOf({ spec }: LeasedJob): object {
  return { ...spec, seed: 0 };
}

describe('POST /v1/chat/completions', () => {
  it('answers a conversation with its usage', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['chat']);
    const asking = client.chat.completions.create({
      ...ASKED,
      messages: [
        { role: 'developer', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Why is ' },
            { type: 'text', text: 'it?' },
          ],
        },
        { role: 'assistant', content: 'What?', refusal: null },
        { role: 'user', content: 'The sea.' },
      ],
      stop: '\n',
      top_p: 0.5,
      seed: 7,
      response_format: { type: 'json_object' },
      user: 'ada',
      metadata: { topic: 'sea' },
    });
    const job = await takeSoon(agent);
    expect(job.spec).toEqual({
      type: 'text',
      model: 'chat',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Why is it?' },
        { role: 'assistant', content: 'What?' },
        { role: 'user', content: 'The sea.' },
      ],
      prompt: null,
      max_tokens: 50,
      temperature: 1,
      top_p: 0.5,
      stop: ['\n'],
      seed: 7,
      json: true,
    });
    await answerText(agent, job, { pieces: PIECES, usage: USAGE });
    const answer = await asking;
    expect(ChatCompletion.parse(answer)).toMatchObject({
      object: 'chat.completion',
      model: 'chat',
      choices: [{ message: { content: 'Rivers bring it.' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 },
    });
    const { headers } = world.exchanges[0]!.response;
    expect(headers.get('x-job-id')).toBe(job.jobId);
    expect(Number(headers.get('ratelimit-limit'))).toBeGreaterThan(0);
  });

  it('streams the pieces as they come, then the usage', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['chat']);
    const stream = await client.chat.completions.create({
      ...ASKED,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks: unknown[] = [];
    const reading = (async () => {
      for await (const chunk of stream) chunks.push(chunk);
    })();
    await answerText(agent, await takeSoon(agent), { pieces: PIECES, usage: USAGE });
    await reading;
    const parsed = chunks.map((chunk) => ChatCompletionChunk.parse(chunk));
    const deltas = parsed.flatMap(({ choices }) => choices.map(({ delta }) => delta));
    expect(deltas[0]).toEqual({ role: 'assistant', content: '' });
    expect(deltas.map(({ content = '' }) => content).join('')).toBe('Rivers bring it.');
    expect(parsed.at(-2)!.choices[0]!.finish_reason).toBe('stop');
    expect(parsed.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 15 } });
    expect(parsed.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    expect(new Set(parsed.map(({ id }) => id)).size).toBe(1);
  });

  it('says that an answer was cut at its most tokens, and tells what the feed had not', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['chat']);
    const stream = await client.chat.completions.create({ ...ASKED, max_tokens: 3, stream: true });
    const job = await takeSoon(agent);
    await agent.stream(job, 0, 'Rivers ');
    const bytes = new TextEncoder().encode('Rivers bring it');
    const usage = { completionTokens: 3 };
    await finishWith(agent, job, { files: [{ bytes, contentType: 'text/plain' }], usage });
    let text = '';
    let finish: string | null = null;
    for await (const { choices } of stream) {
      text += choices[0]?.delta.content ?? '';
      finish = choices[0]?.finish_reason ?? finish;
    }
    expect([text, finish]).toEqual(['Rivers bring it', 'length']);
  });

  it.each([
    ['a mark of byte order first', ['\ufeffSalt', ' of rivers']],
    ['a character in two pieces', ['a \ud83d', '\ude00']],
    ['line ends of all kinds', ['a\r\n', '\n\nb\u2028c']],
  ])('streams %s as it is', async (_, pieces) => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['chat']);
    const stream = await client.chat.completions.create({ ...ASKED, stream: true });
    await answerText(agent, await takeSoon(agent), { pieces, usage: USAGE });
    let text = '';
    for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
    expect(text).toBe(pieces.join(''));
  });

  it('goes on after a lost GPU whose words the next one repeats', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['chat']);
    const stream = await client.chat.completions.create({ ...ASKED, stream: true });
    const first = await takeSoon(agent);
    await agent.stream(first, 0, 'Rivers bri');
    await agent.fail(first, { code: 'job_failed', retryable: true });
    await answerText(agent, await takeSoon(agent), { pieces: PIECES, usage: USAGE });
    let text = '';
    for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
    expect(text).toBe('Rivers bring it.');
  });

  it('breaks off, and cancels, when the next GPU has other words', async () => {
    const world = new OpenAiWorld();
    const { client, agent, key } = await world.open(['chat']);
    const stream = await client.chat.completions.create({ ...ASKED, stream: true });
    const pieces: string[] = [];
    const reading = (async () => {
      for await (const { choices } of stream) pieces.push(choices[0]?.delta.content ?? '');
    })();
    // Nobody may wait for it before it fails.
    reading.catch(() => {});
    const first = await takeSoon(agent);
    await agent.stream(first, 0, 'The rain');
    await eventually(async () => pieces.includes('The rain'));
    await agent.fail(first, { code: 'job_failed', retryable: true });
    const second = await takeSoon(agent);
    await agent.stream(second, 0, 'Rivers ');
    await expect(reading).rejects.toMatchObject({ code: 'stream_restarted', type: 'server_error' });
    await eventually(async () => {
      const job = await (
        await world.get(`/v1/jobs/${first.jobId}`, key)
      ).json<{
        cancel_requested: boolean;
      }>();
      return job.cancel_requested;
    });
  });

  it.each([
    [{ logit_bias: { 50256: -100 } }, 'logit_bias', 'invalid_request'],
    [{ functions: [] }, 'functions', 'unsupported_parameter'],
    [{ top_logprobs: 2 }, 'top_logprobs', 'unsupported_parameter'],
    [{ reasoning_effort: 'low' }, 'reasoning_effort', 'unsupported_parameter'],
    [{ tools: [{ type: 'function', function: { name: 'f' } }] }, 'tools', 'invalid_request'],
    [IN_JSON_BY_ONE_THAT_CANNOT, 'response_format', 'unsupported_parameter'],
    [{ n: 2 }, 'n', 'invalid_request'],
    [{ presence_penalty: 0.5 }, 'presence_penalty', 'invalid_request'],
    [{ response_format: { type: 'json_schema' } }, 'response_format.type', 'invalid_request'],
    [{ temperature: 3 }, 'temperature', 'invalid_request'],
    [
      { max_tokens: undefined, max_completion_tokens: 0 },
      'max_completion_tokens',
      'invalid_request',
    ],
    [{ max_completion_tokens: 7 }, 'max_tokens', 'invalid_request'],
    [{ stream_options: { include_usage: true } }, 'stream_options', 'invalid_request'],
    [{ model: 'gpt-4o' }, 'model', 'unknown_model'],
    [{ messages: [] }, 'messages', 'invalid_request'],
  ])('refuses %j by its name', async (more, param, code) => {
    const world = new OpenAiWorld();
    const { client } = await world.open(['chat']);
    const asking = client.chat.completions.create({ ...ASKED, ...more } as never);
    const error = await asking.then(null, (refusal: unknown) => refusal);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ code, type: 'invalid_request_error' });
    expect((error as APIError).param?.startsWith(param.split('.')[0]!), String(error)).toBe(true);
    expect((error as APIError).message).toContain(param.split('.')[0]!);
  });

  it.each([
    [
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] },
      'messages[0].content must be a text, or parts of type text: nothing else is read here.',
    ],
    [
      { messages: [{ role: 'assistant', content: null }] },
      'messages[0].content must be a text, or parts of type text: nothing else is read here.',
    ],
    [{ tools: [{ type: 'function' }] }, 'tools is not supported here; leave it out.'],
  ])('says what is wrong with %j in words', async (more, words) => {
    const world = new OpenAiWorld();
    const { key } = await world.open([]);
    const refused = await world.post('/v1/chat/completions', key, { ...ASKED, ...more });
    expect((await expectError(refused, 'invalid_request')).message).toBe(words);
  });

  it('refuses whoever has no valid key, before anything else', async () => {
    const json = { ...ASKED, temperature: 9 };
    const route = ['POST', '/v1/chat/completions'] as const;
    await expectAuthRefusals(new HttpWorld(), route, { caller: 'account', json });
  });
});

describe('POST /v1/completions', () => {
  it('continues a prompt, whole and as a stream', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['chat']);
    const asked = { model: 'chat', prompt: 'Once', max_tokens: 20 };
    const asking = client.completions.create(asked);
    const job = await takeSoon(agent);
    expect(specOf(job)).toMatchObject({ messages: [], prompt: 'Once', temperature: 1 });
    await answerText(agent, job, { pieces: [' upon', ' a time'], usage: USAGE });
    expect(await asking).toMatchObject({
      object: 'text_completion',
      choices: [{ text: ' upon a time', finish_reason: 'stop' }],
      usage: { total_tokens: 15 },
    });
    const stream = await client.completions.create({
      ...asked,
      stream: true,
      stream_options: { include_usage: true },
    });
    await answerText(agent, await takeSoon(agent), { pieces: [' upon', ' a time'], usage: USAGE });
    let text = '';
    let total = 0;
    for await (const { choices, usage } of stream) {
      text += choices[0]?.text ?? '';
      total = usage?.total_tokens ?? total;
    }
    expect([text, total]).toEqual([' upon a time', 15]);
  });

  it.each([
    [{ prompt: ['a', 'b'] }, 'prompt'],
    [{ prompt: [[1, 2]] }, 'prompt'],
    [{ echo: true }, 'echo'],
    [{ suffix: 'end' }, 'suffix'],
    [{ best_of: 2 }, 'best_of'],
  ])('refuses %j by its name', async (more, param) => {
    const world = new OpenAiWorld();
    const { client } = await world.open(['chat']);
    const asking = client.completions.create({ model: 'chat', prompt: 'a', ...more } as never);
    await expect(asking).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining(param),
    });
  });

  it('refuses whoever has no valid key', async () => {
    const json = { model: 'chat', prompt: 'a' };
    const route = ['POST', '/v1/completions'] as const;
    await expectAuthRefusals(new HttpWorld(), route, { caller: 'account', json });
  });
});
