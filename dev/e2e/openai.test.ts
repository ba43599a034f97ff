/**
 * OpenAI's official client, as it is but for its base URL and key, against the whole system: its
 * calls reach the embedded painter, speech and film, and servers of text and of transcription.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AccountView } from '#schema/api.ts';
import { OpenaiTextDouble } from '../../agent/engines/doubles/openai-text.ts';
import { TEXT, WhisperDouble } from '../../agent/engines/doubles/whisper.ts';
import { call } from '../api.ts';
import { findFreePort } from '../port.ts';
import { removePostgresData } from '../postgres-home.ts';
import { quiet } from '../progress.ts';
import { LocalSystem } from '../system.ts';

const SMALL = { model: 'painter', prompt: 'a red boat', size: '256x256' as const };
const TALK = { model: 'chat', messages: [{ role: 'user' as const, content: 'Tell a story.' }] };
const STORY = 'Once upon a time there was a cat.';
const SOON = { timeout: 30_000, interval: 100 };

const texts = new OpenaiTextDouble();
const whisper = new WhisperDouble();
let data: string;
let system: LocalSystem;
let client: OpenAI;

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'tessera-openai-'));
  texts.contextTokens = 4096;
  const [text, transcription] = await Promise.all([texts.start(), whisper.start()]);
  system = new LocalSystem({
    data,
    port: await findFreePort(),
    site: false,
    agentEnv: {
      TESSERA_TEXT_URL: text.href,
      TESSERA_TEXT_MODELS: 'chat=qwen2.5:7b',
      TESSERA_WHISPER_URL: transcription.href,
    },
    print: quiet,
  });
  await system.start();
  const { baseUrl, apiKey } = system.credentials;
  client = new OpenAI({ apiKey, baseURL: `${baseUrl}/v1` });
  await vi.waitFor(async () => {
    const { data: models } = await client.models.list();
    const online = models.filter((model) => Reflect.get(model, 'availability') !== 'offline');
    const ids = online.map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining(['painter', 'flite', 'chat', 'whisper']));
  }, SOON);
});

afterAll(async () => {
  await system.stop();
  await Promise.all([texts.stop(), whisper.stop()]);
  removePostgresData(join(data, 'postgres'));
  rmSync(data, { recursive: true, force: true });
});

async function countOpen(): Promise<number> {
  const { baseUrl, apiKey: bearer } = system.credentials;
  return AccountView.parse(await call(`${baseUrl}/v1/account`, { bearer })).jobs_open;
}

/** Type and size of a PNG file. */
function describePng(file: Buffer): string {
  const kind = file.subarray(1, 4).toString('latin1');
  return `${kind} ${file.readUInt32BE(16)}x${file.readUInt32BE(20)}`;
}

describe('images', () => {
  it('come in base64 and by URL', async () => {
    const { data: inside } = await client.images.generate({ ...SMALL, n: 2 });
    const files = inside!.map(({ b64_json }) => Buffer.from(b64_json!, 'base64'));
    expect(files.map(describePng)).toEqual(['PNG 256x256', 'PNG 256x256']);
    expect(files[0]!.equals(files[1]!)).toBe(false);
    const { data: linked } = await client.images.generate({ ...SMALL, response_format: 'url' });
    const response = await fetch(linked![0]!.url!);
    expect(describePng(Buffer.from(await response.arrayBuffer()))).toBe('PNG 256x256');
  });

  it('are streamed with previews of the work', async () => {
    const large = { ...SMALL, size: '1024x1024' as const };
    const stream = await client.images.generate({ ...large, stream: true, partial_images: 3 });
    const types: string[] = [];
    for await (const event of stream) {
      types.push(event.type);
      expect(Buffer.from(event.b64_json, 'base64').length).toBeGreaterThan(100);
    }
    expect(types.at(-1)).toBe('image_generation.completed');
    expect(types.filter((type) => type.endsWith('completed'))).toHaveLength(1);
    expect(types.length).toBeLessThanOrEqual(4);
  });

  it('are changed by a prompt', async () => {
    const { data: made } = await client.images.generate(SMALL);
    const picture = Buffer.from(made![0]!.b64_json!, 'base64');
    const image = await toFile(picture, 'boat.png', { type: 'image/png' });
    const { data: changed } = await client.images.edit({ ...SMALL, image, prompt: 'at night' });
    const edited = Buffer.from(changed![0]!.b64_json!, 'base64');
    expect(describePng(edited)).toBe('PNG 256x256');
    expect(edited.equals(picture)).toBe(false);
  });
});

