import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { TranscriptionSpec } from '#schema/job.ts';
import { DriverBench } from './doubles/driver-bench.ts';
import { installFfmpeg } from './doubles/ffmpeg.ts';
import type { FfmpegDouble } from './doubles/ffmpeg.ts';
import { wavOf } from './doubles/speech.ts';
import { TEXT, WhisperDouble } from './doubles/whisper.ts';
import { createWhisper } from './whisper.ts';
import { wavSeconds } from './whisper/recording.ts';

const SPEC: TranscriptionSpec = {
  type: 'transcription',
  model: 'whisper',
  file: 'file_01k00000000000000000000000',
  language: 'auto',
  translate: false,
  timestamps: 'none',
  format: 'json',
};
const SEGMENTS = [
  { id: 0, start: 0, end: 1, text: 'And so Americans,' },
  { id: 1, start: 1, end: 2, text: 'ask not.' },
];
const WORDS = ['And', 'so', 'Americans,', 'ask', 'not.'];

const NO_FFMPEG = 'no-such-ffmpeg';
let ffmpeg = NO_FFMPEG;

const bench = new DriverBench({
  double: () => new WhisperDouble(),
  create: (options) => createWhisper({ ffmpeg, ...options }),
  spec: SPEC,
});
const { open, perform: run } = bench;
const asked = () => bench.double.asked.findLast(({ method }) => method === 'POST')!;
const fields = () =>
  Object.fromEntries([...bench.double.forms.at(-1)!].filter(([name]) => name !== 'file'));

async function withFfmpeg(): Promise<FfmpegDouble> {
  const double = await installFfmpeg(bench.directory, wavOf(2));
  ffmpeg = double.path;
  return double;
}

beforeEach(async () => {
  ffmpeg = NO_FFMPEG;
  await mkdir(join(bench.directory, 'in'));
  bench.source = join(bench.directory, 'in', 'recording');
  await writeFile(bench.source, wavOf(2));
});

describe('discovery', () => {
  it.each([
    ['whisper.cpp', {}, { version: 'whisper.cpp', models: ['whisper'] }],
    ['whisper.cpp that loads', { loading: true }, null],
    ['speaches', { kind: 'speaches' }, { version: 'openai', models: ['whisper'] }],
    [
      'speaches without one',
      { kind: 'speaches', models: ['tts-1'] },
      { version: 'openai', models: [] },
    ],
  ])('knows %s by what it answers', async (_, state, info) => {
    Object.assign(bench.double, state);
    expect(await open()).toEqual(info);
  });

  it('is away with a wrong key, and says so', async () => {
    bench.double.key = 'right';
    await expect(open({ key: 'wrong' })).rejects.toMatchObject({ code: 'engine_unavailable' });
    expect(bench.said).toEqual([expect.stringMatching(/refuses our key/)]);
  });
});

