import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TextSpec } from '#schema/job.ts';
import { TEXT_SPEC } from '../doubles/spec.ts';
import { ServerBench } from './doubles/server-bench.ts';
import type { Engine } from './engine.ts';
import { createLlama } from './llama.ts';
import { RETRY_MS_MIN } from './load-fault.ts';
import { fetchModel } from '../operator/model.ts';
import { barOf } from './llama/download.ts';
import type { LlamaSettings } from './llama/settings.ts';

const PACKAGE = fileURLToPath(new URL('./doubles/llama-package.ts', import.meta.url));
const SPEC: TextSpec = { ...TEXT_SPEC, model: 'chat-small', prompt: 'count', max_tokens: 5 };

const bench = new ServerBench();
const { signal } = new AbortController();
let home: string;
let engine: Engine;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'llama-'));
  const installed = join(home, 'node_modules', 'node-llama-cpp');
  await mkdir(installed, { recursive: true });
  await symlink(PACKAGE, join(installed, 'index.ts'));
  const exported = { name: 'node-llama-cpp', type: 'module', exports: './index.ts' };
  await writeFile(join(installed, 'package.json'), JSON.stringify(exported));
  await writeFile(join(home, 'model.gguf'), 'GGUF and more');
});
afterEach(async () => {
  await engine.close();
  await rm(home, { recursive: true });
});

function open(changes: Partial<LlamaSettings> = {}): Engine {
  const usual = { source: null, threads: null, contextTokensMax: 4096 };
  const settings = { path: join(home, 'model.gguf'), home, ...usual, ...changes };
  const say = (words: string) => bench.said.push(words);
  engine = createLlama({ settings, say, now: () => bench.now });
  return engine;
}
const run = (changes: Partial<TextSpec> = {}) => bench.run(engine, { ...SPEC, ...changes });

describe('discovery', () => {
  it('announces the model when the package and the file are there', async () => {
    expect(await open().discover(signal)).toMatchObject({ models: ['chat-small'] });
    expect(engine.resident()).toEqual([]);
  });

  it('announces nothing without the package, or without the file', async () => {
    expect(await open({ path: join(home, 'none.gguf') }).discover(signal)).toBeNull();
    await engine.close();
    await rm(join(home, 'node_modules'), { recursive: true });
    expect(await open().discover(signal)).toBeNull();
  });
});

describe('an answer', () => {
  it('comes piece by piece, is counted, and is the same for the same seed', async () => {
    open();
    const { outputs, usage } = await run();
    expect(bench.texts).toEqual([`count ${SPEC.seed}:`, ' 1', ' 2', ' 3', ' 4']);
    expect(await bench.file('0.txt')).toBe(bench.texts.join(''));
    expect(outputs).toMatchObject([{ contentType: 'text/plain' }]);
    expect(usage).toEqual({ promptTokens: 1, completionTokens: 5 });
    expect(engine.resident()).toEqual(['chat-small']);
  });

  it('ends at a stop sequence, and the next one is not disturbed', async () => {
    open();
    await run({ max_tokens: 10_000, stop: [' 12'] });
    expect(await bench.file('0.txt')).toMatch(/ 10 11$/);
    bench.texts = [];
    await run();
    expect(bench.texts).toHaveLength(5);
  });

  it('leaves out the oldest turns of a conversation that is too long, and says so', async () => {
    open();
    const turn = (content: string) => ({ role: 'user', content }) as const;
    const messages = [turn('old '.repeat(150)), turn('new '.repeat(40)), turn('last')];
    const { outputs, usage } = await run({ prompt: null, messages });
    expect(usage.promptTokens).toBeLessThan(100);
    expect(outputs).toHaveLength(2);
    expect(await bench.file('1.txt')).toContain('left out');
    expect(await bench.file('0.txt')).toMatch(/^user last/);
  });

  it('ends soon when it is cancelled, and the next job has a new process', async () => {
    open();
    bench.onReport = () => {
      if (bench.texts.length > 3) bench.abort.abort(new Error('cancelled'));
    };
    await expect(run({ max_tokens: 100_000 })).rejects.toThrow('cancelled');
    bench.abort = new AbortController();
    bench.onReport = () => {};
    expect((await run()).loadMs).toBeGreaterThan(0);
  });

  it('fails as a model that is not there when the file is no model', async () => {
    await writeFile(join(home, 'model.gguf'), '<html>');
    open();
    expect(await bench.failure(run())).toMatchObject({ code: 'model_unavailable' });
  });

  it('is not announced for a while when its file is no model, and says why', async () => {
    const path = join(home, 'model.gguf');
    await writeFile(path, '<html>');
    open();
    await bench.failure(run());
    expect(await engine.discover(signal)).toMatchObject({ models: [] });
    expect(engine.trouble!()).toMatch(
      new RegExp(`^${path} is left out: .*; tried again in 10 min$`),
    );
    await writeFile(path, 'GGUF and more');
    expect(await bench.failure(run())).toMatchObject({ code: 'model_unavailable' });
    bench.now += RETRY_MS_MIN;
    expect(await engine.discover(signal)).toMatchObject({ models: ['chat-small'] });
    await run();
    expect(engine.trouble!()).toBeNull();
  });
});

