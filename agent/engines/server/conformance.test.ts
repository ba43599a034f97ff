import { afterEach, beforeEach, expect, it } from 'vitest';
import { KoboldDouble } from '../doubles/koboldcpp.ts';
import { OpenaiTextDouble } from '../doubles/openai-text.ts';
import { ServerBench } from '../doubles/server-bench.ts';
import { SpeechDouble } from '../doubles/speech.ts';
import type { Engine } from '../engine.ts';
import { createKoboldcpp } from '../koboldcpp.ts';
import { createOpenaiText } from '../openai-text.ts';
import { createSpeech } from '../speech.ts';
import { verifyEngine } from './conformance.ts';

const bench = new ServerBench();
const doubles = {
  koboldcpp: new KoboldDouble(),
  text: new OpenaiTextDouble(),
  speech: new SpeechDouble(),
};
let url: URL;
let engine: Engine;
let double: KoboldDouble | OpenaiTextDouble | SpeechDouble;

async function open(name: keyof typeof doubles): Promise<void> {
  double = doubles[name];
  url = await double.start();
  const make = { koboldcpp: createKoboldcpp, text: createOpenaiText, speech: createSpeech }[name];
  engine = make(bench.options(url));
}
const faultsOf = async () => (await verifyEngine(engine)).filter(({ fault }) => fault !== null);

beforeEach(() => {
  Object.assign(doubles, {
    koboldcpp: new KoboldDouble(),
    text: new OpenaiTextDouble(),
    speech: new SpeechDouble(),
  });
});
afterEach(async () => {
  await engine.close();
  await double.stop();
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

it('finds out a server that is not there', async () => {
  await open('text');
  await double.stop();
  const checks = await verifyEngine(engine);
  expect(checks).toEqual([{ claim: 'has models of the catalog', fault: expect.any(String) }]);
});
