import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { EngineBench } from './doubles/bench.ts';
import type { MusicSpec } from '#schema/job.ts';
import { decodeWav, durationOf, loudnessOf } from './audio.ts';
import { readMood } from './composer/prompt.ts';
import { STYLES } from './composer/style.ts';
import { compose } from './composer/score.ts';
import { createComposer } from './composer.ts';

const SPEC: MusicSpec = {
  type: 'music',
  model: 'composer',
  prompt: 'a calm piano piece',
  lyrics: '',
  duration_s: 5,
  seed: 11,
  format: 'wav',
};

const bench = new EngineBench(createComposer(), SPEC);
const { engine } = bench;
const run = bench.run.bind(bench);

describe('scores', () => {
  const styles = Object.keys(STYLES).flatMap((style) =>
    [5, 17.5, 240].map((s) => [style, s] as const),
  );

  it.each(styles)('%s of %d s ends in time, in range, with a melody', (style, durationS) => {
    const { notes, endS } = compose(style, 5, durationS);
    expect(endS).toBeLessThanOrEqual(durationS);
    expect(endS).toBeGreaterThan(durationS * 0.6);
    expect(notes.filter((note) => note.channel === 0).length).toBeGreaterThan(2);
    for (const note of notes) {
      expect(note.startS).toBeGreaterThanOrEqual(0);
      expect(note.startS).toBeLessThan(durationS);
      expect(note.endS).toBeGreaterThan(note.startS);
      expect(note.key).toBeGreaterThanOrEqual(12);
      expect(note.key).toBeLessThanOrEqual(115);
      expect(note.velocity).toBeGreaterThanOrEqual(1);
      expect(note.velocity).toBeLessThanOrEqual(127);
    }
  });

  it('writes the same piece for the same prompt, seed and duration', () => {
    expect(compose('jazz', 3, 20)).toEqual(compose('jazz', 3, 20));
    expect(compose('jazz', 4, 20)).not.toEqual(compose('jazz', 3, 20));
  });

  it('repeats a melody when a section returns', () => {
    const { notes, endS } = compose('rock 120 bpm', 2, 120);
    const barS = 2;
    const barOf = (bar: number): number[] =>
      notes
        .filter(
          (n) =>
            n.channel === 0 && n.startS > bar * barS - 0.1 && n.startS < (bar + 1) * barS - 0.1,
        )
        .map((n) => n.key);
    const bars = Array.from({ length: Math.floor(endS / barS) }, (_, bar) => barOf(bar).join(' '));
    const sung = bars.filter((bar) => bar !== '');
    expect(new Set(sung).size).toBeLessThan(sung.length * 0.75);
  });

  it.each([
    ['sad slow piano', -1, 'piano'],
    ['happy ukulele', 1, 'pop'],
    ['techno 128 bpm', 0, 'electronic'],
  ])('hears "%s"', (prompt, tone, styleName) => {
    expect(readMood(prompt)).toMatchObject({ tone, styleName });
  });
});

describe('music', () => {
  it('is there when its packages are', async () => {
    const info = await engine.discover(new AbortController().signal);
    expect(info?.models).toEqual(['composer']);
    expect(engine.resident()).toEqual([]);
  });

  it('is stereo at 44.1 kHz, exactly as long as asked, heard, and faded out', async () => {
    const { outputs, usage } = await run({ duration_s: 5.5 });
    const sound = decodeWav(await readFile(outputs[0]!.path));
    expect([sound.channels.length, sound.sampleRate]).toEqual([2, 44_100]);
    expect(durationOf(sound)).toBe(5.5);
    expect(outputs[0]).toMatchObject({ contentType: 'audio/wav', durationS: 5.5, thumbnail: null });
    expect(usage).toEqual({ audioS: 5.5 });
    expect(loudnessOf(sound)).toBeGreaterThan(0.05);
    const peak = Math.max(
      ...sound.channels.map((c) => c.reduce((a, b) => Math.max(a, Math.abs(b)), 0)),
    );
    expect(peak).toBeLessThan(0.95);
    expect(Math.abs(sound.channels[0]!.at(-1)!)).toBeLessThan(0.001);
  });

  it('renders the same bytes again, in the same process and in a new one', async () => {
    const first = await readFile((await run()).outputs[0]!.path);
    expect(first.equals(await readFile((await run()).outputs[0]!.path))).toBe(true);
    await engine.free();
    expect(engine.resident()).toEqual([]);
    expect(first.equals(await readFile((await run()).outputs[0]!.path))).toBe(true);
    expect(engine.resident()).toEqual(['composer']);
  });

  it('writes Ogg Vorbis', async () => {
    const { outputs } = await run({ format: 'ogg' });
    const file = await readFile(outputs[0]!.path);
    expect(file.toString('latin1', 0, 4)).toBe('OggS');
    expect(outputs[0]!.contentType).toBe('audio/ogg');
  });

  it('reports seconds while it renders', async () => {
    await run();
    expect(bench.progress.map((event) => event.step)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(bench.progress.at(-1)?.fraction).toBe(1);
  });
});

describe('ends', () => {
  it('stops on abort, reports nothing more and leaves no file', async () => {
    const controller = new AbortController();
    const reason = new Error('cancelled');
    const onStep = (step: number): void => {
      if (step === 2) controller.abort(reason);
    };
    const running = engine.run(
      { ...SPEC, duration_s: 240 },
      bench.contextOf(controller.signal, onStep),
    );
    await expect(running).rejects.toBe(reason);
    const seen = bench.progress.length;
    expect(await readdir(bench.directory)).toEqual([]);
    await run();
    expect(bench.progress.slice(seen).every((event) => event.steps === 5)).toBe(true);
  });

  it.each([
    ['mp3, naming what it makes', { format: 'mp3' as const }, 'wav, ogg'],
    ['lyrics', { lyrics: 'la la la' }, 'sing'],
    ['a piece too short', { duration_s: 1 }, '5 to 240'],
  ])('refuses %s', async (_, changes, detail) => {
    const refused = await run(changes).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'engine_rejected', retryable: false });
    expect((refused as Error).message).toContain(detail);
  });
});
