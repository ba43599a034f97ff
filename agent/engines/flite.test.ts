import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { EngineBench } from './doubles/bench.ts';
import type { SpeechSpec } from '#schema/job.ts';
import { findModel } from '#schema/model.ts';
import { decodeWav, durationOf, loudnessOf } from './audio.ts';
import { toAscii, toPieces } from './flite/text.ts';
import { createFlite, FLITE_VOICES } from './flite.ts';

const SPEC: SpeechSpec = {
  type: 'speech',
  model: 'flite',
  input: 'Hello there.',
  voice: 'slt',
  speed: 1,
  language: 'en',
  format: 'wav',
};

const bench = new EngineBench(createFlite(), SPEC);
const { engine } = bench;
const run = bench.run.bind(bench);

describe('speech', () => {
  it('is there when its package is', async () => {
    const info = await engine.discover(new AbortController().signal);
    expect(info?.models).toEqual(['flite']);
  });

  it('has every voice of the catalog', () => {
    expect(FLITE_VOICES).toEqual(expect.arrayContaining([...findModel('flite')!.voices]));
  });

  it.each(FLITE_VOICES.map((voice) => [voice]))('speaks with the voice %s', async (voice) => {
    const { outputs, usage } = await run({ voice });
    const sound = decodeWav(await readFile(outputs[0]!.path));
    expect(sound.channels).toHaveLength(1);
    expect(durationOf(sound)).toBeCloseTo(outputs[0]!.durationS!, 3);
    expect(usage.audioS).toBe(outputs[0]!.durationS);
    expect(durationOf(sound)).toBeGreaterThan(0.5);
    expect(loudnessOf(sound)).toBeGreaterThan(0.03);
    expect(await readdir(bench.directory)).toEqual(['0.wav']);
  });

  it('speaks the same bytes twice', async () => {
    const first = await readFile((await run()).outputs[0]!.path);
    expect(first.equals(await readFile((await run()).outputs[0]!.path))).toBe(true);
  });

  it('speaks faster at a higher speed', async () => {
    const slow = (await run({ speed: 0.5 })).outputs[0]!.durationS!;
    const fast = (await run({ speed: 2 })).outputs[0]!.durationS!;
    expect(slow / fast).toBeGreaterThan(2.5);
  });

  it('writes Ogg Vorbis', async () => {
    const { outputs } = await run({ format: 'ogg' });
    const file = await readFile(outputs[0]!.path);
    expect(outputs[0]!.contentType).toBe('audio/ogg');
    expect(file.toString('latin1', 0, 4)).toBe('OggS');
    expect(file.toString('latin1', 0, 64)).toContain('vorbis');
  });

  it('reports each sentence', async () => {
    await run({ input: 'One is here. Two is there. Three is gone.' });
    expect(bench.progress.map((event) => event.step)).toEqual([0, 1, 2, 3]);
    expect(bench.progress.at(-1)).toEqual({ fraction: 1, stage: 'running', step: 3, steps: 3 });
  });
});

describe('ends', () => {
  it('stops on abort between sentences and reports nothing more', async () => {
    const controller = new AbortController();
    const reason = new Error('cancelled');
    const input = 'A sentence like many others. '.repeat(60);
    const onStep = (step: number): void => {
      if (step === 2) controller.abort(reason);
    };
    const running = engine.run({ ...SPEC, input }, bench.contextOf(controller.signal, onStep));
    await expect(running).rejects.toBe(reason);
    const seen = bench.progress.length;
    expect(engine.resident()).toEqual([]);
    await run();
    expect(bench.progress.slice(seen).every((event) => event.steps === 1)).toBe(true);
    expect(await readdir(bench.directory)).not.toContain('0.ogg');
  });

  it.each([
    ['an unknown voice, naming those it has', { voice: 'af_heart' }, 'slt, rms, awb'],
    ['another language, naming its own', { language: 'de' }, 'en'],
    ['mp3, naming what it makes', { format: 'mp3' as const }, 'wav, ogg'],
    ['a text without a word', { input: '日本語 🎉' }, 'Latin'],
  ])('refuses %s', async (_, changes, detail) => {
    const refused = await run(changes).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'engine_rejected', retryable: false });
    expect((refused as Error).message).toContain(detail);
  });
});

describe('toPieces', () => {
  it('makes typographic and accented text plain', () => {
    expect(toAscii('“Café” – naïve… £5')).toBe('"Cafe" ,  naive...   pounds 5');
  });

  it('keeps every word of a long text, in pieces that are never long', () => {
    const words = Array.from({ length: 900 }, (_, i) => `word${i}${i % 97 === 96 ? '.' : ''}`);
    const pieces = toPieces(words.join(' '));
    expect(pieces.map(({ text }) => text).join(' ')).toBe(words.join(' '));
    expect(Math.max(...pieces.map(({ text }) => text.length))).toBeLessThanOrEqual(280);
  });

  it('cuts a text without spaces', () => {
    expect(toPieces('a'.repeat(600)).map(({ text }) => text.length)).toEqual([280, 280, 40]);
  });

  it('pauses between paragraphs, not after the last', () => {
    expect(toPieces('One.\n\nTwo.').map(({ pauseMs }) => pauseMs)).toEqual([350, 0]);
  });
});