describe('chat', () => {
  it('is answered whole, with its usage', async () => {
    const answer = await client.chat.completions.create(TALK);
    expect(answer.choices[0]).toMatchObject({
      message: { role: 'assistant', content: STORY },
      finish_reason: 'stop',
    });
    expect(answer.usage).toMatchObject({ completion_tokens: 9 });
    expect(answer.usage!.prompt_tokens).toBeGreaterThan(0);
  });

  it('goes on over several turns, and stops where it is told to', async () => {
    const first = await client.chat.completions.create(TALK);
    await client.chat.completions.create({
      ...TALK,
      messages: [...TALK.messages, first.choices[0]!.message, { role: 'user', content: 'More.' }],
      stop: ['\n'],
      max_completion_tokens: 64,
      response_format: { type: 'json_object' },
    });
    expect(texts.of('/v1/chat/completions').at(-1)!.json).toMatchObject({
      messages: [...TALK.messages, { role: 'assistant', content: STORY }, { content: 'More.' }],
      max_tokens: 64,
      stop: ['\n'],
      response_format: { type: 'json_object' },
    });
  });

  it('is streamed by the helper of the client', async () => {
    const runner = client.chat.completions.stream({
      ...TALK,
      stream_options: { include_usage: true },
    });
    let told = '';
    runner.on('content', (piece) => {
      told += piece;
    });
    const whole = await runner.finalChatCompletion();
    expect(told).toBe(STORY);
    expect(whole.choices[0]!.message.content).toBe(STORY);
    expect((await runner.totalUsage()).completion_tokens).toBe(9);
  });

  it('stops the engine when the client leaves', async () => {
    texts.script = { ...texts.script, trouble: 'stall', at: 2 };
    try {
      const stream = await client.chat.completions.create({ ...TALK, stream: true });
      for await (const { choices } of stream) if (choices[0]?.delta.content) break;
      await texts.of('/v1/chat/completions').at(-1)!.closed;
      await vi.waitFor(async () => expect(await countOpen()).toBe(0), SOON);
    } finally {
      texts.script = { ...texts.script, trouble: 'none', at: Infinity };
    }
  });

  it('has completions of plain prompts', async () => {
    const stream = await client.completions.create({ model: 'chat', prompt: 'Once', stream: true });
    let text = '';
    for await (const { choices } of stream) text += choices[0]?.text ?? '';
    expect(text).toBe(STORY);
  });
});

describe('audio', () => {
  it('is spoken and written down', async () => {
    const spoken = await client.audio.speech.create({
      ...{ model: 'flite', voice: 'alloy', input: 'Ask not.', response_format: 'wav' },
    });
    const sound = Buffer.from(await spoken.arrayBuffer());
    expect(spoken.headers.get('content-type')).toBe('audio/wav');
    expect(sound.subarray(0, 4).toString('latin1')).toBe('RIFF');
    const file = await toFile(sound, 'speech.wav');
    const heard = await client.audio.transcriptions.create({ file, model: 'whisper' });
    // The server breaks lines where its segments end.
    expect(heard.text.replaceAll('\n', ' ')).toBe(TEXT);
    const verbose = await client.audio.transcriptions.create({
      ...{ file, model: 'whisper', response_format: 'verbose_json' },
      timestamp_granularities: ['segment', 'word'],
    });
    expect(verbose.segments!.map(({ text }) => text).join(' ')).toBe(TEXT);
    expect(verbose.words!.map(({ word }) => word).join(' ')).toBe(TEXT);
    const subtitles = { file, model: 'whisper', response_format: 'srt' as const };
    expect(await client.audio.transcriptions.create(subtitles)).toMatch(/^1\n00:00:00,\d{3} --> /);
    const translated = await client.audio.translations.create({ file, model: 'whisper' });
    expect(translated.text.replaceAll('\n', ' ')).toBe(TEXT);
  });
});

describe('videos', () => {
  it('are made, fetched, listed and deleted', async (context) => {
    const { data: models } = await client.models.list();
    const model = models.find(({ id }) => id === 'painter-motion');
    // A film needs ffmpeg or an animated picture; without either nobody offers one.
    if (Reflect.get(model ?? {}, 'availability') === 'offline') return context.skip();
    const { id } = await client.videos.create({
      model: 'painter-motion',
      prompt: 'waves at dusk',
      seconds: '1' as never,
      size: '256x256' as never,
    });
    await vi.waitFor(
      async () => expect((await client.videos.retrieve(id)).status).toBe('completed'),
      { timeout: 90_000, interval: 500 },
    );
    const film = await client.videos.downloadContent(id);
    expect(film.headers.get('content-type')).toMatch(/^(video\/mp4|image\/webp)$/);
    expect((await film.arrayBuffer()).byteLength).toBeGreaterThan(1000);
    await vi.waitFor(async () => {
      expect((await client.videos.list()).data.map((video) => video.id)).toEqual([id]);
    }, SOON);
    expect(await client.videos.delete(id)).toMatchObject({ id, deleted: true });
    await expect(client.videos.retrieve(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });
});

describe('errors', () => {
  it('are those of the client, with the request that they are of', async () => {
    const { baseURL } = client;
    const stranger = new OpenAI({ apiKey: 'none', baseURL });
    await expect(stranger.images.generate(SMALL)).rejects.toBeInstanceOf(
      OpenAI.AuthenticationError,
    );
    const error = await client.images
      .generate({ ...SMALL, style: 'vivid' })
      .then(null, (refusal: unknown) => refusal);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({
      ...{ code: 'unsupported_parameter', param: 'style', type: 'invalid_request_error' },
      requestID: expect.stringMatching(/^req_/),
    });
    const model = client.models.retrieve('gpt-4o');
    await expect(model).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  it('leave one job of a request that was repeated with its key', async () => {
    const headers = { 'idempotency-key': 'boat-1' };
    const [first, second] = await Promise.all([
      client.images.generate(SMALL, { headers }).withResponse(),
      client.images.generate(SMALL, { headers }).withResponse(),
    ]);
    const ids = [first, second].map(({ response }) => response.headers.get('x-job-id'));
    expect(ids[0]).toBe(ids[1]);
    expect(second.data).toEqual(first.data);
  });
});
