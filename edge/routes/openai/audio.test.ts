import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { expectAuthRefusals, expectError, HttpWorld } from '../../test/http.ts';
import { makeWav } from '../../test/media.ts';
import { finishWith, OpenAiWorld, takeSoon } from '../../test/openai.ts';
import type { MadeFile } from '../../test/openai.ts';

const SPOKEN = { model: 'kokoro', input: 'The tide is turning.', voice: 'af_bella' };
const SOUND = Uint8Array.from({ length: 3000 }, (_, index) => index % 251);

function sound(contentType: MadeFile['contentType']): { files: readonly MadeFile[] } {
  return { files: [{ bytes: SOUND, contentType }] };
}

describe('POST /v1/audio/speech', () => {
  it('answers the sound itself, mp3 where the model makes it', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['kokoro']);
    const asking = client.audio.speech.create({ ...SPOKEN, speed: 1.5 });
    const job = await takeSoon(agent);
    expect(job.spec).toEqual({
      ...{ type: 'speech', model: 'kokoro', input: SPOKEN.input, voice: 'af_bella' },
      ...{ speed: 1.5, language: 'en', format: 'mp3' },
    });
    await finishWith(agent, job, sound('audio/mpeg'));
    const answer = await asking;
    expect(answer.headers.get('content-type')).toBe('audio/mpeg');
    expect(answer.headers.get('x-voice')).toBe('af_bella');
    expect(new Uint8Array(await answer.arrayBuffer())).toEqual(SOUND);
  });

  it("takes a name of OpenAI's voices for the model's first, and tells which that is", async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['flite']);
    const asking = client.audio.speech.create({ ...SPOKEN, model: 'flite', voice: 'alloy' });
    const job = await takeSoon(agent);
    expect(job.spec).toMatchObject({ voice: 'slt', format: 'wav' });
    await finishWith(agent, job, sound('audio/wav'));
    expect((await asking).headers.get('x-voice')).toBe('slt');
  });

  it('makes an Ogg file of `opus`', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['kokoro']);
    const asking = client.audio.speech.create({ ...SPOKEN, response_format: 'opus' });
    const job = await takeSoon(agent);
    expect(job.spec).toMatchObject({ format: 'ogg' });
    await finishWith(agent, job, sound('audio/ogg'));
    expect((await asking).headers.get('content-type')).toBe('audio/ogg');
  });

  it.each([
    [{ response_format: 'aac' }, 'response_format', 'invalid_request'],
    [{ response_format: 'pcm' }, 'response_format', 'invalid_request'],
    [
      { model: 'flite', voice: 'slt', response_format: 'mp3' },
      'response_format',
      'invalid_request',
    ],
    [{ voice: 'morgan' }, 'voice', 'invalid_request'],
    [{ voice: { id: 'voice_1' } }, 'voice', 'invalid_request'],
    [{ speed: 9 }, 'speed', 'invalid_request'],
    [{ instructions: 'whisper' }, 'instructions', 'unsupported_parameter'],
    [{ stream_format: 'sse' }, 'stream_format', 'invalid_request'],
    [{ model: 'tts-1' }, 'model', 'unknown_model'],
  ])('refuses %j by its name', async (more, param, code) => {
    const world = new OpenAiWorld();
    const { client } = await world.open(['kokoro', 'flite']);
    const asking = client.audio.speech.create({ ...SPOKEN, ...more } as never);
    const error = await asking.then(null, (refusal: unknown) => refusal);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ code, param });
  });

  it('refuses whoever has no valid key', async () => {
    const route = ['POST', '/v1/audio/speech'] as const;
    await expectAuthRefusals(new HttpWorld(), route, { caller: 'account', json: SPOKEN });
  });
});

function wav(): File {
  return new File([makeWav(1)], 'speech.wav', { type: 'audio/wav' });
}

const TOLD = {
  text: 'Ask not.',
  language: 'en',
  duration: 1.9,
  segments: [
    {
      ...{ id: 0, text: 'Ask not.', start: 0.1, end: 1.9 },
      words: [
        { word: 'Ask', start: 0.1, end: 0.5 },
        { word: 'not.', start: 0.6, end: 1.9 },
      ],
    },
  ],
};

function written(text: string, contentType: MadeFile['contentType']) {
  return { files: [{ bytes: new TextEncoder().encode(text), contentType }] };
}

const AS_JSON = written(JSON.stringify(TOLD), 'application/json');
const HEARD = { model: 'whisper' };

