import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadSettings } from '../config.ts';
import { TOKEN } from '../doubles/edge-server.ts';
import { freePort } from '../doubles/group.ts';
import { HttpDouble, replyText } from '../engines/doubles/http-double.ts';
import type { Asked } from '../engines/doubles/http-double.ts';
import { KoboldDouble } from '../engines/doubles/koboldcpp.ts';
import { OpenaiTextDouble } from '../engines/doubles/openai-text.ts';
import { SpeechDouble } from '../engines/doubles/speech.ts';
import { WhisperDouble } from '../engines/doubles/whisper.ts';
import { faultOfEdge } from './edge.ts';
import { init } from './init.ts';
import type { InitParts } from './init.ts';
import { quote, unitOf } from './unit.ts';

let home: string;
let printed: string[];
let asked: string[];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'init-'));
  [printed, asked] = [[], []];
});
afterEach(() => rm(home, { recursive: true }));

function run(changes: Partial<InitParts> = {}, replies: Record<string, string> = {}) {
  return init({
    config: join(home, 'deep', 'agent.json'),
    home,
    given: { url: 'https://edge.example', token: TOKEN, unit: false },
    ask: (question, fallback) => {
      asked.push(question);
      const reply = Object.entries(replies).find(([word]) => question.includes(word));
      return Promise.resolve(reply?.[1] ?? fallback);
    },
    print: (line) => void printed.push(line),
    overwrite: false,
    exec: ['/usr/bin/node', '/opt/tessera/main.ts'],
    ports: [],
    askEdge: () => Promise.resolve(null),
    ...changes,
  });
}
const file = () => join(home, 'deep', 'agent.json');
async function settings() {
  const loaded = await loadSettings(file());
  return loaded.ok ? loaded.env : expect.unreachable(loaded.faults.join());
}

/** A page of somebody else. */
class Stranger extends HttpDouble {
  hangs = false;

  protected answer(_: Asked, response: ServerResponse): void {
    if (!this.hangs) replyText(response, 200, '<title>Login</title>');
  }
}

it('finds what runs on this machine, and writes settings that the agent takes', async () => {
  const [kobold, speech] = [new KoboldDouble(), new SpeechDouble()];
  const [text, sound] = [await kobold.start(), await speech.start()];
  const ports = [await freePort(), Number(text.port), Number(sound.port)];
  expect(await run({ ports })).toBe(0);
  await Promise.all([kobold.stop(), speech.stop()]);
  expect((await stat(file())).mode & 0o777).toBe(0o600);
  expect(await loadSettings(file())).toMatchObject({
    ok: true,
    env: {
      data: join(home, '.local', 'share', 'tessera', 'agent'),
      engines: expect.arrayContaining(['koboldcpp', 'speech', 'painter']) as string[],
      servers: { koboldcpp: { url: text }, speech: { url: sound } },
    },
  });
  expect(printed.join('\n')).not.toContain(TOKEN);
});

it('takes a server for what it is, whatever else it would answer', async () => {
  const [hears, speaks, writes] = [new WhisperDouble(), new SpeechDouble(), new OpenaiTextDouble()];
  [speaks.kind, speaks.models] = ['speaches', ['kokoro']];
  const doubles = [hears, speaks, writes];
  const urls = await Promise.all(doubles.map((double) => double.start()));
  // Where others are looked for first, too.
  expect(await run({ ports: urls.map(({ port }) => Number(port)) })).toBe(0);
  await Promise.all(doubles.map((double) => double.stop()));
  const { servers } = await settings();
  expect(Object.keys(servers).toSorted()).toEqual(['speech', 'text', 'whisper']);
  expect(servers).toMatchObject({
    whisper: { url: urls[0] },
    speech: { url: urls[1] },
    text: { url: urls[2] },
  });
});

it('uses the first of two, and tells of what it does not use, and why', async () => {
  const [first, second, empty] = [new KoboldDouble(), new KoboldDouble(), new SpeechDouble()];
  empty.models = [];
  empty.kind = 'speaches';
  const stranger = new Stranger();
  const doubles = [first, second, empty, stranger];
  const urls = await Promise.all(doubles.map((double) => double.start()));
  expect(await run({ ports: urls.map(({ port }) => Number(port)) })).toBe(0);
  await Promise.all(doubles.map((double) => double.stop()));
  const { servers } = await settings();
  expect(servers).toMatchObject({ koboldcpp: { url: urls[0] } });
  expect(Object.keys(servers)).toEqual(['koboldcpp']);
  const lines = urls.map(({ origin }) => printed.find((line) => line.includes(`  ${origin}  `)));
  expect(lines).toEqual([
    expect.stringContaining('KoboldCPP: koboldcpp: chat'),
    expect.stringContaining(`not used: koboldcpp has ${urls[0]!.origin} already`),
    expect.stringContaining('none that is known here'),
    expect.stringContaining('none that is known here'),
  ]);
});