describe.each(['whisper.cpp', 'speaches'] as const)('a recording at %s', (kind) => {
  beforeEach(async () => {
    bench.double.kind = kind;
    await open();
  });
  const json = async () => JSON.parse(await bench.file('0.json')) as object;

  it('becomes text with its language and length', async () => {
    const { outputs, usage } = await run();
    const text = kind === 'whisper.cpp' ? TEXT.replace(', ', ',\n') : TEXT;
    expect(await json()).toEqual({ text, language: 'en', duration: 2 });
    expect(outputs).toMatchObject([{ contentType: 'application/json', durationS: null }]);
    expect(usage).toEqual({ audioS: 2 });
    expect(bench.engine.resident()).toEqual(['whisper']);
    expect(bench.progress[0]).toMatchObject({ fraction: 0, stage: 'running' });
  });

  it('has the times of its segments, within its length', async () => {
    await run({ timestamps: 'segment' });
    expect(await json()).toMatchObject({ segments: SEGMENTS });
  });

  it('has the times of whole words', async () => {
    await run({ timestamps: 'word' });
    const { segments } = (await json()) as {
      segments: { words: { word: string; start: number; end: number }[] }[];
    };
    expect(segments.flatMap(({ words }) => words.map(({ word }) => word))).toEqual(WORDS);
    expect(segments[0]!.words[2]).toEqual({ word: 'Americans,', start: 0.6, end: 1 });
  });

  it.each([
    ['text', 'none', 'text/plain', '0.txt', null],
    [
      'srt',
      'segment',
      'application/x-subrip',
      '0.srt',
      '1\n00:00:00,000 --> 00:00:01,000\nAnd so Americans,\n\n2\n00:00:01,000 --> 00:00:02,000\nask not.\n\n',
    ],
    [
      'vtt',
      'none',
      'text/vtt',
      '0.vtt',
      'WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nAnd so Americans,\n\n00:00:01.000 --> 00:00:02.000\nask not.\n\n',
    ],
  ] as const)('is given out as %s', async (format, timestamps, contentType, name, file) => {
    const { outputs } = await run({ format, timestamps });
    expect(outputs).toMatchObject([{ contentType }]);
    if (file !== null) expect(await bench.file(name)).toBe(file);
    else expect((await bench.file(name)).split(/\s+/).join(' ').trim()).toBe(TEXT);
  });

  it('has a cue for each word when words are asked for as subtitles', async () => {
    await run({ format: 'srt', timestamps: 'word' });
    expect((await bench.file('0.srt')).match(/-->/g)).toHaveLength(WORDS.length);
  });

  it('is sent whole, with its length', async () => {
    await run();
    const file = bench.double.forms[0]!.get('file') as File;
    expect(Buffer.from(await file.arrayBuffer()).equals(await readFile(bench.source))).toBe(true);
    expect(Number(asked().headers['content-length'])).toBe(asked().body.length);
  });

  it.each([
    [400, 'Invalid request: cannot decode', 'input_unreadable', false],
    [500, '{"error":"failed to process audio"}', 'job_failed', true],
    [500, 'CUDA error: out of memory', 'engine_out_of_memory', true],
    [503, 'busy', 'engine_unavailable', true],
  ])('fails with status %d, %s, as %s', async (status, body, code, retryable) => {
    bench.double.refusal = { status, body };
    expect(await bench.failure(run())).toMatchObject({ code, retryable });
  });

  it.each([
    ['nothing', '{"text":""}', 'input_unreadable'],
    ['garbage', '<html>', 'job_failed'],
    ['another shape', '{"segments":[]}', 'job_failed'],
  ])('fails when the answer is %s', async (_, body, code) => {
    bench.double.body = body;
    expect(await bench.failure(run())).toMatchObject({ code });
  });

  it('is given up when the server never answers, and when the job is cancelled', async () => {
    bench.double.stalls = true;
    const late = bench.failure(run());
    await bench.double.until(() => bench.double.asked.at(-1)!.method === 'POST');
    bench.timers.fire(2 * 60_000);
    expect(await late).toMatchObject({ code: 'engine_unavailable', retryable: true });
    await asked().closed;
    const before = bench.double.asked.length;
    const ended = run();
    await bench.double.until(() => bench.double.asked.length > before);
    const reason = new Error('cancelled');
    bench.abort.abort(reason);
    await expect(ended).rejects.toBe(reason);
    await asked().closed;
    expect(bench.timers.waiting).toBe(0);
  });
});

it('whisper.cpp is asked for times of tokens only where words are wanted', async () => {
  await open();
  await run({ language: 'pt-BR', translate: true });
  expect(fields()).toEqual({
    response_format: 'verbose_json',
    language: 'pt',
    translate: 'true',
    temperature: '0.0',
    token_timestamps: 'false',
    split_on_word: 'false',
    no_language_probabilities: 'true',
  });
  await run({ timestamps: 'word' });
  expect(fields()).toMatchObject({
    language: 'auto',
    token_timestamps: 'true',
    split_on_word: 'true',
  });
});

describe('a language', () => {
  it.each([
    ['pt-BR', 'pt'],
    ['nb', 'no'],
    ['deu', 'de'],
    ['fil', 'tl'],
    ['jv', 'jw'],
    ['auto', 'auto'],
  ])('%s is asked for by the code that Whisper has for it, %s', async (language, code) => {
    await open();
    await run({ language });
    expect(fields()).toMatchObject({ language: code });
  });

  it('that Whisper does not know is refused before anything is fetched', async () => {
    bench.source = join(bench.directory, 'nowhere');
    await open();
    const failure = await bench.failure(run({ language: 'tlh' }));
    expect(failure).toMatchObject({ code: 'engine_rejected', retryable: false });
    expect(failure.detail).toMatch(/tlh/);
  });

  it('to be found out is not named to speaches', async () => {
    bench.double.kind = 'speaches';
    await open();
    await run();
    expect(fields()).not.toHaveProperty('language');
  });
});