describe('POST /v1/audio/transcriptions', () => {
  it('answers the text', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['whisper']);
    const asking = client.audio.transcriptions.create({ ...HEARD, file: wav(), language: 'en' });
    const job = await takeSoon(agent);
    expect(job.spec).toMatchObject({
      ...{ type: 'transcription', language: 'en', translate: false },
      ...{ timestamps: 'none', format: 'json', file: expect.stringMatching(/^file_/) },
    });
    await finishWith(agent, job, AS_JSON);
    expect(await asking).toEqual({ text: 'Ask not.', usage: { type: 'duration', seconds: 2 } });
  });

  it('answers the times of segments and words', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['whisper']);
    const asked = { ...HEARD, response_format: 'verbose_json' as const };
    const both = client.audio.transcriptions.create({
      ...{ ...asked, file: wav() },
      timestamp_granularities: ['word', 'segment'],
    });
    const job = await takeSoon(agent);
    expect(job.spec).toMatchObject({ timestamps: 'word', format: 'json' });
    await finishWith(agent, job, AS_JSON);
    expect(await both).toEqual({
      ...{ task: 'transcribe', language: 'en', duration: 1.9, text: 'Ask not.' },
      segments: [{ id: 0, text: 'Ask not.', start: 0.1, end: 1.9 }],
      words: TOLD.segments[0]!.words,
      usage: { type: 'duration', seconds: 2 },
    });
    const segments = client.audio.transcriptions.create({ ...asked, file: wav() });
    const second = await takeSoon(agent);
    expect(second.spec).toMatchObject({ timestamps: 'segment' });
    await finishWith(agent, second, AS_JSON);
    expect(await segments).not.toHaveProperty('words');
  });

  it.each([
    ['text', 'text/plain', 'Ask not.\n'],
    ['srt', 'application/x-subrip', '1\n00:00:00,100 --> 00:00:01,900\nAsk not.\n\n'],
    ['vtt', 'text/vtt', 'WEBVTT\n\n00:00:00.100 --> 00:00:01.900\nAsk not.\n\n'],
  ] as const)('answers %s as it was written', async (response_format, contentType, text) => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['whisper']);
    const asking = client.audio.transcriptions.create({ ...HEARD, file: wav(), response_format });
    const job = await takeSoon(agent);
    expect(job.spec).toMatchObject({ format: response_format });
    await finishWith(agent, job, written(text, contentType));
    expect(await asking).toBe(text);
  });

  it('keeps a stream open and tells the text at the end', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['whisper']);
    const stream = await client.audio.transcriptions.create({
      ...{ ...HEARD, file: wav(), stream: true, response_format: 'text' },
    });
    await finishWith(agent, await takeSoon(agent), written('Ask not.\n', 'text/plain'));
    const events = [];
    for await (const event of stream) events.push(event);
    expect(events).toEqual([
      { type: 'transcript.text.delta', delta: 'Ask not.' },
      { type: 'transcript.text.done', text: 'Ask not.' },
    ]);
  });

  it.each([
    [{ prompt: 'names' }, 'prompt', 'unsupported_parameter'],
    [{ keywords: ['a'] }, 'keywords[]', 'unsupported_parameter'],
    [{ temperature: 0.5 }, 'temperature', 'invalid_request'],
    [{ language: 'klingon' }, 'language', 'invalid_request'],
    [{ response_format: 'diarized_json' }, 'response_format', 'invalid_request'],
    [{ timestamp_granularities: ['word'] }, 'timestamp_granularities[]', 'invalid_request'],
    [{ stream: true, response_format: 'srt' }, 'response_format', 'invalid_request'],
    [{ model: 'whisper-1' }, 'model', 'unknown_model'],
  ])('refuses %j by its name', async (more, param, code) => {
    const world = new OpenAiWorld();
    const { client } = await world.open(['whisper']);
    const asking = client.audio.transcriptions.create({ ...HEARD, file: wav(), ...more } as never);
    const error = await asking.then(null, (refusal: unknown) => refusal);
    expect(error).toMatchObject({ status: 400, code, param });
  });

  it('refuses a form that is none, and a body of another kind', async () => {
    const world = new OpenAiWorld();
    const { key } = await world.open(['whisper']);
    const send = (type: string) =>
      world.call('POST', '/v1/audio/transcriptions', {
        ...{ bearer: key, body: 'not a form', headers: { 'content-type': type } },
      });
    const torn = await expectError(
      await send('multipart/form-data; boundary=x'),
      'invalid_request',
    );
    expect(torn.message).toContain('form');
    const other = await expectError(await send('audio/wav'), 'unsupported_media_type');
    expect(other.message).toContain('multipart/form-data');
  });

  it('refuses what is no recording', async () => {
    const world = new OpenAiWorld();
    const { client } = await world.open(['whisper']);
    const file = new File(['a text that nobody spoke, long enough'], 'a.wav');
    const asking = client.audio.transcriptions.create({ ...HEARD, file });
    await expect(asking).rejects.toMatchObject({ code: 'unsupported_file', param: 'file' });
  });

  it('refuses whoever has no valid key', async () => {
    const route = ['POST', '/v1/audio/transcriptions'] as const;
    await expectAuthRefusals(new HttpWorld(), route, { caller: 'account' });
  });
});

describe('POST /v1/audio/translations', () => {
  it('asks the engine to translate', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['whisper']);
    const asking = client.audio.translations.create({ ...HEARD, file: wav() });
    const job = await takeSoon(agent);
    expect(job.spec).toMatchObject({ translate: true, language: 'auto' });
    await finishWith(agent, job, AS_JSON);
    expect(await asking).toMatchObject({ text: 'Ask not.' });
  });

  it('refuses a model that cannot, and names those that can', async () => {
    const world = new OpenAiWorld();
    const { client } = await world.open(['pocketsphinx']);
    const asking = client.audio.translations.create({ model: 'pocketsphinx', file: wav() });
    await expect(asking).rejects.toMatchObject({
      ...{ status: 400, code: 'invalid_request', param: 'model' },
      message: expect.stringContaining('must be one that translates: whisper'),
    });
  });

  it('refuses whoever has no valid key', async () => {
    const route = ['POST', '/v1/audio/translations'] as const;
    await expectAuthRefusals(new HttpWorld(), route, { caller: 'account' });
  });
});
