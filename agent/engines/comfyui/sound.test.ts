import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeFlac, isFlac } from './flac.ts';
import { cleanMp3, isMp3 } from './mp3.ts';
import { cleanMp4, isMp4 } from './mp4.ts';

/** Made by a real ComfyUI 0.8.0; the tone's samples are known by the formula below. */
function fixture(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(`../doubles/comfyui/${name}`, import.meta.url)));
}

const RATE = 44_100;
const FRAMES = 22_050;

function left(i: number): number {
  return Math.trunc(12_000 * Math.sin((2 * Math.PI * (200 + i / 20) * i) / RATE)) / 32_768;
}
function right(i: number): number {
  const tone = 8000 * Math.sin((2 * Math.PI * 330 * i) / RATE) + ((i * 7919) % 200);
  return Math.trunc(tone) / 32_768;
}

describe('FLAC', () => {
  it('gives back the samples that were written, and all of them', async () => {
    const { channels, sampleRate } = await decodeFlac(fixture('tone.flac'), 10);
    expect(sampleRate).toBe(RATE);
    expect(channels.map((channel) => channel.length)).toEqual([FRAMES, FRAMES]);
    const error = Math.max(
      ...Array.from({ length: FRAMES }, (_, i) =>
        Math.max(Math.abs(channels[0]![i]! - left(i)), Math.abs(channels[1]![i]! - right(i))),
      ),
    );
    expect(error).toBeLessThan(1.5 / 32_768);
  });

  it.each([4, 41, 60, 500, 20_000])('refuses a file that is cut off at %i bytes', async (at) => {
    await expect(decodeFlac(fixture('tone.flac').subarray(0, at), 10)).rejects.toThrow(RangeError);
  });

  it('refuses a file that is longer than it may be', async () => {
    await expect(decodeFlac(fixture('tone.flac'), 0.1)).rejects.toThrow('longer');
  });

  it('tells other files from its own', () => {
    expect(isFlac(fixture('tone.flac'))).toBe(true);
    expect(isFlac(fixture('tone.mp3'))).toBe(false);
  });
});

describe('MP3', () => {
  it('leaves the tags behind, keeps every frame and counts their time', () => {
    const file = fixture('tone.mp3');
    expect(isMp3(file)).toBe(true);
    expect(Buffer.from(file).includes('class_type')).toBe(true);
    const { bytes, durationS } = cleanMp3(file);
    expect(Buffer.from(bytes).includes('class_type')).toBe(false);
    expect(bytes[0]).toBe(0xff);
    expect(durationS).toBeGreaterThan(0.5);
    expect(durationS).toBeLessThan(0.65);
  });

  it('cuts a tag at the end off too', () => {
    const file = fixture('tone.mp3');
    const tag = Buffer.alloc(128);
    tag.write('TAGa title');
    const tagged = cleanMp3(Buffer.concat([file, tag]));
    expect(Buffer.from(tagged.bytes).equals(cleanMp3(file).bytes)).toBe(true);
  });

  it('refuses a tag without a sound', () => {
    expect(() => cleanMp3(Buffer.from('ID3\u0004\0\0\0\0\0\u0002xx'))).toThrow(RangeError);
  });
});

describe('MP4', () => {
  it('blanks the graph that the server wrote into it, and moves nothing', () => {
    const file = fixture('clip.mp4');
    const before = Buffer.from(file);
    expect(before.includes('class_type')).toBe(true);
    const facts = cleanMp4(file);
    const after = Buffer.from(file);
    expect(facts).toEqual({ width: 96, height: 64, durationS: 1.5 });
    expect(after.includes('class_type')).toBe(false);
    expect(after.length).toBe(before.length);
    const media = before.indexOf('mdat');
    expect(after.indexOf('mdat')).toBe(media);
    const { length } = before.subarray(media).subarray(0, before.readUInt32BE(media - 4) - 4);
    expect(after.subarray(media, media + length)).toEqual(before.subarray(media, media + length));
  });

  it.each([20, 100, 700])('refuses a file that is cut off at %i bytes', (at) => {
    expect(() => cleanMp4(fixture('clip.mp4').subarray(0, at))).toThrow(RangeError);
  });

  it('tells other files from its own', () => {
    expect(isMp4(fixture('clip.mp4'))).toBe(true);
    expect(isMp4(fixture('tone.mp3'))).toBe(false);
    expect(isMp4(new Uint8Array(3))).toBe(false);
  });
});
