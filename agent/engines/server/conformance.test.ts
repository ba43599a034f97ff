import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { KoboldDouble } from '../doubles/koboldcpp.ts';
import { OpenaiTextDouble } from '../doubles/openai-text.ts';
import { ServerBench } from '../doubles/server-bench.ts';
import { SpeechDouble, wavOf } from '../doubles/speech.ts';
import { WhisperDouble } from '../doubles/whisper.ts';
import type { Engine } from '../engine.ts';
import { createKoboldcpp } from '../koboldcpp.ts';
import { createOpenaiText } from '../openai-text.ts';
import { createSpeech } from '../speech.ts';
import { createWhisper } from '../whisper.ts';
import { verifyEngine } from './conformance.ts';

const bench = new ServerBench();
const doubles = {
  koboldcpp: new KoboldDouble(),
  text: new OpenaiTextDouble(),
  speech: new SpeechDouble(),
};
let url: URL;
let engine: Engine;
let double: KoboldDouble | OpenaiTextDouble | SpeechDouble | WhisperDouble;
let directory: string;

async function open(name: keyof typeof doubles): Promise<void> {
  double = doubles[name];
  url = await double.start();
  const make = { koboldcpp: createKoboldcpp, text: createOpenaiText, speech: createSpeech }[name];
  engine = make(bench.options(url));
}
const faultsOf = async () => (await verifyEngine(engine)).filter(({ fault }) => fault !== null);

async function openWhisper(): Promise<WhisperDouble> {
  const whisper = new WhisperDouble();
  double = whisper;
  url = await whisper.start();
  engine = createWhisper(bench.options(url));
  return whisper;
}
async function recording(): Promise<string> {
  const path = join(directory, 'recording.wav');
  await writeFile(path, wavOf(2));
  return path;
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'conformance-'));
  Object.assign(doubles, {
    koboldcpp: new KoboldDouble(),
    text: new OpenaiTextDouble(),
    speech: new SpeechDouble(),
  });
});
afterEach(async () => {
  await engine.close();
  await double.stop();
  await rm(directory, { recursive: true });
});

it.each(['koboldcpp', 'text'] as const)('%s as it should be keeps every claim', async (name) => {
  await open(name);
  const checks = await verifyEngine(engine);
  expect(checks.length).toBe(6);
  expect(checks.filter(({ fault }) => fault !== null)).toEqual([]);
});

it.each([
  ['one that answers in one piece', { pieces: ['all at once. '] }, /in pieces/],
  ['one that says nothing', { pieces: [] }, /streams/],
  ['one that breaks off', { trouble: 'close' }, /streams/],
])('finds out a text server: %s', async (_, script, claim) => {
  await open('text');
  Object.assign(doubles.text.script, script);
  expect((await faultsOf()).map((one) => one.claim).join()).toMatch(claim);
});

it('finds out a speech server that does not speak faster, and keeps its other claims', async () => {
  await open('speech');
  expect((await faultsOf()).map(({ claim }) => claim)).toEqual(['kokoro: speaks faster when told']);
});

it.each(['whisper.cpp', 'speaches'] as const)(
  '%s as it should be keeps every claim',
  async (kind) => {
    const whisper = await openWhisper();
    whisper.kind = kind;
    const checks = await verifyEngine(engine, await recording());
    expect(checks.length).toBe(6);
    expect(checks.filter(({ fault }) => fault !== null)).toEqual([]);
  },
);

it('finds out a transcription server that hears nothing, and tells what it was tried with', async () => {
  const whisper = await openWhisper();
  whisper.body = '{"text":"","segments":[]}';
  expect((await verifyEngine(engine, await recording())).map(({ fault }) => fault)).toEqual([
    null,
    ...Array.from({ length: 5 }, () => expect.stringContaining('no speech') as string),
  ]);
  expect((await verifyEngine(engine)).at(-1)?.fault).toContain('no recording');
});

it('cancels a recording that is being heard, and has the next one heard', async () => {
  const whisper = await openWhisper();
  // The text, the times and two kinds of subtitles come before. A slow machine may cancel it
  // before it arrives: then the next one is the long one.
  whisper.longAt = 5;
  const checks = await verifyEngine(engine, await recording());
  expect(checks.filter(({ fault }) => fault !== null)).toEqual([]);
});

it('finds out a server that is not there', async () => {
  await open('text');
  await double.stop();
  const checks = await verifyEngine(engine);
  expect(checks).toEqual([{ claim: 'has models of the catalog', fault: expect.any(String) }]);
});
