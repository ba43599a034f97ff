/** Lengths and types of real files, as common encoders write them, and of damaged ones. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FileType } from '#schema/file.ts';
import sounds from './fixtures/sounds.json' with { type: 'json' };
import { sniff } from './sniff.ts';
import { soundSeconds } from './sound.ts';
import { inMemory } from './source.ts';
import type { Source } from './source.ts';

/** A second and a half of a tone, but for `varied`: a second of it, then two of noise. */
const FILES = [
  ['vorbis.ogg', 'audio/ogg', 1.5],
  ['opus.ogg', 'audio/ogg', 1.5],
  ['tone.flac', 'audio/flac', 1.5],
  ['cbr.mp3', 'audio/mpeg', 1.5],
  ['bare.mp3', 'audio/mpeg', 1.5],
  ['tone.m4a', 'audio/mp4', 1.5],
  ['parts.m4a', 'audio/mp4', 1.5],
  ['tone.webm', 'audio/webm', 1.5],
  ['live.webm', 'audio/webm', 1.5],
] as const;

function load(name: string): Uint8Array {
  const base64 = (sounds as Record<string, string>)[name]!;
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

/** A source that counts what is read of it. */
function counted(bytes: Uint8Array): Source & { readonly seen: () => number } {
  let seen = 0;
  const whole = inMemory(bytes);
  return {
    size: whole.size,
    read: async (offset, length) => {
      const part = await whole.read(offset, length);
      seen += part.length;
      return part;
    },
    seen: () => seen,
  };
}

/** 16-bit mono samples in a WAV; `told` is the length that its header claims. */
function wav(samples: number, { rate = 16_000, told = samples * 2 } = {}): Uint8Array {
  const bytes = new Uint8Array(44 + samples * 2);
  const view = new DataView(bytes.buffer);
  const tag = (at: number, text: string) =>
    bytes.set(
      Array.from(text, (char) => char.charCodeAt(0)),
      at,
    );
  tag(0, 'RIFF');
  tag(8, 'WAVEfmt ');
  view.setUint32(4, 36 + told, true);
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  tag(36, 'data');
  view.setUint32(40, told, true);
  return bytes;
}

describe('soundSeconds', () => {
  it.each(FILES)('knows %s as %s of %d s', async (name, type, seconds) => {
    const bytes = load(name);
    expect(sniff(bytes)).toBe(type);
    const told = await soundSeconds(type, inMemory(bytes));
    // Encoders fill up their last block.
    expect(Math.abs((told ?? 0) - seconds)).toBeLessThan(0.1);
  });

  it('weighs the bit rates of an MP3 that tells no count of frames', async () => {
    const bytes = load('varied.mp3');
    const told = await soundSeconds('audio/mpeg', inMemory(bytes));
    expect(told).toBeGreaterThan(2.5);
    expect(told).toBeLessThan(3.5);
  });

  it('finds the first frame of an MP3 behind a large tag', async () => {
    const tag = new Uint8Array(10 + 300_000);
    // The size in four groups of seven bits.
    tag.set([0x49, 0x44, 0x33, 4, 0, 0, 0, 300_000 >> 14, (300_000 >> 7) & 127, 300_000 & 127]);
    const bytes = Uint8Array.from([...tag, ...load('bare.mp3')]);
    const source = counted(bytes);
    expect(sniff(bytes)).toBe('audio/mpeg');
    expect(await soundSeconds('audio/mpeg', source)).toBeCloseTo(1.58, 1);
    expect(source.seen()).toBeLessThan(100_000);
  });

  it('reads the length of a WAV, and of one that was written to a pipe', async () => {
    expect(await soundSeconds('audio/wav', inMemory(wav(24_000)))).toBe(1.5);
    const piped = wav(24_000, { told: 0xffffffff });
    expect(await soundSeconds('audio/wav', inMemory(piped))).toBe(1.5);
  });

  it('reads little of a long recording', async () => {
    const source = counted(wav(20_000_000));
    expect(await soundSeconds('audio/wav', source)).toBe(1250);
    expect(source.seen()).toBeLessThan(1000);
  });

  it('knows no length for a header alone', async () => {
    for (const [name, type] of FILES) {
      const head = load(name).subarray(0, 20);
      expect(await soundSeconds(type, inMemory(head)), name).toBeNull();
    }
  });

  it('answers null or a positive number, whatever the bytes', async () => {
    const types = FileType.options;
    const seeds = FILES.map(([name]) => load(name));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...seeds),
        fc.constantFrom(...types),
        fc.array(fc.tuple(fc.nat(3000), fc.nat(255)), { maxLength: 40 }),
        fc.nat(4000),
        async (...[seed, type, edits, cut]) => {
          const bytes = seed.slice(0, Math.max(1, seed.length - cut));
          for (const [at, value] of edits) bytes[at % bytes.length] = value;
          const told = await soundSeconds(sniff(bytes) ?? type, inMemory(bytes));
          expect(told === null || (Number.isFinite(told) && told > 0)).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('sniff', () => {
  const text = (value: string) => Uint8Array.from(value, (char) => char.charCodeAt(0));

  it.each([
    ['a page', text('<!doctype html><script>alert(1)</script>')],
    ['a drawing', text('<svg xmlns="http://www.w3.org/2000/svg"/>')],
    ['a GIF', text('GIF89a\u0001\u0000\u0001\u0000')],
    ['a HEIC picture', text('\u0000\u0000\u0000\u0018ftypheic\u0000\u0000\u0000\u0000')],
    ['a Matroska film', text('\u001aE\u00df\u00a3\u0001B\u0082\u0088matroska')],
    ['an ADTS stream', text('\u00ff\u00f1P\u0080\u0001\u007f\u00fc')],
    ['a program', text('\u007fELF\u0002\u0001\u0001')],
    ['nothing', new Uint8Array()],
  ])('knows %s as none of the types', (_, bytes) => {
    expect(sniff(bytes)).toBeNull();
  });

  it.each([
    ['image/png', '\u0089PNG\r\n\u001a\n'],
    ['image/jpeg', '\u00ff\u00d8\u00ff\u00e0'],
    ['image/webp', 'RIFF\u0000\u0000\u0000\u0000WEBPVP8 '],
  ])('knows %s', (type, head) => {
    expect(sniff(text(head))).toBe(type);
  });
});
