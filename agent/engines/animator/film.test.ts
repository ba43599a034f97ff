import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openWebp } from './film.ts';

const SHAPE = { width: 31, height: 18, fps: 8 };
const COLOURS = [
  [220, 20, 20],
  [20, 20, 220],
  [20, 220, 20],
] as const;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'film-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** A frame of one colour, with some noise: a plain one has a few bytes only. */
function frame([r, g, b]: readonly [number, number, number]): Uint8Array {
  const rgb = new Uint8Array(SHAPE.width * SHAPE.height * 3);
  for (let i = 0; i < rgb.length; i += 3) rgb.set([r + (i % 7), g + (i % 11), b + (i % 13)], i);
  return rgb;
}

it('writes each frame of an animated picture as it comes', async () => {
  const film = await openWebp(SHAPE, directory);
  let before = 0;
  for (const colour of COLOURS) {
    await film.add(frame(colour));
    const { size } = await stat(join(directory, '0.webp'));
    expect(size).toBeGreaterThan(before + 40);
    before = size;
  }
  await film.end();
  await film.close();
});

it('makes an animated picture that others read: its size, its pace, its frames in order', async () => {
  const film = await openWebp(SHAPE, directory);
  for (const colour of COLOURS) await film.add(frame(colour));
  const { path } = await film.end();
  await film.close();
  expect(await sharp(path, { pages: -1 }).metadata()).toMatchObject({
    format: 'webp',
    width: 31,
    pageHeight: 18,
    pages: 3,
    delay: [125, 125, 125],
    loop: 0,
  });
  for (const [page, colour] of COLOURS.entries()) {
    const { channels } = await sharp(path, { page }).removeAlpha().stats();
    for (const [k, { mean }] of channels.entries()) {
      expect(Math.abs(mean - colour[k]!)).toBeLessThan(15);
    }
  }
});

it('leaves a film that did not come to its end as a file that nobody takes for one', async () => {
  const film = await openWebp(SHAPE, directory);
  await film.add(frame(COLOURS[0]));
  await film.close();
  await expect(sharp(join(directory, '0.webp')).metadata()).rejects.toThrow('unsupported image');
});
