import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openWebp } from '../engines/animator/film.ts';
import type { Classifier } from './classifier.ts';
import { judge, openOnnx } from './onnx.ts';
import { ClassifierCard } from './settings.ts';

const PACKAGE = fileURLToPath(new URL('../doubles/onnx-package.ts', import.meta.url));
const CARD = { sidePx: 16, labels: ['blue', 'red'], blocks: { red: 0.8 } };
const { signal } = new AbortController();
let home: string;
let model: string;
let opened: Classifier | null;

beforeEach(async () => {
  opened = null;
  home = await mkdtemp(join(tmpdir(), 'onnx-'));
  model = join(home, 'model.onnx');
  const installed = join(home, 'node_modules', 'onnxruntime-node');
  await mkdir(installed, { recursive: true });
  await symlink(PACKAGE, join(installed, 'index.ts'));
  const exported = { name: 'onnxruntime-node', type: 'module', exports: './index.ts' };
  await writeFile(join(installed, 'package.json'), JSON.stringify(exported));
  await writeFile(model, 'sound');
  await writeFile(join(home, 'model.json'), JSON.stringify(CARD));
});
afterEach(async () => {
  await opened?.close();
  await rm(home, { recursive: true });
});

async function open(): Promise<Classifier> {
  opened = await openOnnx({ model, home });
  return opened;
}
async function picture(background: { r: number; g: number; b: number }): Promise<string> {
  const path = join(home, 'picture.png');
  await sharp({ create: { width: 40, height: 20, channels: 3, background } })
    .png()
    .toFile(path);
  return path;
}

it('blocks what the model takes for what is blocked, and nothing else', async () => {
  const classifier = await open();
  const red = await classifier.classify(await picture({ r: 255, g: 0, b: 0 }), signal);
  expect(red).toMatchObject({ blocked: true, label: 'red' });
  expect(red.score).toBeCloseTo(1 / (1 + Math.exp(-8)), 5);
  const blue = await classifier.classify(await picture({ r: 0, g: 0, b: 255 }), signal);
  expect(blue).toMatchObject({ blocked: false, label: 'blue' });
});

it('looks at a picture that moves in several places', async () => {
  const classifier = await open();
  const shape = { width: 24, height: 16, fps: 5 };
  const film = await openWebp(shape, home);
  for (let frame = 0; frame < 30; frame++) {
    const colour = Buffer.from(frame === 29 ? [255, 0, 0] : [0, 0, 255]);
    await film.add(Buffer.alloc(shape.width * shape.height * 3, colour));
  }
  const { path } = await film.end();
  await film.close();
  // Its last frame alone is red.
  expect(await classifier.classify(path, signal)).toMatchObject({ blocked: true, label: 'red' });
});

it('looks at the pictures of jobs that end together, one after the other', async () => {
  const classifier = await open();
  const path = await picture({ r: 255, g: 0, b: 0 });
  const abort = new AbortController();
  const looks = [signal, abort.signal, signal].map((one) => classifier.classify(path, one));
  abort.abort(new Error('not wanted'));
  expect(await Promise.allSettled(looks)).toMatchObject([
    { status: 'fulfilled', value: { label: 'red' } },
    { status: 'rejected', reason: { message: 'not wanted' } },
    { status: 'fulfilled', value: { label: 'red' } },
  ]);
});

it('rejects what is no picture, and a model that does not load', async () => {
  const classifier = await open();
  await expect(classifier.classify(model, signal)).rejects.toThrow('unsupported image');
  await writeFile(model, 'broken');
  await expect(classifier.classify(await picture({ r: 0, g: 0, b: 0 }), signal)).rejects.toThrow(
    'bad model',
  );
});

it.each([
  ['the package', () => rm(join(home, 'node_modules'), { recursive: true }), 'onnxruntime-node'],
  ['the model', () => rm(model), 'ENOENT'],
  ['the card', () => rm(join(home, 'model.json')), 'ENOENT'],
  ['a sound card', () => writeFile(join(home, 'model.json'), '{"sidePx": 0}'), 'sidePx'],
  [
    'a label to block',
    () => writeFile(join(home, 'model.json'), JSON.stringify({ ...CARD, blocks: { gore: 1 } })),
    'blocks.gore: no such label',
  ],
])('does not open without %s', async (_, spoil, words) => {
  await spoil();
  await expect(open()).rejects.toThrow(words);
});

describe('a verdict', () => {
  const card = ClassifierCard.parse({
    sidePx: 8,
    labels: ['fine', 'bad', 'worse'],
    blocks: { bad: 0.5, worse: 0.2 },
  });

  it.each([
    [[0.6, 0.3, 0.1], { blocked: false, label: 'fine', score: 0.6 }],
    [[0.7, 0.1, 0.2], { blocked: true, label: 'worse', score: 0.2 }],
    [[0.1, 0.5, 0.4], { blocked: true, label: 'bad', score: 0.5 }],
  ])('of %j is %j', (scores, verdict) => {
    expect(judge(scores, card)).toEqual(verdict);
  });
});
