import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bell } from '../doubles/clock.ts';
import { EdgeServer, TOKEN } from '../doubles/edge-server.ts';
import { freePort } from '../doubles/group.ts';
import { KoboldDouble } from '../engines/doubles/koboldcpp.ts';
import { SpeechDouble } from '../engines/doubles/speech.ts';
import { readEnv } from '../env.ts';
import { examine } from './doctor.ts';
import type { DoctorParts } from './doctor.ts';
import { describe as lineOf } from './finding.ts';
import type { Finding } from './finding.ts';

const GIB = 1024 ** 3;
const WELL: DoctorParts = {
  askGpu: () => Promise.resolve({ name: 'RTX', vramMib: 24_000, vramFreeMib: 23_000 }),
  now: () => Date.now(),
  freeBytes: () => Promise.resolve(100 * GIB),
  versionOf: () => Promise.resolve('ffmpeg version 7'),
};

let edge: EdgeServer;
let kobold: KoboldDouble;
let directory: string;
let variables: Record<string, string>;

beforeEach(async () => {
  edge = new EdgeServer(() => performance.now(), new Bell());
  kobold = new KoboldDouble();
  directory = await mkdtemp(join(tmpdir(), 'doctor-'));
  variables = {
    TESSERA_URL: (await edge.start()).href,
    TESSERA_AGENT_TOKEN: TOKEN,
    TESSERA_DATA: join(directory, 'data'),
    TESSERA_ENGINES: 'koboldcpp',
    TESSERA_KOBOLDCPP_URL: (await kobold.start()).href,
  };
});
afterEach(async () => {
  await Promise.all([edge.stop(), kobold.stop()]);
  await rm(directory, { recursive: true });
});

async function look(parts: Partial<DoctorParts> = {}): Promise<Map<string, Finding>> {
  const found = new Map<string, Finding>();
  const path = join(directory, 'none.json');
  for await (const finding of examine(readEnv(variables), { ...WELL, ...parts }, path)) {
    found.set(finding.what, finding);
    // What is not well comes with what to do.
    if (finding.state !== 'ok') expect(finding.mend).toMatch(/.{10,}/);
    expect(lineOf(finding)).not.toContain(TOKEN);
  }
  return found;
}

it('finds a box well that is, and changes nothing', async () => {
  const found = await look();
  const states = [...found].map(([what, { state }]) => [what, state]);
  expect(Object.fromEntries(states)).toEqual({
    node: 'ok',
    settings: 'ok',
    // Over plain HTTP, on one machine.
    network: 'weak',
    clock: 'ok',
    token: 'ok',
    disk: 'ok',
    koboldcpp: 'ok',
    models: 'ok',
    gpu: 'ok',
    ffmpeg: 'ok',
  });
  expect(edge.count('register')).toBe(0);
  // Not even the folder that the agent will want.
  expect(await readdir(directory)).toEqual([]);
  expect(found.get('disk')?.words).toContain(join(directory, 'data'));
});

it.each([
  ['a clock that is ahead', 'clock', 'bad', { now: () => Date.now() + 120_000 }, 'ahead'],
  ['a clock that is behind', 'clock', 'weak', { now: () => Date.now() - 20_000 }, 'behind'],
  ['a full disk', 'disk', 'bad', { freeBytes: () => Promise.resolve(GIB / 2) }, '0.5 GiB'],
  [
    'a small GPU',
    'gpu',
    'weak',
    { askGpu: () => Promise.resolve({ name: 'GT', vramMib: 2000, vramFreeMib: 1 }) },
    '6000',
  ],
  ['no GPU', 'gpu', 'weak', { askGpu: () => Promise.resolve(null) }, 'nvidia-smi'],
  ['no ffmpeg', 'ffmpeg', 'weak', { versionOf: () => Promise.reject(new Error('ENOENT')) }, 'PATH'],
] as const)('tells of %s', async (_, what, state, parts, words) => {
  const finding = (await look(parts)).get(what);
  expect(finding).toMatchObject({ state });
  expect(finding?.words).toContain(words);
});

it('tells that without ffmpeg a video is hardly checked', async () => {
  variables['TESSERA_CLASSIFIER_MODEL'] = join(directory, 'model.onnx');
  const parts = { versionOf: () => Promise.reject(new Error('ENOENT')) };
  expect((await look(parts)).get('ffmpeg')?.words).toContain('only the first frame');
});

it('tells of a folder that cannot be one', async () => {
  await writeFile(join(directory, 'data'), '');
  expect((await look()).get('disk')).toMatchObject({ state: 'bad' });
  variables['TESSERA_DATA'] = join(directory, 'data', 'deeper');
  expect((await look()).get('disk')).toMatchObject({ state: 'bad' });
});

