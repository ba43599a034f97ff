import { describe, expect, it } from 'vitest';
import { DriverBench } from './doubles/driver-bench.ts';
import { KoboldDouble, TEMPLATE_WORDS } from './doubles/koboldcpp.ts';
import { newScript, TALE, TALE_SPEC as SPEC } from './doubles/text-script.ts';
import { createKoboldcpp } from './koboldcpp.ts';
import { RETRY_MS_MAX, RETRY_MS_MIN } from './load-fault.ts';
import { LOAD_MS, parseTarget, toName } from './koboldcpp/library.ts';
import { ANSWER_MS, FIRST_TOKEN_MS, NEXT_TOKEN_MS } from './openai-text/answer.ts';

const SECOND = { models: new Map([['chat', 'second.gguf']]) };

const bench = new DriverBench({
  double: () => new KoboldDouble(),
  create: createKoboldcpp,
  spec: SPEC,
});
const { open, perform: run } = bench;
const chat = () => bench.double.of('/v1/chat/completions').at(-1)!;
const native = () => bench.double.of('/api/extra/generate/stream').at(-1)!;

describe('discovery', () => {
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
    Object.assign(bench.double, state);
    expect(await open(changes)).toEqual({ version: '1.115.1', models: announced });
    expect(bench.said).toHaveLength(announced.length === 0 ? 1 : 0);
  });

  it('tells a wrong key, and announces nothing then', async () => {
    bench.double.key = 'right';
    await expect(open({ key: 'wrong' })).rejects.toMatchObject({ code: 'engine_unavailable' });
    expect(bench.said).toEqual([expect.stringMatching(/refuses our key/)]);
  });

  it('takes the address of another server for what it is', async () => {
    expect(await open({ url: new URL('/elsewhere', bench.url) })).toBeNull();
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
    expect(bench.double.aborted).toEqual([]);
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
    expect(bench.double.aborted).toEqual([]);
  });

  it('has another key each time', async () => {
    await open();
    await run();
    await run();
    const keys = bench.double.of('/v1/chat/completions').map(({ json }) => json['genkey']);
    expect(new Set(keys).size).toBe(2);
  });

  it('that ends by length is no failure: a stop sequence is told so too', async () => {
    await open();
    bench.double.script.finish = 'length';
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
      bench.double.script.trouble = 'stall';
      await run({ ...changes, stop: ['ere was'] });
      expect(bench.texts.join('')).toBe('Once upon a time th');
      const generation = bench.double.asked.find(({ json }) => 'genkey' in json)!;
      expect(bench.double.aborted).toEqual([generation.json['genkey']]);
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
    bench.double.countsChats = countsChats;
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
    expect(bench.double.of('/v1/chat/completions')).toEqual([]);
  });

  it('is refused, not made of plain words, when it is to be JSON', async () => {
    await open();
    const failure = await bench.failure(run({ json: true }));
    expect(failure).toMatchObject({ code: 'engine_rejected', retryable: false });
    expect(bench.double.asked.filter(({ path }) => path.includes('generate'))).toEqual([]);
  });
});

