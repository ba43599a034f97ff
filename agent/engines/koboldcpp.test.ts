import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TextSpec } from '#schema/job.ts';
import { KoboldDouble, TEMPLATE_WORDS } from './doubles/koboldcpp.ts';
import { ServerBench } from './doubles/server-bench.ts';
import { newScript } from './doubles/text-script.ts';
import type { Engine } from './engine.ts';
import { createKoboldcpp } from './koboldcpp.ts';
import { LOAD_MS, parseTarget, toName } from './koboldcpp/library.ts';
import { ANSWER_MS, FIRST_TOKEN_MS, NEXT_TOKEN_MS } from './openai-text/answer.ts';
import type { ServerSettings } from './server/settings.ts';

const SPEC: TextSpec = {
  type: 'text',
  model: 'chat',
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Tell a tale.' },
  ],
  prompt: null,
  max_tokens: 40,
  temperature: 0.5,
  top_p: 0.9,
  stop: [],
  seed: 4_000_000_000,
};
const TALE = 'Once upon a time there was a cat.';
const SECOND = { models: new Map([['chat', 'second.gguf']]) };

const bench = new ServerBench();
let double: KoboldDouble;
let url: URL;
let engine: Engine;

async function open(changes: Partial<ServerSettings> = {}): Promise<void> {
  engine = createKoboldcpp(bench.options(url, changes));
  await engine.discover(new AbortController().signal);
}
const run = (changes: Partial<TextSpec> = {}) => bench.run(engine, { ...SPEC, ...changes });
const chat = () => double.of('/v1/chat/completions').at(-1)!;
const native = () => double.of('/api/extra/generate/stream').at(-1)!;

beforeEach(async () => {
  double = new KoboldDouble();
  url = await double.start();
});
afterEach(async () => {
  await engine.close();
  await double.stop();
});

describe('discovery', () => {
  const { signal } = new AbortController();
  const models = (written: string) => ({ models: new Map([['chat', written]]) });

  it.each([
    ['what is loaded', {}, {}, ['chat']],
    [
      'nothing loaded, but it may load what it was started with',
      { model: 'inactive' },
      {},
      ['chat'],
    ],
    ['nothing loaded, and nothing can be', { model: 'inactive', admin: false }, {}, []],
    ['a file that it can load', {}, models('second.gguf'), ['chat']],
    [
      'a file that it has loaded, without admin',
      { model: 'second', admin: false },
      models('second.gguf'),
      ['chat'],
    ],
    ['a file that is not there', {}, models('third.gguf'), []],
    ['a file, without admin', { admin: false }, models('second.gguf'), []],
    ['a file, with a wrong admin key', { adminKey: 'right' }, models('second.gguf'), []],
    ['a configuration without its name', { files: { 'a.kcpps': 'x' } }, models('a.kcpps'), []],
    ['a configuration with its name', { files: { 'a.kcpps': 'x' } }, models('a.kcpps:x'), ['chat']],
  ])('announces %s', async (_, state, changes, announced) => {
    Object.assign(double, state);
    engine = createKoboldcpp(bench.options(url, changes));
    expect(await engine.discover(signal)).toEqual({ version: '1.115.1', models: announced });
    expect(bench.said).toHaveLength(announced.length === 0 ? 1 : 0);
  });

  it('tells a wrong key, and announces nothing then', async () => {
    double.key = 'right';
    engine = createKoboldcpp(bench.options(url, { key: 'wrong' }));
    await expect(engine.discover(signal)).rejects.toMatchObject({ code: 'engine_unavailable' });
    expect(bench.said).toEqual([expect.stringMatching(/refuses our key/)]);
  });

  it('takes the address of another server for what it is', async () => {
    engine = createKoboldcpp(bench.options(new URL('/elsewhere', url)));
    expect(await engine.discover(signal)).toBeNull();
    expect(bench.said).toEqual(['the server at this address is no KoboldCPP']);
  });

  it.each([
    ['b.gguf', { file: 'b.gguf', name: 'b' }],
    [
      'sub/My Model (v2).Q4_K_M.gguf',
      { file: 'sub/My Model (v2).Q4_K_M.gguf', name: 'MyModelv2.Q4_K_M' },
    ],
    ['a.kcpps:B', { file: 'a.kcpps', name: 'B' }],
    ['a.kcpps', null],
    ['Llama-3', { file: null, name: 'Llama-3' }],
  ])('reads %s as the operator means it', (written, target) => {
    expect(parseTarget(written)).toEqual(target);
    if (target) expect(toName(target.name)).toBe(target.name);
  });
});

