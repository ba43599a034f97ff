/** What servers say of themselves, as read in their sources; played over real HTTP on loopback. */
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../doubles/group.ts';
import { HttpDouble, reply, replyText } from '../engines/doubles/http-double.ts';
import type { Asked } from '../engines/doubles/http-double.ts';
import { identify } from './identify.ts';
import type { Identified } from './identify.ts';

/** A server that answers GETs of some paths, with JSON or with text. */
class Played extends HttpDouble {
  answers: Readonly<Record<string, object | string>> = {};
  /** Wanted by all but these paths. */
  key: string | null = null;
  open: readonly string[] = [];
  server: string | null = null;
  hangs = false;

  protected answer({ path, key }: Asked, response: ServerResponse): void {
    if (this.hangs) return;
    if (this.server !== null) response.setHeader('server', this.server);
    if (this.key !== null && !this.open.includes(path) && key !== this.key) {
      return reply(response, { detail: 'Not authenticated' }, 403);
    }
    const found = this.answers[path];
    if (typeof found === 'string') return replyText(response, 200, found);
    return found ? reply(response, found) : reply(response, { detail: 'Not Found' }, 404);
  }
}

const modelsOf = (...data: object[]) => ({ '/v1/models': { object: 'list', data } });
const HEARS = { id: 'Systran/faster-whisper-small', task: 'automatic-speech-recognition' };
const SPEAKS = { id: 'speaches-ai/Kokoro-82M-v1.0-ONNX', task: 'text-to-speech' };
const SPEACHES = { '/openapi.json': { info: { title: 'Speaches' } }, '/': '<title>Gradio</title>' };
const STATS = {
  '/system_stats': { system: { python_version: '3.12', comfyui_version: '1' }, devices: [{}] },
};
const KOBOLD = {
  ...STATS,
  '/': '<title>KoboldAI Lite</title>',
  '/api/version': { version: '0.7.0' },
  ...modelsOf({ id: 'koboldcpp/x', owned_by: 'koboldcpp' }),
};

let double: Played;
let url: URL;

beforeEach(async () => {
  double = new Played();
  url = await double.start();
});
afterEach(() => double.stop());

const look = (key: string | null = null, signal = AbortSignal.timeout(10_000)) =>
  identify({ url, key, signal });

it.each<[string, Readonly<Record<string, object | string>>, Identified]>([
  [
    'KoboldCPP, which plays ComfyUI and Ollama',
    { ...KOBOLD, '/api/extra/version': { result: 'KoboldCpp', version: '1.115' } },
    { product: 'KoboldCPP', serves: ['koboldcpp'] },
  ],
  [
    'KoboldCPP with a voice',
    { ...KOBOLD, '/api/extra/version': { result: 'KoboldCpp', tts: true } },
    { product: 'KoboldCPP', serves: ['koboldcpp', 'speech'] },
  ],
  ['ComfyUI', { ...STATS, '/': '<html>' }, { product: 'ComfyUI', serves: ['comfyui'] }],
  [
    'Ollama, before any model is pulled',
    { '/': 'Ollama is running', '/api/version': { version: '0.9' }, ...modelsOf() },
    { product: 'Ollama', serves: ['text'] },
  ],
  [
    'llama.cpp',
    { '/': '<html>', ...modelsOf({ id: 'm.gguf', owned_by: 'llamacpp' }) },
    { product: 'llama.cpp', serves: ['text'] },
  ],
  [
    'llama.cpp that still loads its model',
    { '/': '<html>', '/props': { default_generation_settings: {} } },
    { product: 'llama.cpp', serves: ['text'] },
  ],
  ['vLLM', modelsOf({ id: 'm', owned_by: 'vllm' }), { product: 'vLLM', serves: ['text'] }],
  [
    'vLLM with a model that hears',
    modelsOf({ id: 'openai/whisper-large-v3', owned_by: 'vllm' }),
    { product: 'vLLM', serves: ['whisper'] },
  ],
  [
    'LM Studio',
    {
      ...modelsOf({ id: 'm', owned_by: 'organization_owner' }),
      '/api/v0/models': { data: [{ id: 'm', type: 'llm', compatibility_type: 'gguf' }] },
    },
    { product: 'LM Studio', serves: ['text'] },
  ],
  [
    'speaches that hears and speaks',
    { ...SPEACHES, ...modelsOf(HEARS, SPEAKS) },
    { product: 'speaches', serves: ['whisper', 'speech'] },
  ],
  [
    'speaches that only hears',
    { ...SPEACHES, ...modelsOf(HEARS) },
    { product: 'speaches', serves: ['whisper'] },
  ],
  [
    'speaches without a model',
    { ...SPEACHES, ...modelsOf() },
    { product: 'speaches', serves: ['speech', 'whisper'] },
  ],
  [
    'Kokoro-FastAPI',
    modelsOf({ id: 'tts-1', owned_by: 'kokoro' }, { id: 'kokoro', owned_by: 'kokoro' }),
    { product: 'Kokoro-FastAPI', serves: ['speech'] },
  ],
  [
    'whisper.cpp',
    { '/': '<title>Whisper.cpp Server</title>', '/health': { status: 'ok' } },
    { product: 'whisper.cpp', serves: ['whisper'] },
  ],
  ['a router', { '/': '<title>Login</title>' }, 'stranger'],
  ['an API of somebody else', modelsOf({ id: 'gpt', owned_by: 'me' }), 'stranger'],
  ['a server of garbage', { '/v1/models': '{"data":', '/openapi.json': 'no' }, 'stranger'],
])('knows %s by what it alone says', async (_, answers, identity) => {
  double.answers = answers;
  expect(await look()).toEqual(identity);
});

describe('a server', () => {
  it('is known behind a key by what is open, and by the rest with it', async () => {
    double.answers = { ...SPEACHES, ...modelsOf(HEARS) };
    [double.key, double.open] = ['secret', ['/', '/openapi.json']];
    expect(await look()).toEqual({ product: 'speaches', serves: ['speech', 'whisper'] });
    expect(await look('secret')).toEqual({ product: 'speaches', serves: ['whisper'] });
  });

  it('is known as whisper.cpp also with a page of its own', async () => {
    double.answers = { '/': '<title>Our transcripts</title>' };
    double.server = 'whisper.cpp';
    expect(await look()).toMatchObject({ product: 'whisper.cpp' });
  });

  it('that hangs is waited for as long as was said', async () => {
    double.hangs = true;
    const abort = new AbortController();
    const looking = look(null, abort.signal);
    await double.until(() => double.asked.length > 0);
    abort.abort();
    expect(await looking).toBe('nobody');
  });

  it('that is not there is nobody', async () => {
    url = new URL(`http://127.0.0.1:${await freePort()}`);
    expect(await look()).toBe('nobody');
  });
});