it('speaches is told to keep times, translates by its other route, and unloads', async () => {
  bench.double.kind = 'speaches';
  await open();
  await run({ timestamps: 'word', language: 'de' });
  expect(fields()).toMatchObject({
    model: bench.double.models[0],
    language: 'de',
    without_timestamps: 'false',
  });
  expect(bench.double.forms[0]!.getAll('timestamp_granularities[]')).toEqual(['segment', 'word']);
  await run({ translate: true });
  expect(asked().path).toBe('/v1/audio/translations');
  await bench.engine.free();
  expect(bench.engine.resident()).toEqual([]);
});

it('whisper.cpp that has another path, or loads, may be tried again', async () => {
  await open();
  bench.double.refusal = { status: 404, body: 'File Not Found (/inference)' };
  expect(await bench.failure(run())).toMatchObject({ code: 'engine_unavailable', retryable: true });
});

describe('a recording of any format', () => {
  it('is converted by ffmpeg, which sees nothing of the agent', async () => {
    const double = await withFfmpeg();
    await writeFile(bench.source, 'ID3 some music');
    await open();
    await run();
    expect(await double.args()).toMatch(
      /-protocol_whitelist file -i file:\S+ -map 0:a:0 -vn -t 7201 -ac 1 -ar 16000 -c:a pcm_s16le -f wav -y \S+recording\.wav/,
    );
    expect(await double.env()).not.toMatch(/VITEST|TESSERA|HOME=/);
    const file = bench.double.forms[0]!.get('file') as File;
    expect(Buffer.from(await file.slice(0, 4).arrayBuffer()).toString()).toBe('RIFF');
    expect((await run()).usage).toEqual({ audioS: 2 });
  });

  it('that ffmpeg cannot read is unreadable, in its own words', async () => {
    await writeFile(bench.source, 'junk');
    await withFfmpeg();
    await open();
    const failure = await bench.failure(run());
    expect(failure).toMatchObject({ code: 'input_unreadable', retryable: false });
    expect(failure.detail).toMatch(/Invalid data found/);
    expect(bench.double.forms).toEqual([]);
  });

  it('ends with the job while it is converted', async () => {
    await writeFile(bench.source, 'hang');
    await withFfmpeg();
    await open();
    const ended = run();
    bench.abort.abort(new Error('cancelled'));
    await expect(ended).rejects.toThrow('cancelled');
  });

  it.each([
    ['is no WAV, without ffmpeg', Buffer.from('ID3 some music'), 'input_unreadable'],
    ['is empty', wavOf(0), 'input_unreadable'],
    ['ends after its first bytes', Buffer.from('RIFF'), 'input_unreadable'],
  ])('that %s is refused before it is sent', async (_, file, code) => {
    await writeFile(bench.source, file);
    await open();
    expect(await bench.failure(run())).toMatchObject({ code, retryable: false });
    expect(bench.double.forms).toEqual([]);
    expect(bench.said).toEqual([expect.stringMatching(/only WAV/)]);
  });

  it('that plays much longer than it was priced by is refused, and converted no further', async () => {
    await writeFile(bench.source, wavOf(20));
    await open();
    const failure = await bench.failure(run({ duration_s: 1 }));
    expect(failure).toMatchObject({ code: 'input_unreadable', retryable: false });
    expect(bench.double.forms).toEqual([]);
    await run({ duration_s: 18 });
    expect(bench.double.forms).toHaveLength(1);
    const double = await withFfmpeg();
    await open();
    await run({ duration_s: 2 });
    expect(await double.args()).toContain(' -t 14 ');
  });

  it('that is too long is refused by its header, unread', async () => {
    const head = wavOf(0);
    // A byte rate of 1: its few samples play for hours.
    head.writeUInt32LE(1, 28);
    await writeFile(
      bench.source,
      Buffer.concat([head.subarray(0, 40), Buffer.from([0, 0, 1, 0]), Buffer.alloc(65_536)]),
    );
    expect(await wavSeconds(bench.source)).toBe(65_536);
    await open();
    expect(await bench.failure(run())).toMatchObject({ code: 'engine_rejected', retryable: false });
  });
});