it('tells of a model that is still to be downloaded, and leaves that to others', async () => {
  const asked: string[] = [];
  const files = createServer((request, response) => {
    asked.push(request.url!);
    response.end();
  });
  await new Promise<void>((done) => files.listen(0, '127.0.0.1', done));
  const { port } = files.address() as AddressInfo;
  variables['TESSERA_LLAMA_MODEL'] = `http://127.0.0.1:${port}/m.gguf`;
  variables['TESSERA_LLAMA_SHA256'] = 'a'.repeat(64);
  variables['TESSERA_LLAMA_HOME'] = directory;
  variables['TESSERA_ENGINES'] = 'koboldcpp,llama';
  const installed = join(directory, 'node_modules', 'node-llama-cpp');
  await mkdir(installed, { recursive: true });
  await writeFile(join(installed, 'index.js'), '');
  const finding = (await look()).get('llama');
  files.close();
  expect(finding).toMatchObject({
    state: 'weak',
    mend: expect.stringContaining('fetch') as string,
  });
  expect(asked).toEqual([]);
  expect(await readdir(directory)).toEqual(['node_modules']);
});

describe('an address', () => {
  it.each<[string, SpeechDouble['kind'], string]>([
    ['Kokoro-FastAPI', 'kokoro', 'bad'],
    ['speaches', 'speaches', 'bad'],
    ['KoboldCPP', 'koboldcpp', 'weak'],
  ])('of a text server that leads to %s is told as that', async (product, kind, state) => {
    const speech = new SpeechDouble();
    speech.kind = kind;
    variables['TESSERA_TEXT_URL'] = (await speech.start()).href;
    variables['TESSERA_ENGINES'] = 'text';
    const found = await look();
    await speech.stop();
    expect(found.get('text')).toMatchObject({
      state,
      mend: expect.stringContaining('_URL') as string,
    });
    expect(found.get('text')?.words).toContain(` is ${product}, `);
    expect(found.get('models')?.state).toBe(state === 'bad' ? 'bad' : 'ok');
  });

  it('that leads to something else is told as no engine', async () => {
    variables['TESSERA_TEXT_URL'] = variables['TESSERA_URL']!;
    variables['TESSERA_ENGINES'] = 'text';
    const finding = (await look()).get('text');
    expect(finding).toMatchObject({ state: 'bad' });
    expect(finding?.words).toContain('does not answer as such an engine');
  });

  it('that answers garbage, or hangs, is told with what it did', async () => {
    let hangs = false;
    const server = createServer((_, response) => {
      if (!hangs) response.end('<html>Welcome</html>');
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    variables['TESSERA_TEXT_URL'] = `http://127.0.0.1:${port}`;
    variables['TESSERA_ENGINES'] = 'text';
    const garbage = (await look()).get('text');
    expect(garbage).toMatchObject({ state: 'bad' });
    expect(garbage?.words).toContain('/v1/models: not JSON: <html>Welcome</html>');
    hangs = true;
    const finding = (await look({ timeout: () => AbortSignal.timeout(1) })).get('text');
    server.closeAllConnections();
    server.close();
    expect(finding?.words).toBe(`http://127.0.0.1:${port} does not answer: no answer in time`);
  });
});

it('tells of a token that the edge refuses', async () => {
  variables['TESSERA_AGENT_TOKEN'] = TOKEN.replace(/s+$/, 't'.repeat(43));
  expect((await look()).get('token')).toMatchObject({ state: 'bad' });
});

it('tells of an edge that is not there, and goes on with what is here', async () => {
  variables['TESSERA_URL'] = `http://127.0.0.1:${await freePort()}`;
  const found = await look();
  expect(found.get('network')).toMatchObject({ state: 'bad' });
  expect(found.get('network')?.words).toContain('ECONNREFUSED');
  expect(found.get('koboldcpp')).toMatchObject({ state: 'ok' });
});

it('tells of an address where something else answers', async () => {
  const page = createServer((_, response) => response.end('<html>Welcome</html>'));
  await new Promise<void>((done) => page.listen(0, '127.0.0.1', done));
  variables['TESSERA_URL'] = `http://127.0.0.1:${(page.address() as AddressInfo).port}`;
  const found = await look();
  page.close();
  expect(found.get('network')).toMatchObject({ state: 'bad' });
  expect(found.get('network')?.words).toContain('not as a Tessera');
  expect(found.has('token')).toBe(false);
});

it('tells of an engine that is away, but not of one that the agent starts', async () => {
  await kobold.stop();
  expect((await look()).get('koboldcpp')).toMatchObject({ state: 'bad' });
  expect((await look()).get('models')).toMatchObject({ state: 'bad' });
  variables['TESSERA_KOBOLDCPP_COMMAND'] = 'exec koboldcpp';
  expect((await look()).get('koboldcpp')).toMatchObject({ state: 'ok' });
});

it('tells every fault of the settings, and of a file that others can read', async () => {
  const path = join(directory, 'agent.json');
  await writeFile(path, '{}');
  await chmod(path, 0o644);
  const found: Finding[] = [];
  for await (const finding of examine(readEnv({}), WELL, path)) found.push(finding);
  const words = found.filter(({ state }) => state === 'bad').map((finding) => finding.words);
  expect(words).toEqual([
    expect.stringContaining('others on this machine'),
    expect.stringContaining('TESSERA_URL'),
    expect.stringContaining('TESSERA_AGENT_TOKEN'),
  ]);
});
