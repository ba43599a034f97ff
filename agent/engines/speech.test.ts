import { readdir, readFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import type { SpeechSpec } from '#schema/job.ts';
import { decodeWav, durationOf } from './audio.ts';
import { DriverBench } from './doubles/driver-bench.ts';
import { installFfmpeg } from './doubles/ffmpeg.ts';
import { mp3Of, opusOf, SpeechDouble, wavOf } from './doubles/speech.ts';
import { createSpeech, SPEECH_MS } from './speech.ts';
import { kindOf } from './speech/sound.ts';

const SPEC: SpeechSpec = {
  type: 'speech',
  model: 'kokoro',
  input: 'Hello there, twenty!',
  voice: 'af_heart',
  speed: 1.25,
  language: 'en',
  format: 'wav',
};

const NO_FFMPEG = 'no-such-ffmpeg';
let ffmpeg = NO_FFMPEG;

const bench = new DriverBench({
  double: () => new SpeechDouble(),
  create: (options) => createSpeech({ ffmpeg, ...options }),
  spec: SPEC,
});
const { open, perform: run } = bench;
const asked = () => bench.double.of('/v1/audio/speech').at(-1)!;

beforeEach(() => {
  ffmpeg = NO_FFMPEG;
});

describe('discovery', () => {
  const speaches = { kind: 'speaches', models: ['speaches-ai/Kokoro-82M-v1.0-ONNX', 'piper'] };
  const piper = { models: new Map([['kokoro', 'piper']]) };
  it.each([
    ['Kokoro-FastAPI', {}, {}, ['kokoro']],
    ['speaches, by its full name', speaches, {}, ['kokoro']],
    ['what the operator named', speaches, piper, ['kokoro']],
    ['KoboldCPP without a speech model', { kind: 'koboldcpp', tts: false }, {}, []],
    ['KoboldCPP with other voices', { kind: 'koboldcpp', voices: ['kobo'] }, {}, []],
    ['another model', { models: ['piper'] }, {}, []],
    ['a model that the operator named and that is not there', {}, piper, []],
    ['one voice too few', { voices: ['af_heart'] }, {}, []],
  ])('announces by list and voices: %s', async (_, state, changes, models) => {
    Object.assign(bench.double, state);
    expect(await open(changes)).toMatchObject({ models });
    expect(bench.said).toHaveLength(models.length === 0 ? 1 : 0);
  });

  it('announces KoboldCPP with the voices, and says that without ffmpeg it makes no MP3', async () => {
    bench.double.kind = 'koboldcpp';
    expect(await open()).toEqual({ version: 'KoboldCpp', models: ['kokoro'] });
    expect(bench.said).toEqual([expect.stringMatching(/ffmpeg is not on the PATH/)]);
  });

  it('is away with a wrong key, and says so', async () => {
    bench.double.key = 'right';
    await expect(open()).rejects.toMatchObject({ code: 'engine_unavailable' });
  });
});

describe('speech', () => {
  it('is asked for whole, with voice, speed and format', async () => {
    await open({ key: 'k' });
    const { outputs, usage } = await run();
    expect(asked().json).toEqual({
      model: 'kokoro',
      input: SPEC.input,
      voice: 'af_heart',
      response_format: 'wav',
      speed: 1.25,
      stream: false,
    });
    expect(asked().key).toBe('k');
    expect(outputs).toMatchObject([{ contentType: 'audio/wav', durationS: 2 }]);
    expect(usage).toEqual({ audioS: 2 });
    expect(bench.engine.resident()).toEqual(['kokoro']);
    expect(bench.progress[0]).toEqual({ fraction: 0, stage: 'running', step: null, steps: null });
  });

  it('has a header with its sizes, also when the server left them open', async () => {
    await open();
    await run();
    const file = await readFile(`${bench.directory}/0.wav`);
    expect(file.readUInt32LE(4)).toBe(file.length - 8);
    expect(durationOf(decodeWav(file))).toBe(2);
  });

  it.each([
    ['mp3', 'mp3', 'audio/mpeg', '0.mp3'],
    ['ogg', 'opus', 'audio/ogg', '0.ogg'],
  ] as const)('comes as %s', async (format, sent, contentType, name) => {
    await open();
    const { outputs } = await run({ format });
    expect(asked().json).toMatchObject({ response_format: sent });
    expect(outputs[0]).toMatchObject({ contentType });
    expect(outputs[0]!.durationS).toBeCloseTo(2, 1);
    expect(await readdir(bench.directory)).toEqual([name]);
  });

  it('that comes as WAV whatever was asked for becomes Ogg, and is refused as MP3', async () => {
    bench.double.kind = 'koboldcpp';
    await open();
    const { outputs } = await run({ format: 'ogg' });
    expect(outputs).toMatchObject([{ contentType: 'audio/ogg', durationS: 2 }]);
    const file = await readFile(outputs[0]!.path);
    expect(kindOf(file)!.durationS).toBeCloseTo(2, 1);
    const failure = await bench.failure(run({ format: 'mp3' }));
    expect(failure).toMatchObject({ code: 'engine_rejected', retryable: false });
  });

  it.each([
    ['mp3', wavOf(2), mp3Of(77), 'audio/mpeg', '0.mp3'],
    ['ogg', mp3Of(77), opusOf(2), 'audio/ogg', '0.ogg'],
    ['wav', opusOf(2), wavOf(2), 'audio/wav', '0.wav'],
  ] as const)(
    'that comes as something else becomes %s by ffmpeg, which leaves nothing behind',
    async (format, answer, made, contentType, name) => {
      const double = await installFfmpeg(bench.directory, made);
      ffmpeg = double.path;
      bench.double.body = answer;
      await open();
      const { outputs, usage } = await run({ format });
      expect(outputs).toMatchObject([{ contentType }]);
      expect(usage.audioS).toBeCloseTo(2, 1);
      expect((await readFile(outputs[0]!.path)).equals(made)).toBe(true);
      expect(await double.args()).toMatch(new RegExp(`-map_metadata -1 .*-f ${format} -y`));
      expect((await readdir(bench.directory)).sort()).toEqual([name, 'bin']);
    },
  );

  it('that ffmpeg makes something else of is a failure', async () => {
    ffmpeg = (await installFfmpeg(bench.directory, Buffer.from('words'))).path;
    bench.double.body = wavOf(2);
    await open();
    const failure = await bench.failure(run({ format: 'mp3' }));
    expect(failure).toMatchObject({ code: 'job_failed', retryable: true });
  });

  it.each([
    ['en-GB', { lang_code: 'b' }],
    ['fr', { lang_code: 'f' }],
    ['pt-BR', { lang_code: 'p' }],
    ['en-AU', {}],
    ['auto', {}],
  ])('in %s is asked for by its letter', async (language, fields) => {
    await open();
    await run({ language });
    const { lang_code: letter } = asked().json;
    expect(letter === undefined ? {} : { lang_code: letter }).toEqual(fields);
  });

  it('mixes voices', async () => {
    await open();
    await run({ voice: 'af_heart(2)+am_adam' });
    expect(asked().json).toMatchObject({ voice: 'af_heart(2)+am_adam' });
  });

  it.each([{ voice: 'nobody' }, { voice: 'af_heart+nobody' }, { language: 'tlh' }])(
    'the server cannot make is refused before it is asked: %o',
    async (changes) => {
      await open();
      const failure = await bench.failure(run(changes));
      expect(failure).toMatchObject({ code: 'engine_rejected', retryable: false });
      expect(bench.double.of('/v1/audio/speech')).toEqual([]);
    },
  );
});

describe('a failure', () => {
  const detail = (error: string, message: string) => JSON.stringify({ detail: { error, message } });
  it.each([
    [400, detail('invalid_model', 'Unsupported model: x'), 'model_unavailable', true],
    [400, detail('validation_error', 'Voice x not found'), 'engine_rejected', false],
    [404, 'no such model', 'model_unavailable', true],
    [500, detail('processing_error', 'boom'), 'job_failed', true],
    [500, 'CUDA out of memory', 'engine_out_of_memory', true],
    [503, 'warming up', 'engine_unavailable', true],
  ])('with status %d, %s, is %s', async (status, body, code, retryable) => {
    await open();
    bench.double.refusal = { status, body };
    expect(await bench.failure(run())).toMatchObject({ code, retryable });
  });

  it.each([
    ['nothing', Buffer.alloc(0), /no sound/],
    ['a WAV without sound', wavOf(0), /empty/],
    ['words', Buffer.from('{"error":"boom"}'), /not a sound: .*boom/],
  ])('with success is seen: %s', async (_, body, detail) => {
    await open();
    bench.double.body = body;
    const failure = await bench.failure(run());
    expect(failure).toMatchObject({ code: 'job_failed', retryable: true });
    expect(failure.detail).toMatch(detail);
    expect(await readdir(bench.directory)).toEqual([]);
  });

  it('of an answer that breaks off may be tried again', async () => {
    await open();
    bench.double.breaks = true;
    const failure = await bench.failure(run());
    expect(failure).toMatchObject({ code: 'engine_unavailable', retryable: true });
  });

  it('of a server that never answers ends the wait', async () => {
    await open();
    bench.double.stalls = true;
    const ended = bench.failure(run());
    await bench.double.until(() => bench.double.of('/v1/audio/speech').length === 1);
    bench.timers.fire(SPEECH_MS);
    expect(await ended).toMatchObject({ code: 'engine_unavailable' });
    await asked().closed;
    expect(bench.timers.waiting).toBe(0);
  });
});

it('a cancel closes the connection at once', async () => {
  await open();
  bench.double.stalls = true;
  const ended = run();
  await bench.double.until(() => bench.double.of('/v1/audio/speech').length === 1);
  const reason = new Error('cancelled');
  bench.abort.abort(reason);
  await expect(ended).rejects.toBe(reason);
  await asked().closed;
  expect(bench.timers.waiting).toBe(0);
});

describe('memory', () => {
  it.each([
    ['kokoro', true, []],
    ['kokoro', false, ['kokoro']],
    ['speaches', false, []],
    ['koboldcpp', false, ['kokoro']],
  ] as const)('of %s is given back when it can be (%s)', async (kind, mayUnload, resident) => {
    Object.assign(bench.double, { kind, mayUnload });
    if (kind === 'speaches') bench.double.models = ['kokoro'];
    await open();
    await run();
    await bench.engine.free();
    expect(bench.engine.resident()).toEqual(resident);
  });
});

it('a server that is gone holds no memory, and stops no other engine', async () => {
  await open();
  await run();
  await bench.double.stop();
  await bench.engine.free();
  expect(bench.engine.resident()).toEqual([]);
});

it.each([
  ['a WAV', wavOf(1.5), 'audio/wav', 1.5],
  ['a WAV of unknown size', wavOf(1.5, { sizes: false }), 'audio/wav', 1.5],
  ['an MP3', mp3Of(100), 'audio/mpeg', (100 * 1152) / 44_100],
  [
    'an MP3 with a tag',
    Buffer.concat([Buffer.from('ID3\x04\0\0\0\0\0\x05.....', 'latin1'), mp3Of(10)]),
    'audio/mpeg',
    (10 * 1152) / 44_100,
  ],
  ['an Ogg Opus', opusOf(3), 'audio/ogg', 3],
  ['a FLAC', Buffer.from('fLaC'), 'audio/flac', null],
])('the kind and length of %s are read from its bytes', (_, file, contentType, durationS) => {
  expect(kindOf(file)).toEqual({
    contentType,
    durationS: durationS === null ? null : expect.closeTo(durationS, 6),
  });
});

it.each([
  ['nothing', ''],
  ['words', 'hello'],
  ['half a WAV', 'RIFF'],
])('%s is no sound', (_, text) => {
  expect(kindOf(Buffer.from(text))).toBeNull();
});
