import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isOpenToOthers, loadSettings, parseConfig } from './config.ts';
import { TOKEN } from './doubles/edge-server.ts';

it('stands for variables: names by words, lists by commas, models by pairs', () => {
  const json = {
    url: 'https://edge.example',
    agentToken: ['tsa_a', 'tsa_b'],
    healthPort: 9401,
    comfyui: { url: 'http://127.0.0.1:8188', startMs: 60_000, onSwitch: 'unload' },
    text: { url: 'http://127.0.0.1:11434', models: { chat: 'qwen2.5:7b' } },
  };
  expect(parseConfig(JSON.stringify(json))).toEqual({
    ok: true,
    values: {
      TESSERA_URL: 'https://edge.example',
      TESSERA_AGENT_TOKEN: 'tsa_a,tsa_b',
      TESSERA_HEALTH_PORT: '9401',
      TESSERA_COMFYUI_URL: 'http://127.0.0.1:8188',
      TESSERA_COMFYUI_START_MS: '60000',
      TESSERA_COMFYUI_ON_SWITCH: 'unload',
      TESSERA_TEXT_URL: 'http://127.0.0.1:11434',
      TESSERA_TEXT_MODELS: 'chat=qwen2.5:7b',
    },
  });
});

it.each([
  ['{"agentToken": "tsa_secret', 'the file is not JSON'],
  ['[]', 'the file is not a JSON object'],
  ['{"comfy": {"url": "x"}}', 'comfy.url: no such setting'],
  ['{"url": true}', 'url: a text, a number or a list of these'],
  ['{"text": {"models": {"chat": {}}}}', 'text.models: a text, a number or a list of these'],
])('says what is wrong with %s', (text, fault) => {
  const parsed = parseConfig(text);
  expect(parsed.ok ? [] : parsed.faults).toEqual([expect.stringContaining(fault)]);
  expect(JSON.stringify(parsed)).not.toContain('secret');
});

it('is read from where it is named, and one that is named has to be there', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'config-'));
  const path = join(directory, 'agent.json');
  expect(await loadSettings(path)).toMatchObject({
    faults: [expect.stringContaining('ENOENT')],
  });
  await writeFile(path, JSON.stringify({ url: 'https://edge.example', agentToken: TOKEN }));
  expect(await loadSettings(path)).toMatchObject({
    ok: true,
    env: { url: new URL('https://edge.example'), tokens: [{ token: TOKEN }] },
  });
  await chmod(path, 0o644);
  expect(await isOpenToOthers(path)).toBe(true);
  await chmod(path, 0o600);
  expect(await isOpenToOthers(path)).toBe(false);
  await rm(directory, { recursive: true });
});
