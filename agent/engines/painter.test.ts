import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
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

describe('a batch', () => {
  const signals = () => [0, 1, 2].map(() => new AbortController());

  /** Three jobs that differ in their seed, each in a folder of its own. */
  async function start(controllers: readonly AbortController[], changes: Partial<ImageSpec> = {}) {
    const jobs = await Promise.all(
      controllers.map(async ({ signal }, index) => {
        const directory = join(bench.directory, String(index));
        await mkdir(directory);
        const spec = { ...SPEC, ...changes, seed: index };
        return { spec, context: { ...bench.contextOf(signal), directory } };
      }),
    );
    return engine.runBatch!(jobs);
  }

  it('gives each job the pictures that it would get alone, in its own folder', async () => {
    const results = await Promise.all(await start(signals(), { count: 2 }));
    for (const [index, { outputs, usage }] of results.entries()) {
      expect(usage).toEqual({ steps: SPEC.steps });
      expect(outputs.map(({ path }) => path)).toEqual(
        ['0.png', '1.png'].map((name) => join(bench.directory, String(index), name)),
      );
      const pixels = await sharp(outputs[1]!.path).raw().toBuffer();
      const alone = await hashOf({ seed: index + 1 });
      expect(createHash('sha256').update(pixels).digest('hex')).toBe(alone);
    }
  });

  it('has the result of one job out while the next is painted', async () => {
    const results = await start(signals(), { width: 512, height: 512, steps: 12 });
    const order: number[] = [];
    await Promise.all(results.map((result, index) => result.then(() => order.push(index))));
    expect(order).toEqual([0, 1, 2]);
    expect(bench.progress.filter(({ fraction }) => fraction === 1)).toHaveLength(3);
  });

  it('goes on without the one that is aborted, in the same process', async () => {
    const controllers = signals();
    const results = await start(controllers, { width: 256, height: 256, steps: 20 });
    const reason = new Error('cancelled by the user');
    controllers[1]!.abort(reason);
    await expect(results[1]).rejects.toBe(reason);
    const [first, , third] = await Promise.allSettled(results);
    expect([first?.status, third?.status]).toEqual(['fulfilled', 'fulfilled']);
    expect(engine.resident()).toEqual(['painter']);
    expect(await readdir(join(bench.directory, '1'))).toEqual([]);
  });

  it('is over when every job of it is aborted', async () => {
    const controllers = signals();
    const results = await start(controllers, { width: 512, height: 512, steps: 150 });
    for (const controller of controllers) controller.abort(new Error('all gone'));
    for (const result of results) await expect(result).rejects.toThrow('all gone');
    expect(engine.resident()).toEqual([]);
  });

  it('refuses the job that it cannot paint, and paints the others', async () => {
    const contexts = [0, 1].map(() => bench.contextOf(new AbortController().signal));
    const specs = [{ ...SPEC, upscale: 2 }, SPEC];
    const results = engine.runBatch!(
      specs.map((spec, index) => ({ spec, context: contexts[index]! })),
    );
    await expect(results[0]).rejects.toMatchObject({ code: 'engine_rejected' });
    expect((await results[1]!).outputs).toHaveLength(1);
  });

  it('is announced', async () => {
    const info = await engine.discover(new AbortController().signal);
    expect(info?.batchMax).toBeGreaterThan(1);
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
