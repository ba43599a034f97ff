import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, describe, expect, it } from 'vitest';
import type { VideoSpec } from '#schema/job.ts';
import { createAnimator } from './animator.ts';
import { isMp4 } from './comfyui/mp4.ts';
import { EngineBench } from './doubles/bench.ts';
import type { Engine } from './engine.ts';
import { frameOf } from './painter/motion.ts';
import { readPrompt } from './painter/prompt.ts';

const SPEC: VideoSpec = {
  type: 'video',
  model: 'painter-motion',
  prompt: 'a boat on the sea at dusk',
  negative_prompt: '',
  width: 128,
  height: 64,
  duration_s: 1,
  fps: 12,
  steps: 2,
  guidance: 0,
  seed: 7,
  input_image: null,
};

function ffmpegHere(): string | null {
  try {
    return execFileSync('/bin/sh', ['-c', 'command -v ffmpeg']).toString().trim();
  } catch {
    return null;
  }
}

describe('without ffmpeg', () => {
  const bench = new EngineBench<VideoSpec>(createAnimator({ ffmpeg: null }), SPEC);

  it('makes an animated picture with a thumbnail of its first frame, and tells its progress', async () => {
    const { outputs, usage } = await bench.run();
    const [output] = outputs;
    expect(output).toMatchObject({
      contentType: 'image/webp',
      width: 128,
      height: 64,
      durationS: 1,
      thumbnail: { contentType: 'image/webp' },
    });
    const { pages, delay, pageHeight } = await sharp(output!.path, { pages: -1 }).metadata();
    // No more than ten frames a second: it would be too large.
    expect([pages, pageHeight, delay?.[0]]).toEqual([10, 64, 100]);
    const first = await sharp(output!.path).removeAlpha().raw().toBuffer();
    const small = await sharp(output!.thumbnail!.path).removeAlpha().raw().toBuffer();
    const off = first.reduce((sum, value, i) => sum + Math.abs(value - small[i]!), 0);
    expect(off / first.length).toBeLessThan(12);
    expect(usage).toEqual({ steps: 2 });
    const fractions = bench.progress.map(({ fraction }) => fraction);
    expect(fractions.at(-1)).toBe(1);
    expect(fractions).toEqual(fractions.toSorted((one, other) => one - other));
  });

  it('makes the same frames for the same seed, and others for another', async () => {
    const bytes = async (changes: Partial<VideoSpec>) =>
      readFile((await bench.run(changes)).outputs[0]!.path);
    const [one, again, other] = [await bytes({}), await bytes({}), await bytes({ seed: 8 })];
    expect(one.equals(again)).toBe(true);
    expect(one.equals(other)).toBe(false);
  });

  it('stops soon when it is cancelled, and works again', async () => {
    const abort = new AbortController();
    const context = bench.contextOf(abort.signal, (step) => {
      if (step > 0) abort.abort(new Error('cancelled'));
    });
    const long = { ...SPEC, width: 640, height: 640, steps: 40, duration_s: 10 };
    await expect(bench.engine.run(long, context)).rejects.toThrow('cancelled');
    expect((await bench.run()).outputs).toHaveLength(1);
  });

  it('refuses a picture to begin with, and what is no video', async () => {
    await expect(bench.run({ input_image: 'file_1' })).rejects.toMatchObject({
      code: 'engine_rejected',
      retryable: false,
    });
  });
});

describe.runIf(ffmpegHere() !== null)('with ffmpeg', () => {
  const bench = new EngineBench<VideoSpec>(createAnimator({ ffmpeg: ffmpegHere() }), SPEC);

  it('makes an MP4 of the frames that were asked for, which says nothing of its making', async () => {
    const { outputs } = await bench.run();
    expect(outputs).toMatchObject([{ contentType: 'video/mp4', durationS: 1 }]);
    const file = await readFile(outputs[0]!.path);
    expect(isMp4(file)).toBe(true);
    expect(file.toString('latin1')).toContain('avc1');
    expect(file.toString('latin1')).not.toContain('Lavf6');
    // The index comes first: it plays before it is whole.
    expect(file.indexOf('moov')).toBeLessThan(file.indexOf('mdat'));
  });
});

describe('with an ffmpeg that fails', () => {
  let engine: Engine;
  const bench = new EngineBench<VideoSpec>(createAnimator({ ffmpeg: null }), SPEC);
  afterEach(() => engine.close());

  it('fails with the words of ffmpeg, and does not wait for ever', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ffmpeg-'));
    const script = join(folder, 'ffmpeg');
    await writeFile(script, '#!/bin/sh\necho "No space left on device" >&2\nexit 1\n');
    await chmod(script, 0o755);
    engine = createAnimator({ ffmpeg: script });
    const run = engine.run(
      { ...SPEC, width: 512, height: 512 },
      bench.contextOf(new AbortController().signal),
    );
    await expect(run).rejects.toThrow('No space left on device');
    await rm(folder, { recursive: true });
    await expect(stat(join(bench.directory, '0.mp4'))).rejects.toThrow('ENOENT');
  });
});

it('moves: frames differ over time, and stay within the picture', () => {
  const picture = { width: 150, height: 80, rgb: new Uint8Array(150 * 80 * 3).fill(100) };
  for (let i = 0; i < picture.rgb.length; i += 7) picture.rgb[i] = 250;
  for (const prompt of ['the sea', 'a forest', 'a city at night']) {
    const motion = { plan: readPrompt(prompt), seed: 3, width: 128, height: 68 };
    const frames = [0, 0.5, 2].map((at) => frameOf(picture, motion, { at, lengthS: 2 }));
    expect(frames[0]).toHaveLength(128 * 68 * 3);
    expect(frames[0]).not.toEqual(frames[1]);
    expect(frames[1]).not.toEqual(frames[2]);
    // Nothing black comes in from outside.
    for (const frame of frames) expect(Math.min(...frame)).toBeGreaterThan(80);
  }
});