describe('a failure', () => {
  it('with success is seen: no model', async () => {
    await open();
    bench.double.model = 'inactive';
    bench.double.admin = false;
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
    Object.assign(bench.double.script, { pieces, finish });
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
      Object.assign(bench.double.script, { trouble, at: 3 });
      expect(await bench.failure(run())).toMatchObject({ code, retryable: true });
      expect(bench.texts.join('')).toBe('Once upon a');
      expect(bench.double.aborted).toEqual([chat().json['genkey']]);
      bench.texts = [];
      expect(await bench.failure(run({ messages: [], prompt: 'a' }))).toMatchObject({
        code,
        retryable: true,
      });
      expect(bench.double.aborted).toEqual([chat().json['genkey'], native().json['genkey']]);
    },
  );

  it('is not that the end is left out, when the server says that it came to one', async () => {
    await open();
    Object.assign(bench.double, { stopReason: 0 });
    bench.double.script.trouble = 'no_finish';
    await run();
    expect(bench.texts.join('')).toBe(TALE);
    expect(bench.double.aborted).toEqual([]);
  });

  it.each([
    ['a chat', {}],
    ['a plain prompt', { messages: [], prompt: 'a' }],
  ])('of a process that is killed in the middle of %s is its absence', async (_, changes) => {
    await open();
    bench.double.killed = true;
    expect(await bench.failure(run(changes))).toMatchObject({
      code: 'engine_unavailable',
      retryable: true,
    });
    expect(bench.texts.join('')).toBe('Once upon a');
  });

  it('of a full queue may be tried again', async () => {
    await open();
    bench.double.busy = 1;
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
    Object.assign(bench.double.script, { trouble: 'stall', at });
    const ended = bench.failure(run());
    await bench.double.until(
      () => bench.double.of('/v1/chat/completions').length === 1 && bench.double.sent === at,
    );
    await new Promise<void>((resolve) => {
      const look = () => (bench.texts.length === at ? resolve() : setImmediate(look));
      look();
    });
    bench.timers.fire(ms);
    expect(await ended).toMatchObject({ code });
    expect(bench.double.aborted).toEqual([chat().json['genkey']]);
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
});

describe('a cancel', () => {
  it.each([1, 4, 9])(
    'after %d pieces has ended at the server when the run ends',
    async (pieces) => {
      await open();
      bench.double.script.trouble = 'stall';
      const reason = new Error('cancelled');
      bench.onReport = () => {
        if (bench.texts.length === pieces) bench.abort.abort(reason);
      };
      await expect(run()).rejects.toBe(reason);
      expect(bench.texts).toHaveLength(pieces);
      expect(bench.double.aborted).toEqual([chat().json['genkey']]);
      await chat().closed;
      expect(bench.timers.waiting).toBe(0);
      Object.assign(bench, { abort: new AbortController(), texts: [], onReport: () => {} });
      bench.double.script = newScript();
      await run();
      expect(bench.texts.join('')).toBe(TALE);
    },
  );

  it('of a generation that still waits its turn is remembered there by its key', async () => {
    await open();
    Object.assign(bench.double.script, { trouble: 'stall', at: 0 });
    const ended = run();
    await bench.double.until(() => bench.double.of('/v1/chat/completions').length === 1);
    bench.abort.abort(new Error('cancelled'));
    await expect(ended).rejects.toThrow('cancelled');
    expect(bench.double.aborted).toEqual([chat().json['genkey']]);
  });

  it('while a model loads ends the run at once; the load goes on and serves the next', async () => {
    await open(SECOND);
    const ended = run();
    await bench.double.until(() => bench.double.of('/api/admin/reload_config').length === 1);
    bench.abort.abort(new Error('cancelled'));
    await expect(ended).rejects.toThrow('cancelled');
    expect(await bench.engine.discover(new AbortController().signal)).toMatchObject({
      models: ['chat'],
    });
    bench.abort = new AbortController();
    await run();
    expect(bench.double.of('/api/admin/reload_config')).toHaveLength(1);
    expect(bench.texts.join('')).toBe(TALE);
  });
});

describe('a model swap', () => {
  it('waits for the wanted name, over the gap, and is counted as loading', async () => {
    await open({ ...SECOND, adminKey: 'a' });
    expect(bench.engine.resident()).toEqual([]);
    const { loadMs } = await run();
    expect(bench.double.model).toBe('second');
    expect(bench.double.refusals).toBe(0);
    expect(loadMs).toBeGreaterThan(0);
    expect(bench.progress[0]).toMatchObject({ stage: 'loading' });
    expect(bench.engine.resident()).toEqual(['chat']);
    const [order] = bench.double.of('/api/admin/reload_config');
    expect(order).toMatchObject({ key: 'a', json: { filename: 'second.gguf' } });
    expect((await run()).loadMs).toBe(0);
  });

  it('to a broken file is a failure, though it was told as success', async () => {
    await open({ models: new Map([['chat', 'broken.gguf']]) });
    const failure = await bench.failure(run());
    expect(failure).toMatchObject({ code: 'model_unavailable', retryable: true });
    expect(failure.detail).toMatch(/came back with first-7b/);
    expect(bench.double.of('/v1/chat/completions')).toEqual([]);
    expect(bench.engine.resident()).toEqual([]);
  });

  it('to a broken file is not announced again for a while, longer each time, until it loads', async () => {
    await open({ models: new Map([['chat', 'broken.gguf']]) });
    const announced = async () =>
      (await bench.engine.discover(new AbortController().signal))?.models;
    for (const restMs of [RETRY_MS_MIN, RETRY_MS_MIN * 2]) {
      expect(await announced()).toEqual(['chat']);
      expect(bench.engine.trouble!()).toBeNull();
      await bench.failure(run());
      expect(await announced()).toEqual([]);
      const orders = bench.double.of('/api/admin/reload_config').length;
      expect(await bench.failure(run())).toMatchObject({ code: 'model_unavailable' });
      expect(bench.double.of('/api/admin/reload_config')).toHaveLength(orders);
      expect(bench.engine.trouble!()).toMatch(/^broken\.gguf .*came back with first-7b; .* min$/);
      expect(bench.said.join()).toMatch(/chat is left out for a while: broken\.gguf could not be/);
      bench.now += restMs - 1;
      expect(await announced()).toEqual([]);
      bench.now += 1;
    }
    bench.double.files = { 'broken.gguf': 'broken' };
    await run();
    expect(await announced()).toEqual(['chat']);
    bench.double.files = { 'broken.gguf': null };
    bench.double.model = 'first-7b';
    await bench.failure(run());
    bench.now += RETRY_MS_MIN;
    expect(await announced()).toEqual(['chat']);
    expect(RETRY_MS_MAX).toBeGreaterThan(RETRY_MS_MIN * 2);
  });

  it('of a job that is cancelled and fails later is remembered', async () => {
    await open({ models: new Map([['chat', 'broken.gguf']]) });
    const ended = run();
    await bench.double.until(() => bench.double.of('/api/admin/reload_config').length === 1);
    bench.abort.abort(new Error('cancelled'));
    await expect(ended).rejects.toThrow('cancelled');
    bench.abort = new AbortController();
    expect(await bench.failure(run())).toMatchObject({ code: 'model_unavailable' });
    expect(bench.double.of('/api/admin/reload_config')).toHaveLength(1);
  });

  it('that is refused is a failure', async () => {
    await open(SECOND);
    bench.double.files = {};
    expect(await bench.failure(run())).toMatchObject({
      code: 'model_unavailable',
      retryable: true,
    });
  });

  it('from which the server does not come back is given up', async () => {
    await open(SECOND);
    bench.double.dies = true;
    const ended = bench.failure(run());
    await bench.double.until(() => bench.double.of('/api/admin/reload_config').length === 1);
    await new Promise<void>((resolve) => {
      const look = () =>
        bench.double.refusals === Infinity ? setImmediate(resolve) : setImmediate(look);
      look();
    });
    bench.timers.fire(LOAD_MS);
    expect(await ended).toMatchObject({ code: 'engine_unavailable', retryable: true });
    expect(bench.timers.waiting).toBe(0);
  });

  it('empties the GPU for another engine, and comes back for the next job', async () => {
    await open();
    expect(bench.engine.resident()).toEqual(['chat']);
    await bench.engine.free();
    expect(bench.double.model).toBe('inactive');
    expect(bench.engine.resident()).toEqual([]);
    expect(await bench.engine.discover(bench.abort.signal)).toMatchObject({ models: ['chat'] });
    await run();
    expect(bench.double.model).toBe('first-7b');
    expect(bench.texts.join('')).toBe(TALE);
  });

  it('does not stop another engine when the server is gone', async () => {
    await open();
    await bench.double.stop();
    await bench.engine.free();
    expect(bench.engine.resident()).toEqual([]);
    expect(bench.said).toEqual([expect.stringMatching(/not unloaded/)]);
  });

  it('is not tried without the admin API: the model stays, and so it is told', async () => {
    bench.double.admin = false;
    await open();
    await bench.engine.free();
    expect(bench.double.model).toBe('first-7b');
    expect(bench.engine.resident()).toEqual(['chat']);
  });
});
