import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { EngineBench } from './doubles/bench.ts';
import { Preview } from '#schema/event.ts';
import type { ImageSpec } from '#schema/job.ts';
import { THUMBNAIL_BYTES_MAX, THUMBNAIL_SIDE_PX } from '#schema/limits.ts';
import { EngineError } from './engine.ts';
import { begin, finish, step } from './painter/picture.ts';
import { SCENES } from './painter/prompt.ts';
import { createPainter } from './painter.ts';

const SPEC: ImageSpec = {
  type: 'image',
  model: 'painter',
  prompt: 'an alpine lake at sunset',
  negative_prompt: '',
  width: 96,
  height: 64,
  steps: 3,
  guidance: 0,
  seed: 7,
  count: 1,
  input_image: null,
  mask: null,
  strength: 0.6,
  loras: [],
  upscale: 1,
};

const bench = new EngineBench(createPainter(), SPEC);
const { engine } = bench;
const run = bench.run.bind(bench);

async function hashOf(changes: Partial<ImageSpec> = {}): Promise<string> {
  const { outputs } = await run(changes);
  const { data } = await sharp(outputs[0]!.path).raw().toBuffer({ resolveWithObject: true });
  return createHash('sha256').update(data).digest('hex');
}

describe('pictures', () => {
  it('is there wherever its image library is', async () => {
    const info = await engine.discover(new AbortController().signal);
    expect(info?.models).toEqual(['painter']);
  });

  it('paints the same picture for the same prompt, seed, size and steps', async () => {
    const again = createPainter();
    const first = await hashOf();
    const result = await again.run(SPEC, bench.contextOf(new AbortController().signal));
    await again.close();
    const { data } = await sharp(result.outputs[0]!.path)
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(createHash('sha256').update(data).digest('hex')).toBe(first);
  });

  it.each([
    ['seed', { seed: 8 }],
    ['prompt', { prompt: 'an alpine lake at night' }],
    ['steps', { steps: 4 }],
    ['size', { width: 104 }],
  ])('paints another picture for another %s', async (_, changes) => {
    expect(await hashOf(changes)).not.toBe(await hashOf());
  });

  it.each([
    [64, 64],
    [264, 64],
    [72, 136],
  ])('paints exactly %i x %i pixels, without metadata', async (width, height) => {
    const { outputs, usage } = await run({ width, height });
    const [output] = outputs;
    const decoded = await sharp(output!.path).metadata();
    expect(decoded).toMatchObject({ format: 'png', width, height, channels: 3 });
    expect([decoded.exif, decoded.xmp, decoded.icc]).toEqual([undefined, undefined, undefined]);
    expect(output).toMatchObject({ contentType: 'image/png', width, height, durationS: null });
    expect(usage).toEqual({ steps: SPEC.steps });
  });

  it('makes a thumbnail within its bounds', async () => {
    const { outputs } = await run({ width: 512, height: 256, steps: 1 });
    const file = await readFile(outputs[0]!.thumbnail!.path);
    const { format, width, height } = await sharp(file).metadata();
    expect([format, width, height]).toEqual(['webp', THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX / 2]);
    expect(file.length).toBeLessThanOrEqual(THUMBNAIL_BYTES_MAX);
  });

  it('paints a count of pictures with seeds that follow one another, past the last one', async () => {
    const { outputs } = await run({ count: 3, seed: 2 ** 32 - 1 });
    const pixels = await Promise.all(outputs.map(({ path }) => sharp(path).raw().toBuffer()));
    const second = await hashOf({ seed: 0 });
    expect(createHash('sha256').update(pixels[1]!).digest('hex')).toBe(second);
    expect(new Set(pixels.map((data) => data.toString('base64'))).size).toBe(3);
  });

  it.each(SCENES.map((scene) => [scene]))('paints a %s without a hole in it', (scene) => {
    const prompt = `${scene} with a cat, a tree, a boat, a house and stars in a storm, 1920`;
    const picture = begin({ prompt, width: 64, height: 72, steps: 20, seed: 3 });
    for (let number = 1; number <= 20; number++) step(picture, number);
    expect(picture.canvas.raster.data.every(Number.isFinite)).toBe(true);
    expect(new Set(finish(picture).rgb).size).toBeGreaterThan(40);
  });
});

describe('progress', () => {
  it('counts every step once, upwards, to the end', async () => {
    await run({ steps: 5 });
    expect(bench.progress.map((event) => event.step)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(bench.progress.at(-1)).toEqual({ fraction: 1, stage: 'running', step: 5, steps: 5 });
  });

  it('counts the steps of several pictures together once', async () => {
    const { usage } = await run({ count: 2, steps: 4 });
    expect(bench.progress.at(-1)?.step).toBe(4);
    expect(bench.progress.every((event) => event.steps === 4)).toBe(true);
    expect(usage).toEqual({ steps: 4 });
  });

  it('sends small previews of a longer job', async () => {
    await run({ width: 512, height: 512, steps: 30 });
    expect(bench.previews.length).toBeGreaterThan(0);
    for (const preview of bench.previews) {
      expect(Preview.safeParse(preview).success).toBe(true);
      const { format, width } = await sharp(Buffer.from(preview.data, 'base64')).metadata();
      expect([format, width]).toEqual(['webp', THUMBNAIL_SIDE_PX]);
    }
  });
});

describe('ends', () => {
  it('stops on abort and reports nothing more', async () => {
    const controller = new AbortController();
    const reason = new Error('cancelled by the user');
    const onStep = (at: number): void => {
      if (at === 2) controller.abort(reason);
    };
    const spec = { ...SPEC, width: 256, height: 256, steps: 150 };
    await expect(engine.run(spec, bench.contextOf(controller.signal, onStep))).rejects.toBe(reason);
    const seen = bench.progress.length;
    expect(engine.resident()).toEqual([]);
    await run({ steps: 1 });
    expect(bench.progress.slice(seen).every((event) => event.steps === 1)).toBe(true);
    expect(seen).toBeLessThan(10);
  });

  it('does not begin when it is aborted already', async () => {
    const reason = new Error('gone');
    const running = engine.run(SPEC, bench.contextOf(AbortSignal.abort(reason)));
    await expect(running).rejects.toBe(reason);
    expect([bench.progress, await readdir(bench.directory)]).toEqual([[], []]);
  });

  it('tells whether it is loaded', async () => {
    await run({ steps: 1 });
    expect(engine.resident()).toEqual(['painter']);
    await engine.free();
    expect(engine.resident()).toEqual([]);
    const { loadMs } = await run({ steps: 1 });
    expect(loadMs).toBeGreaterThan(0);
  });

  it.each([
    ['an input image', { input_image: 'file_x' }],
    ['a LoRA', { loras: [{ name: 'style', weight: 1 }] }],
    ['upscaling', { upscale: 2 }],
  ])('refuses %s', async (_, changes) => {
    const refused = await run(changes).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(EngineError);
    expect(refused).toMatchObject({ code: 'engine_rejected', retryable: false });
  });
});
