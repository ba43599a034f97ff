import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadSettings } from '../config.ts';
import { TOKEN } from '../doubles/edge-server.ts';
import { KoboldDouble } from '../engines/doubles/koboldcpp.ts';
import { SpeechDouble } from '../engines/doubles/speech.ts';
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
    ports: {},
    ...changes,
  });
}
const file = () => join(home, 'deep', 'agent.json');

it('finds what runs on this machine, and writes settings that the agent takes', async () => {
  const [kobold, speech] = [new KoboldDouble(), new SpeechDouble()];
  const [text, sound] = [await kobold.start(), await speech.start()];
  const closed = 1;
  const ports = { koboldcpp: [closed, Number(text.port)], speech: [Number(sound.port)] };
  // A KoboldCPP passes itself off as a ComfyUI.
  expect(await run({ ports: { ...ports, comfyui: [Number(text.port)] } })).toBe(0);
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
  expect(printed.at(-1)).toMatch(/^TESSERA_URL: /);
  await expect(stat(file())).rejects.toThrow('ENOENT');
});

it('names its files so that systemd finds them from any folder', async () => {
  const config = relative(process.cwd(), file());
  const given = { url: 'https://edge.example', token: TOKEN, unit: true, data: 'results' };
  expect(await run({ config, given })).toBe(0);
  const unit = join(home, '.config', 'systemd', 'user', 'tessera-agent.service');
  expect(await readFile(unit, 'utf8')).toContain(`--config ${file()} run\n`);
  const settings = await loadSettings(file());
  expect(settings).toMatchObject({ ok: true, env: { data: resolve('results') } });
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
