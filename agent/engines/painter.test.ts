import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
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
    const specs = [{ ...SPEC, loras: [{ name: 'style', weight: 1 }] }, SPEC];
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
    ['a LoRA', { loras: [{ name: 'style', weight: 1 }] }],
    ['enlarging beyond what a file may have', { width: 2048, upscale: 4 }],
  ])('refuses %s', async (_, changes) => {
    const refused = await run(changes).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(EngineError);
    expect(refused).toMatchObject({ code: 'engine_rejected', retryable: false });
  });
});

describe('a picture that is brought', () => {
  const FILE = 'file_x';
  const [width, height] = [96, 64];

  /** Left half red, right half blue. */
  async function bring(name = FILE): Promise<Buffer> {
    const red = { create: { width: 48, height: 64, channels: 3 as const, background: '#d02020' } };
    const blue = { create: { ...red.create, background: '#2020d0' } };
    const right = await sharp(blue).png().toBuffer();
    const picture = sharp(red)
      .extend({ right: 48, background: '#000' })
      .composite([{ input: right, left: 48, top: 0 }]);
    await picture.png().toFile(join(bench.directory, name));
    return sharp(join(bench.directory, name)).removeAlpha().raw().toBuffer();
  }

  async function pixels(changes: Partial<ImageSpec>): Promise<Buffer> {
    const { outputs } = await run({ width, height, input_image: FILE, ...changes });
    return sharp(outputs[0]!.path).removeAlpha().raw().toBuffer();
  }

  /** Mean difference of two pictures, over columns from `from` to `to`. */
  function distance(a: Buffer, b: Buffer, [from, to] = [0, width]): number {
    let sum = 0;
    let count = 0;
    for (let i = 0; i < a.length; i++) {
      const x = Math.floor(i / 3) % width;
      if (x < from || x >= to) continue;
      sum += Math.abs(a[i]! - b[i]!);
      count += 1;
    }
    return sum / count;
  }

  it('stays as it is at strength 0, and is left further behind the stronger it is painted', async () => {
    const original = await bring();
    expect(distance(await pixels({ strength: 0 }), original)).toBe(0);
    const faint = distance(await pixels({ strength: 0.2 }), original);
    const strong = distance(await pixels({ strength: 1 }), original);
    expect(faint).toBeGreaterThan(1);
    expect(strong).toBeGreaterThan(faint * 1.5);
  });

  it('keeps its shapes: the left stays redder than the right', async () => {
    await bring();
    const painted = await pixels({ strength: 0.5, steps: 6 });
    const redness = (x: number) => {
      const i = (32 * width + x) * 3;
      return painted[i]! - painted[i + 2]!;
    };
    expect(redness(20)).toBeGreaterThan(redness(76) + 40);
  });

  it('is varied by the seed', async () => {
    await bring();
    const [one, two] = [await pixels({ seed: 1 }), await pixels({ seed: 2 })];
    expect(distance(one, two)).toBeGreaterThan(1);
  });

  it('is painted only where the mask is white', async () => {
    const original = await bring();
    const white = { width: 48, height: 64, channels: 3 as const, background: '#fff' };
    await sharp({ create: white })
      .extend({ right: 48, background: '#000' })
      .png()
      .toFile(join(bench.directory, 'mask'));
    const painted = await pixels({ strength: 1, mask: 'mask' });
    expect(distance(painted, original, [50, width])).toBe(0);
    expect(distance(painted, original, [0, 46])).toBeGreaterThan(5);
  });

  it('is painted only where the mask is transparent, when it is by that', async () => {
    const original = await bring();
    // The picture itself with a hole, as clients of OpenAI send it: its colours say nothing.
    const hole = { width: 48, height: 64, channels: 4 as const };
    const cut = { create: { ...hole, background: { r: 255, g: 255, b: 255, alpha: 1 } } };
    await sharp(join(bench.directory, FILE))
      .ensureAlpha()
      .composite([{ input: cut, left: 0, top: 0, blend: 'dest-out' }])
      .png()
      .toFile(join(bench.directory, 'mask'));
    const painted = await pixels({ strength: 1, mask: 'mask', mask_by: 'transparency' });
    expect(distance(painted, original, [50, width])).toBe(0);
    expect(distance(painted, original, [0, 46])).toBeGreaterThan(5);
  });

  it('is enlarged, by itself too', async () => {
    await bring();
    const { outputs } = await run({ width, height, input_image: FILE, strength: 0, upscale: 2 });
    expect(outputs[0]).toMatchObject({ width: 192, height: 128 });
    const { width: real } = await sharp(outputs[0]!.path).metadata();
    expect(real).toBe(192);
  });

  it('that is none fails the job for good, and the next one is painted', async () => {
    await writeFile(join(bench.directory, FILE), 'GIF89a nonsense');
    const failure = await run({ input_image: FILE }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'input_unreadable', retryable: false });
    expect((await run()).outputs).toHaveLength(1);
  });

  it('that cannot be had fails as its transfer did', async () => {
    const lost = new EngineError({ code: 'job_failed', retryable: true, detail: 'cut' });
    const context = bench.contextOf(new AbortController().signal);
    const failing = { ...context, openInput: () => Promise.reject(lost) };
    await expect(engine.run({ ...SPEC, input_image: FILE }, failing)).rejects.toBe(lost);
  });
});
