import { mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { cleanMp4, cleanMp4File } from './mp4.ts';

const CLIP = new URL('../doubles/comfyui/clip.mp4', import.meta.url);
/** More than anybody would read into memory. */
const SAMPLES_BYTES = 3 * 1024 * 1024 * 1024;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tessera-mp4-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const path = () => join(directory, 'clip.mp4');

it('cleans a file on disk as it does one in memory', async () => {
  const clip = await readFile(CLIP);
  await writeFile(path(), clip);
  const facts = await cleanMp4File(path());
  expect(facts).toEqual(cleanMp4(clip));
  expect(await readFile(path())).toEqual(clip);
});

it('cleans what lies around samples of any length, and leaves them alone', async () => {
  const clip = await readFile(CLIP);
  const at = clip.indexOf('ftyp') - 4 + clip.readUInt32BE(clip.indexOf('ftyp') - 4);
  const head = Buffer.alloc(16);
  head.writeUInt32BE(1, 0);
  head.write('mdat', 4);
  head.writeBigUInt64BE(BigInt(SAMPLES_BYTES), 8);
  const mark = Buffer.from('udta of the samples');
  const file = await open(path(), 'w');
  await file.write(clip, 0, at, 0);
  await file.write(head, 0, 16, at);
  await file.write(mark, 0, mark.length, at + 1_000_000_000);
  await file.write(clip, at, clip.length - at, at + SAMPLES_BYTES);
  await file.close();
  const facts = await cleanMp4File(path());
  expect(facts).toEqual(cleanMp4(clip));
  expect((await stat(path())).size).toBe(clip.length + SAMPLES_BYTES);
  const again = await open(path(), 'r');
  const tail = Buffer.alloc(clip.length - at);
  await again.read(tail, 0, tail.length, at + SAMPLES_BYTES);
  const kept = Buffer.alloc(mark.length);
  await again.read(kept, 0, mark.length, at + 1_000_000_000);
  await again.close();
  expect(tail).toEqual(clip.subarray(at));
  expect(kept).toEqual(mark);
});

it.each([
  ['empty', Buffer.alloc(0)],
  ['no MP4', Buffer.from('a text that is long enough')],
  ['cut in a head', Buffer.from([0, 0, 0, 1, 0x66, 0x74, 0x79, 0x70, 0, 0])],
])('refuses a file that is %s', async (_, bytes) => {
  await writeFile(path(), bytes);
  await expect(cleanMp4File(path())).rejects.toThrow(RangeError);
});

it('refuses a file that was cut', async () => {
  const clip = await readFile(CLIP);
  await writeFile(path(), clip.subarray(0, clip.length - 10));
  await expect(cleanMp4File(path())).rejects.toThrow(RangeError);
});