describe('a model that is named by its address', () => {
  const file = Buffer.from(`GGUF ${'x'.repeat(100_000)}`);
  const sha256 = createHash('sha256').update(file).digest('hex');
  let server: Server;
  let asked: (string | undefined)[];
  /** Of the next answer; the rest is cut off. */
  let sends: number;

  beforeEach(async () => {
    [asked, sends] = [[], file.length];
    server = createServer((request, response) => {
      const { range } = request.headers;
      asked.push(range);
      const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
      const rest = file.subarray(from);
      response.writeHead(range ? 206 : 200, { 'content-length': rest.length });
      if (rest.length <= sends) response.end(rest);
      else response.write(rest.subarray(0, sends), () => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  function openFrom(hash = sha256): Engine {
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/m.gguf`);
    return open({ path: join(home, 'models', 'm.gguf'), source: { url, sha256: hash } });
  }
  /** Asks until something new was said, or the model is announced. */
  async function look(): Promise<unknown> {
    const said = bench.said.length;
    for (;;) {
      const info = await engine.discover(signal);
      if (info || bench.said.slice(said).some((words) => words.includes('could not'))) return info;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  it('is downloaded once, telling how far it is, and announced when it is whole', async () => {
    expect(await openFrom().discover(signal)).toBeNull();
    expect(await look()).toMatchObject({ models: ['chat-small'] });
    expect(bench.said.at(-1)).toMatch(/^downloads its model: \[#+\] 100 %/);
    await engine.close();
    await openFrom().discover(signal);
    expect(asked).toEqual([undefined]);
    await run();
  });

  it('goes on with what is there of it', async () => {
    await mkdir(join(home, 'models'));
    await writeFile(join(home, 'models', 'm.gguf.part'), file.subarray(0, 30_000));
    openFrom();
    expect(await look()).toMatchObject({ models: ['chat-small'] });
    expect(asked).toEqual(['bytes=30000-']);
  });

  it('is tried again when its download broke off', async () => {
    sends = 30_000;
    openFrom();
    expect(await look()).toBeNull();
    sends = file.length;
    expect(await look()).toMatchObject({ models: ['chat-small'] });
    expect(asked).toHaveLength(2);
  });

  it('is refused and removed when it is another file, and not asked for again', async () => {
    openFrom('0'.repeat(64));
    expect(await look()).toBeNull();
    expect(bench.said.at(-1)).toContain(sha256);
    expect(await engine.discover(new AbortController().signal)).toBeNull();
    // A request would have been here by now.
    await new Promise((settle) => setTimeout(settle, 200));
    expect(asked).toHaveLength(1);
    await engine.close();
    expect(await readdir(join(home, 'models'))).toEqual([]);
  });

  it('is downloaded by a command of its own, with a bar to watch', async () => {
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/m.gguf`);
    const usual = { home, threads: null, contextTokensMax: 512 };
    const llama = { path: join(home, 'models', 'm.gguf'), source: { url, sha256 }, ...usual };
    const [printed, drawn]: [string[], string[]] = [[], []];
    const parts = {
      print: (line: string) => void printed.push(line),
      draw: (line: string) => void drawn.push(line),
      signal,
    };
    open();
    expect(await fetchModel({ servers: { llama }, data: home }, parts)).toBe(0);
    expect(drawn.at(-1)).toContain('100 %');
    expect(await fetchModel({ servers: { llama }, data: home }, parts)).toBe(0);
    expect(await fetchModel({ servers: {}, data: home }, parts)).toBe(2);
    expect(printed.map((line) => line.split(' ')[0])).toEqual(['fetched', llama.path, 'nothing']);
    expect(asked).toHaveLength(1);
  });

  it('shows a bar', () => {
    expect(barOf(512 * 1024, 1024 * 1024)).toBe(
      `[${'#'.repeat(15)}${'.'.repeat(15)}] 50 % of 1 MiB`,
    );
    expect(barOf(3 * 1024 * 1024, null)).toBe('3 MiB');
  });
});
