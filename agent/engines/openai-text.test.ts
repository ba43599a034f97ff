import { readdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { DriverBench } from './doubles/driver-bench.ts';
import { OpenaiTextDouble } from './doubles/openai-text.ts';
import { newScript, TALE, TALE_SPEC as SPEC } from './doubles/text-script.ts';
import { createOpenaiText } from './openai-text.ts';
import { ANSWER_MS, FIRST_TOKEN_MS, NEXT_TOKEN_MS } from './openai-text/answer.ts';

const bench = new DriverBench({
  double: () => new OpenaiTextDouble(),
  create: createOpenaiText,
  spec: SPEC,
});
const { open, perform: run } = bench;
const asked = (path = '/v1/chat/completions') => bench.double.of(path).at(-1)!;

describe('discovery', () => {
  const signal = new AbortController().signal;
  it.each([
    ['its only model is the usual one', ['a'], {}, ['chat']],
    ['a model called as in the catalog', ['x', 'chat'], {}, ['chat']],
    ['the operator says which one', ['a', 'b'], { models: new Map([['chat', 'b']]) }, ['chat']],
    ['what the operator named is not there', ['a'], { models: new Map([['chat', 'b']]) }, []],
    ['no model', [], {}, []],
  ])('announces by what the server lists: %s', async (_, models, changes, announced) => {
    bench.double.models = models;
    expect(await open(changes)).toEqual({
      version: expect.any(String),
      models: announced,
    });
  });

  it('tells the operator once what is missing', async () => {
    await open({ models: new Map([['chat', 'b']]) });
    await bench.engine.discover(signal);
    expect(bench.said).toEqual(['the server has no b for chat; it has qwen2.5:7b, other']);
  });

  it('is away when nobody answers, the key is wrong, or the answer is no list', async () => {
    bench.double.key = 'right';
    await expect(open({ key: 'wrong' })).rejects.toMatchObject({ code: 'engine_unavailable' });
    expect(bench.said).toEqual([expect.stringMatching(/key/)]);
    await bench.double.stop();
    await expect(bench.engine.discover(signal)).rejects.toMatchObject({
      code: 'engine_unavailable',
    });
  });
});

describe('an answer', () => {
  it.each(['llamacpp', 'vllm', 'library'] as const)(
    'comes piece by piece from %s',
    async (kind) => {
      bench.double.kind = kind;
      await open({ key: 'k' });
      const { outputs, usage, loadMs } = await run();
      expect(bench.texts).toEqual(newScript().pieces);
      expect(await bench.file('0.txt')).toBe(TALE);
      expect(outputs).toMatchObject([{ contentType: 'text/plain', thumbnail: null }]);
      expect(usage).toEqual({ promptTokens: 11, completionTokens: 9 });
      expect(loadMs).toBe(0);
      expect(asked().key).toBe('k');
      expect(asked().json).toEqual({
        model: 'qwen2.5:7b',
        messages: SPEC.messages,
        max_tokens: 40,
        temperature: 0.5,
        top_p: 0.9,
        seed: 4_000_000_000,
        stream: true,
        stream_options: { include_usage: true },
      });
      expect(bench.engine.resident()).toEqual(['chat']);
    },
  );

  it('of a plain prompt comes from the completions', async () => {
    await open();
    await run({ messages: [], prompt: 'Once', stop: ['\n'] });
    expect(asked('/v1/completions').json).toMatchObject({ prompt: 'Once', stop: ['\n'] });
    expect(bench.texts.join('')).toBe(TALE);
  });

  it.each(['llamacpp', 'vllm', 'library'] as const)(
    'is kept to JSON by %s when it is asked for, to a chat and to a plain prompt',
    async (kind) => {
      bench.double.kind = kind;
      await open();
      for (const changes of [{}, { messages: [], prompt: 'Once' }]) {
        bench.texts = [];
        await run({ ...changes, json: true });
        expect(JSON.parse(bench.texts.join(''))).toEqual({ cat: 1 });
      }
    },
  );

  it('reports its tokens as they come', async () => {
    await open();
    await run();
    const steps = bench.progress.map(({ step }) => step);
    expect(steps).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(bench.progress.at(-1)).toEqual({
      fraction: 9 / 40,
      stage: 'running',
      step: 9,
      steps: 40,
    });
  });

  it('ends at a stop sequence, over pieces too, and the server is left', async () => {
    await open();
    bench.double.script.trouble = 'stall';
    const { usage } = await run({ stop: ['there w'] });
    expect(bench.texts.join('')).toBe('Once upon a time ');
    expect(usage.completionTokens).toBe(6);
    await asked().closed;
  });

  it('is counted by its pieces when the server does not count', async () => {
    bench.double.usage = false;
    await open();
    expect((await run()).usage).toEqual({ promptTokens: 11, completionTokens: 9 });
  });

  it('does not show thoughts, and counts them as life', async () => {
    bench.double.thoughts = 3;
    await open();
    await run();
    expect(bench.texts.join('')).toBe(TALE);
    expect(bench.progress[3]).toMatchObject({ step: 3 });
  });
});

describe('a conversation that is too long', () => {
  const turns = Array.from({ length: 12 }, (_, index) => ({
    role: index % 2 ? ('assistant' as const) : ('user' as const),
    content: `turn ${index} of many words indeed`,
  }));
  const messages = [SPEC.messages[0]!, ...turns, SPEC.messages[1]!];

  it.each(['llamacpp', 'vllm'] as const)('is shortened before by the count of %s', async (kind) => {
    bench.double.kind = kind;
    await open();
    const { outputs } = await run({ messages });
    const sent = asked().json['messages'] as typeof messages;
    expect(bench.double.of('/v1/chat/completions')).toHaveLength(1);
    expect([sent[0], sent.at(-1)]).toEqual([messages[0], messages.at(-1)]);
    expect(sent.length).toBeLessThan(messages.length);
    expect(outputs).toHaveLength(2);
    const gone = messages.length - sent.length;
    expect(await bench.file('1.txt')).toContain(`oldest ${gone} messages were left out`);
    expect(bench.texts.join('')).toBe(TALE);
  });

  it('is shortened after the refusal of a server that does not count', async () => {
    bench.double.kind = 'library';
    await open();
    const { outputs } = await run({ messages });
    expect(bench.double.of('/v1/chat/completions').length).toBeGreaterThan(1);
    expect(await bench.file('1.txt')).toMatch(/left out/);
    expect(outputs).toHaveLength(2);
    expect((asked().json['messages'] as unknown[])[0]).toEqual(messages[0]);
  });

  it.each(['llamacpp', 'vllm', 'library'] as const)(
    'is refused by %s when one message is',
    async (kind) => {
      bench.double.kind = kind;
      await open();
      const content = 'word '.repeat(200);
      const failure = bench.failure(run({ messages: [{ role: 'user', content }] }));
      expect(await failure).toMatchObject({ code: 'engine_rejected', retryable: false });
      expect(await bench.failure(run({ messages: [], prompt: content }))).toMatchObject({
        code: 'engine_rejected',
      });
    },
  );
});

describe('a failure', () => {
  const body = (message: string) => JSON.stringify({ error: { message } });
  it.each([
    [401, body('Invalid API Key'), 'engine_unavailable', true],
    [400, body("'top_p' must be positive"), 'engine_rejected', false],
    [404, body('The model `x` does not exist.'), 'model_unavailable', true],
    [400, body("model 'x' not found"), 'model_unavailable', true],
    [429, body('slow down'), 'engine_unavailable', true],
    [503, body('Loading model'), 'engine_unavailable', true],
    [500, body('CUDA error: out of memory'), 'engine_out_of_memory', true],
    [500, '<html>oops</html>', 'job_failed', true],
  ])('with status %d, %s, is %s', async (status, text, code, retryable) => {
    await open();
    bench.double.refusal = { status, body: text };
    const failure = await bench.failure(run());
    expect(failure).toMatchObject({ code, retryable });
    expect(failure.detail).toContain(String(status));
    expect(bench.texts).toEqual([]);
  });

  it.each([
    ['close', 'engine_unavailable', true],
    ['garbage', 'job_failed', true],
    ['error', 'engine_out_of_memory', true],
    ['no_finish', 'job_failed', true],
  ] as const)('in the stream, %s, is %s', async (trouble, code, retryable) => {
    await open();
    Object.assign(bench.double.script, { trouble, at: 3 });
    expect(await bench.failure(run())).toMatchObject({ code, retryable });
    expect(bench.texts.join('')).toBe('Once upon a');
    expect(await readdir(bench.directory)).toEqual([]);
  });

  it.each([
    ['nothing', [], 'stop', [], 'job_failed', true],
    ['blank', [' ', '\n'], 'stop', [], 'job_failed', true],
    ['a stop sequence first', ['.', 'a'], 'stop', ['.'], 'engine_rejected', false],
    ['blocked', ['a'], 'content_filter', [], 'content_blocked', false],
  ] as const)('of an answer that is %s', async (_, pieces, finish, stop, code, retryable) => {
    await open();
    Object.assign(bench.double.script, { pieces, finish });
    expect(await bench.failure(run({ stop: [...stop] }))).toMatchObject({ code, retryable });
  });

  it('of a model that only thinks says what to do', async () => {
    bench.double.thoughts = 2;
    Object.assign(bench.double.script, { pieces: [], finish: 'length' });
    await open();
    expect(await bench.failure(run())).toMatchObject({
      code: 'engine_rejected',
      detail: /more tokens/,
    });
  });

  it.each([
    ['the first token', 0, FIRST_TOKEN_MS, 'engine_unavailable'],
    ['the next token', 3, NEXT_TOKEN_MS, 'engine_unavailable'],
    ['the end', 3, ANSWER_MS, 'job_timeout'],
  ])('of a server that stalls before %s ends the wait', async (_, at, ms, code) => {
    await open();
    Object.assign(bench.double.script, { trouble: 'stall', at });
    const ended = bench.failure(run());
    await bench.double.until(
      () => bench.double.sent === at && bench.double.of('/v1/chat/completions').length === 1,
    );
    await new Promise<void>((resolve) => {
      const look = () => (bench.texts.length === at ? resolve() : setImmediate(look));
      look();
    });
    bench.timers.fire(ms);
    expect(await ended).toMatchObject({ code });
    await asked().closed;
    expect(bench.timers.waiting).toBe(0);
  });

  it('of a server that is gone may be tried again', async () => {
    await open();
    await bench.double.stop();
    expect(await bench.failure(run())).toMatchObject({
      code: 'engine_unavailable',
      retryable: true,
    });
  });

  it('of a job that is not text, or of an unknown model, asks nobody', async () => {
    await open();
    const before = bench.double.asked.length;
    expect(await bench.failure(run({ model: 'nope' }))).toMatchObject({
      code: 'model_unavailable',
    });
    const image = { ...SPEC, type: 'image' } as never;
    expect(await bench.failure(bench.run(bench.engine, image))).toMatchObject({
      code: 'engine_rejected',
    });
    expect(bench.double.asked).toHaveLength(before);
  });
});

describe('a cancel', () => {
  it.each([0, 1, 4, 9])(
    'after %d pieces closes the stream and tells nothing more',
    async (pieces) => {
      await open();
      bench.double.script.trouble = 'stall';
      const reason = new Error('cancelled');
      const ended = run();
      bench.onReport = () => {
        if (pieces > 0 && bench.texts.length === pieces) bench.abort.abort(reason);
      };
      if (pieces === 0) {
        await bench.double.until(() => bench.double.of('/v1/chat/completions').length === 1);
        bench.abort.abort(reason);
      }
      await expect(ended).rejects.toBe(reason);
      expect(bench.texts).toHaveLength(pieces);
      await asked().closed;
      expect(bench.timers.waiting).toBe(0);
      bench.double.script = newScript();
      Object.assign(bench, { abort: new AbortController(), texts: [], onReport: () => {} });
      await run();
      expect(bench.texts.join('')).toBe(TALE);
    },
  );

  it('before the start asks nobody', async () => {
    await open();
    const before = bench.double.asked.length;
    bench.abort.abort(new Error('cancelled'));
    await expect(run()).rejects.toThrow('cancelled');
    expect(bench.double.asked).toHaveLength(before);
  });
});

describe('memory', () => {
  it('is given back by Ollama when another engine needs it', async () => {
    bench.double.kind = 'library';
    await open();
    expect(bench.engine.resident()).toEqual([]);
    await run();
    await bench.engine.free();
    expect(bench.double.unloaded).toEqual(['qwen2.5:7b']);
    expect(bench.engine.resident()).toEqual([]);
  });

  it('is not held by a server that is gone: other engines go on', async () => {
    bench.double.kind = 'library';
    await open();
    await run();
    await bench.double.stop();
    await bench.engine.free();
    expect(bench.engine.resident()).toEqual([]);
    expect(bench.said).toEqual([expect.stringMatching(/not unloaded/)]);
  });

  it('is not held by a server that does not answer any more', async () => {
    await open();
    await bench.double.stop();
    await expect(bench.engine.discover(bench.abort.signal)).rejects.toThrow();
    expect(bench.engine.resident()).toEqual([]);
  });

  it('is kept by a server that cannot unload, and so it is told', async () => {
    await open();
    await bench.engine.free();
    expect(bench.engine.resident()).toEqual(['chat']);
  });
});