it('does not wait for a server that hangs, and says so of none', async () => {
  const stranger = new Stranger();
  stranger.hangs = true;
  const ports = [Number((await stranger.start()).port)];
  expect(await run({ ports, timeout: () => AbortSignal.timeout(1) })).toBe(0);
  await stranger.stop();
  expect(printed.join('\n')).toContain('none to use');
});

it('warns of an address where no service is, and writes it all the same', async () => {
  const dead = `http://127.0.0.1:${await freePort()}`;
  const stranger = new Stranger();
  const page = (await stranger.start()).origin;
  for (const [url, words] of [
    [dead, 'cannot be reached: connect ECONNREFUSED'],
    [page, 'answers HTTP 200, but not as a Tessera'],
  ] as const) {
    const given = { url, token: TOKEN, unit: false };
    expect(await run({ given, askEdge: faultOfEdge, overwrite: true })).toBe(0);
    expect(printed).toContainEqual(expect.stringContaining(`warning: ${url} ${words}`));
    expect(printed).toContainEqual(`  check the address, as by: curl ${url}/health`);
    expect(await settings()).toMatchObject({ url: new URL(url) });
  }
  await stranger.stop();
});

it('prints nothing that a terminal would obey', async () => {
  const askEdge = () => Promise.resolve('it says \u001b[2J\u009b1A\u0007so');
  expect(await run({ askEdge })).toBe(0);
  expect(printed[0]).toBe('warning: it says [2J1Aso');
});

it('asks for what is not given', async () => {
  const replies = { address: 'https://edge.example', token: TOKEN, systemd: 'y' };
  expect(await run({ given: {} }, replies)).toBe(0);
  expect(asked).toHaveLength(3);
  const unit = join(home, '.config', 'systemd', 'user', 'tessera-agent.service');
  expect(await readFile(unit, 'utf8')).toContain(
    `ExecStart=/usr/bin/node /opt/tessera/main.ts --config ${file()} run\n`,
  );
});

it('writes nothing that the agent would refuse', async () => {
  expect(await run({ given: { url: 'edge', token: TOKEN, unit: false } })).toBe(2);
  expect(printed[0]).toMatch(/^TESSERA_URL: /);
  expect(printed.at(-1)).toContain('--url');
  await expect(stat(file())).rejects.toThrow('ENOENT');
});

it('says what to do when it cannot write', async () => {
  await writeFile(join(home, 'deep'), '');
  expect(await run()).toBe(1);
  expect(printed.at(-1)).toMatch(/^not written: .*deep.*--config FILE$/);
});

it('names its files so that systemd finds them from any folder', async () => {
  const config = relative(process.cwd(), file());
  const given = { url: 'https://edge.example', token: TOKEN, unit: true, data: 'results' };
  expect(await run({ config, given })).toBe(0);
  const unit = join(home, '.config', 'systemd', 'user', 'tessera-agent.service');
  expect(await readFile(unit, 'utf8')).toContain(`--config ${file()} run\n`);
  expect(await settings()).toMatchObject({ data: resolve('results') });
});

it('keeps settings that are there, unless told to replace them', async () => {
  await run();
  await writeFile(file(), '{}', { mode: 0o644 });
  expect(await run()).toBe(1);
  expect(await readFile(file(), 'utf8')).toBe('{}');
  expect(await run({ overwrite: true })).toBe(0);
  expect((await stat(file())).mode & 0o777).toBe(0o600);
});

it('writes a unit that is the one of the folder ops', async () => {
  const path = new URL('../../ops/tessera-agent.service', import.meta.url);
  expect(await readFile(path, 'utf8')).toBe(
    unitOf('/usr/bin/node /opt/tessera/tessera-agent.mjs run'),
  );
  expect(quote('/a b/$x "y" 5%')).toBe('"/a b/$$x \\"y\\" 5%%"');
});