describe('an answer', () => {
  it('of a chat comes piece by piece, templated by the server', async () => {
    await open({ key: 'k' });
    const { outputs, usage, loadMs } = await run({ stop: ['\nUser:'] });
    expect(bench.texts).toEqual(newScript().pieces);
    expect(await bench.file('0.txt')).toBe(TALE);
    expect(outputs).toHaveLength(1);
    // The server told no usage: its tokenizer counted.
    expect(usage).toEqual({ promptTokens: 5 + 2 * TEMPLATE_WORDS, completionTokens: 8 });
    expect(loadMs).toBe(0);
    const { genkey, seed, ...rest } = chat().json;
    expect(genkey).toMatch(/^tessera-[0-9a-f-]{36}$/);
    expect(seed).toBeGreaterThanOrEqual(0);
    expect(seed).toBeLessThan(2 ** 31);
    expect(rest).toEqual({
      messages: SPEC.messages,
      max_tokens: 40,
      max_context_length: 100,
      temperature: 0.5,
      top_p: 0.9,
      stop: ['\nUser:'],
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(chat().key).toBe('k');
    expect(double.aborted).toEqual([]);
  });

  it('of a plain prompt comes from its own route, which has no end mark', async () => {
    await open();
    await run({ messages: [], prompt: 'Once upon', stop: ['END'] });
    expect(bench.texts).toEqual(newScript().pieces);
    expect(native().json).toMatchObject({
      prompt: 'Once upon',
      max_length: 40,
      stop_sequence: ['END'],
      trim_stop: true,
    });
    expect(double.aborted).toEqual([]);
  });

  it('has another key each time', async () => {
    await open();
    await run();
    await run();
    const keys = double.of('/v1/chat/completions').map(({ json }) => json['genkey']);
    expect(new Set(keys).size).toBe(2);
  });

  it('that ends by length is no failure: a stop sequence is told so too', async () => {
    await open();
    double.script.finish = 'length';
    await run();
    expect(bench.texts.join('')).toBe(TALE);
  });

  it.each([
    ['chat', {}],
    ['prompt', { messages: [], prompt: 'Once' }],
  ])(
    'of a %s is cut at a stop sequence by us, and the server is told to stop',
    async (_, changes) => {
      await open();
      double.script.trouble = 'stall';
      await run({ ...changes, stop: ['ere was'] });
      expect(bench.texts.join('')).toBe('Once upon a time th');
      const generation = double.asked.find(({ json }) => 'genkey' in json)!;
      expect(double.aborted).toEqual([generation.json['genkey']]);
      await generation.closed;
    },
  );

  it('takes no more of the context than the server allows', async () => {
    await open();
    await run({ max_tokens: 4096, messages: [], prompt: 'Once' });
    expect(native().json).toMatchObject({ max_length: 80, max_context_length: 100 });
  });
});

describe('a conversation that is too long', () => {
  const turns = Array.from({ length: 12 }, (_, index) => ({
    role: index % 2 ? ('assistant' as const) : ('user' as const),
    content: `turn ${index} of many words indeed`,
  }));
  const messages = [SPEC.messages[0]!, ...turns, SPEC.messages[1]!];

  it.each([
    ['by its template', true],
    ['of a version that does not count chats', false],
  ])('is shortened by the count %s, and the user is told', async (_, countsChats) => {
    double.countsChats = countsChats;
    await open();
    const { outputs } = await run({ messages });
    const sent = chat().json['messages'] as typeof messages;
    expect([sent[0], sent.at(-1)]).toEqual([messages[0], messages.at(-1)]);
    const gone = messages.length - sent.length;
    expect(gone).toBeGreaterThan(0);
    expect(gone).toBeLessThan(turns.length);
    expect(outputs).toHaveLength(2);
    const note = await bench.file('1.txt');
    expect(note).toContain(`oldest ${gone} messages were left out`);
    expect(note).toContain('100 tokens');
    expect(bench.texts.join('')).toBe(TALE);
  });

  it('is refused, with what to do, when one message is too long', async () => {
    await open();
    const content = 'word '.repeat(200);
    const refusal = {
      code: 'engine_rejected',
      retryable: false,
      detail: expect.stringMatching(/shorten/),
    };
    expect(await bench.failure(run({ messages: [{ role: 'user', content }] }))).toEqual(refusal);
    expect(await bench.failure(run({ messages: [], prompt: content }))).toEqual(refusal);
    expect(double.of('/v1/chat/completions')).toEqual([]);
  });

  it('is refused, not made of plain words, when it is to be JSON', async () => {
    await open();
    const failure = await bench.failure(run({ json: true }));
    expect(failure).toMatchObject({ code: 'engine_rejected', retryable: false });
    expect(double.asked.filter(({ path }) => path.includes('generate'))).toEqual([]);
  });
});

describe('a failure', () => {
  it('with success is seen: no model', async () => {
    await open();
    double.model = 'inactive';
    double.admin = false;
    const { code, retryable } = await bench.failure(run({ messages: [], prompt: 'a' }));
    expect({ code, retryable }).toMatchObject({ retryable: true });
    expect(['model_unavailable', 'job_failed']).toContain(code);
  });

  it.each([
    ['nothing', [], 'stop', 'job_failed'],
    ['blank', ['\n', ' '], 'length', 'job_failed'],
    ['an error', [], 'error', 'model_unavailable'],
  ])('with success is seen: %s', async (_, pieces, finish, code) => {
    await open();
    Object.assign(double.script, { pieces, finish });
    expect(await bench.failure(run())).toMatchObject({ code, retryable: true });
    expect(await bench.failure(run({ messages: [], prompt: 'a' }))).toMatchObject({
      code,
      retryable: true,
    });
  });

  it.each([
    // Without a length, a stream that breaks ends like one that is whole.
    ['close', 'job_failed'],
    ['garbage', 'job_failed'],
    ['no_finish', 'job_failed'],
  ] as const)(
    'in the stream, %s, may be tried again, and nothing runs on',
    async (trouble, code) => {
      await open();
      Object.assign(double.script, { trouble, at: 3 });
      expect(await bench.failure(run())).toMatchObject({ code, retryable: true });
      expect(bench.texts.join('')).toBe('Once upon a');
      expect(double.aborted).toEqual([chat().json['genkey']]);
      bench.texts = [];
      expect(await bench.failure(run({ messages: [], prompt: 'a' }))).toMatchObject({
        code,
        retryable: true,
      });
      expect(double.aborted).toEqual([chat().json['genkey'], native().json['genkey']]);
    },
  );

  it('of a full queue may be tried again', async () => {
    await open();
    double.busy = 1;
    expect(await bench.failure(run())).toMatchObject({
      code: 'engine_unavailable',
      retryable: true,
    });
    await run();
  });

  it.each([
    ['the first token', 0, FIRST_TOKEN_MS, 'engine_unavailable'],
    ['the next token', 3, NEXT_TOKEN_MS, 'engine_unavailable'],
    ['the end', 3, ANSWER_MS, 'job_timeout'],
  ])('of a server that stalls before %s ends the wait, and it is told', async (_, at, ms, code) => {
    await open();
    Object.assign(double.script, { trouble: 'stall', at });
    const ended = bench.failure(run());
    await double.until(() => double.of('/v1/chat/completions').length === 1 && double.sent === at);
    await new Promise<void>((resolve) => {
      const look = () => (bench.texts.length === at ? resolve() : setImmediate(look));
      look();
    });
    bench.timers.fire(ms);
    expect(await ended).toMatchObject({ code });
    expect(double.aborted).toEqual([chat().json['genkey']]);
    expect(bench.timers.waiting).toBe(0);
  });

  it('of a server that is gone may be tried again', async () => {
    await open();
    await double.stop();
    expect(await bench.failure(run())).toMatchObject({
      code: 'engine_unavailable',
      retryable: true,
    });
  });
});

describe('a cancel', () => {
  it.each([1, 4, 9])(
    'after %d pieces has ended at the server when the run ends',
    async (pieces) => {
      await open();
      double.script.trouble = 'stall';
      const reason = new Error('cancelled');
      bench.onReport = () => {
        if (bench.texts.length === pieces) bench.abort.abort(reason);
      };
      await expect(run()).rejects.toBe(reason);
      expect(bench.texts).toHaveLength(pieces);
      expect(double.aborted).toEqual([chat().json['genkey']]);
      await chat().closed;
      expect(bench.timers.waiting).toBe(0);
      Object.assign(bench, { abort: new AbortController(), texts: [], onReport: () => {} });
      double.script = newScript();
      await run();
      expect(bench.texts.join('')).toBe(TALE);
    },
  );

  it('of a generation that still waits its turn is remembered there by its key', async () => {
    await open();
    Object.assign(double.script, { trouble: 'stall', at: 0 });
    const ended = run();
    await double.until(() => double.of('/v1/chat/completions').length === 1);
    bench.abort.abort(new Error('cancelled'));
    await expect(ended).rejects.toThrow('cancelled');
    expect(double.aborted).toEqual([chat().json['genkey']]);
  });

  it('while a model loads ends the run at once; the load goes on and serves the next', async () => {
    await open(SECOND);
    const ended = run();
    await double.until(() => double.of('/api/admin/reload_config').length === 1);
    bench.abort.abort(new Error('cancelled'));
    await expect(ended).rejects.toThrow('cancelled');
    expect(await engine.discover(new AbortController().signal)).toMatchObject({ models: ['chat'] });
    bench.abort = new AbortController();
    await run();
    expect(double.of('/api/admin/reload_config')).toHaveLength(1);
    expect(bench.texts.join('')).toBe(TALE);
  });
});

describe('a model swap', () => {
  it('waits for the wanted name, over the gap, and is counted as loading', async () => {
    await open({ ...SECOND, adminKey: 'a' });
    expect(engine.resident()).toEqual([]);
    const { loadMs } = await run();
    expect(double.model).toBe('second');
    expect(double.refusals).toBe(0);
    expect(loadMs).toBeGreaterThan(0);
    expect(bench.progress[0]).toMatchObject({ stage: 'loading' });
    expect(engine.resident()).toEqual(['chat']);
    const [order] = double.of('/api/admin/reload_config');
    expect(order).toMatchObject({ key: 'a', json: { filename: 'second.gguf' } });
    expect((await run()).loadMs).toBe(0);
  });

  it('to a broken file is a failure, though it was told as success', async () => {
    await open({ models: new Map([['chat', 'broken.gguf']]) });
    const failure = await bench.failure(run());
    expect(failure).toMatchObject({ code: 'model_unavailable', retryable: true });
    expect(failure.detail).toMatch(/came back with first-7b/);
    expect(double.of('/v1/chat/completions')).toEqual([]);
    expect(engine.resident()).toEqual([]);
  });

  it('that is refused is a failure', async () => {
    await open(SECOND);
    double.files = {};
    expect(await bench.failure(run())).toMatchObject({
      code: 'model_unavailable',
      retryable: true,
    });
  });

  it('from which the server does not come back is given up', async () => {
    await open(SECOND);
    double.dies = true;
    const ended = bench.failure(run());
    await double.until(() => double.of('/api/admin/reload_config').length === 1);
    await new Promise<void>((resolve) => {
      const look = () =>
        double.refusals === Infinity ? setImmediate(resolve) : setImmediate(look);
      look();
    });
    bench.timers.fire(LOAD_MS);
    expect(await ended).toMatchObject({ code: 'engine_unavailable', retryable: true });
    expect(bench.timers.waiting).toBe(0);
  });

  it('empties the GPU for another engine, and comes back for the next job', async () => {
    await open();
    expect(engine.resident()).toEqual(['chat']);
    await engine.free();
    expect(double.model).toBe('inactive');
    expect(engine.resident()).toEqual([]);
    expect(await engine.discover(bench.abort.signal)).toMatchObject({ models: ['chat'] });
    await run();
    expect(double.model).toBe('first-7b');
    expect(bench.texts.join('')).toBe(TALE);
  });

  it('does not stop another engine when the server is gone', async () => {
    await open();
    await double.stop();
    await engine.free();
    expect(engine.resident()).toEqual([]);
    expect(bench.said).toEqual([expect.stringMatching(/not unloaded/)]);
  });

  it('is not tried without the admin API: the model stays, and so it is told', async () => {
    double.admin = false;
    await open();
    await engine.free();
    expect(double.model).toBe('first-7b');
    expect(engine.resident()).toEqual(['chat']);
  });
});
