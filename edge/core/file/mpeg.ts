/**
 * How long an MP3 plays (ISO 11172-3 and 13818-3): by the count of frames that its encoder left
 * (Xing, Info, VBRI), else by the bit rate, sampled over the file. Pure; reads a few kilobytes.
 */
import type { Source } from './source.ts';
import { viewOf } from './source.ts';

const KBPS_1 = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const KBPS_2 = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const RATES = [44_100, 48_000, 32_000];
const DIVISORS = { 1: 1, 2: 2, 2.5: 4 } as const;
/** Where a frame is looked for, and what a tag of the encoder needs. */
const WINDOW_BYTES = 16 * 1024;
/** Places at which the bit rate is sampled. */
const SAMPLES = 12;
const ID3V1_BYTES = 128;

export interface Frame {
  readonly version: 1 | 2 | 2.5;
  readonly mono: boolean;
  readonly kbps: number;
  readonly rate: number;
  /** Samples of one frame. */
  readonly samples: number;
  readonly bytes: number;
}

/** The frame of layer III whose header lies here, or null. */
export function parseFrame(bytes: Uint8Array): Frame | null {
  const [first = 0, second = 0, third = 0, fourth = 0] = bytes;
  if (first !== 0xff || (second & 0xe6) !== 0xe2) return null;
  const version = ([2.5, null, 2, 1] as const)[(second >> 3) & 3]!;
  const kbps = (version === 1 ? KBPS_1 : KBPS_2)[third >> 4];
  const full = RATES[(third >> 2) & 3];
  if (version === null || !kbps || !full) return null;
  const rate = full / DIVISORS[version];
  const samples = version === 1 ? 1152 : 576;
  const length = Math.floor((samples / 8) * ((kbps * 1000) / rate)) + ((third >> 1) & 1);
  return { version, mono: fourth >> 6 === 3, kbps, rate, samples, bytes: length };
}

/** Seconds, or null when no sound is found. */
export async function mp3Seconds(source: Source): Promise<number | null> {
  const start = await tagBytes(source);
  const head = await source.read(start, WINDOW_BYTES);
  const found = findFrame(head);
  if (!found) return null;
  const { at, frame } = found;
  const count = countFrames(head.subarray(at), frame);
  if (count !== null) return (count * frame.samples) / frame.rate;
  const bytes = source.size - start - at;
  return Math.max(frame.bytes, bytes) * (await secondsPerByte(source, start));
}

/** Bytes of the ID3v2 tag that the file begins with. */
async function tagBytes(source: Source): Promise<number> {
  const head = await source.read(0, 10);
  if (head.length < 10 || head[0] !== 0x49 || head[1] !== 0x44 || head[2] !== 0x33) return 0;
  const [a = 0, b = 0, c = 0, d = 0] = head.subarray(6);
  const footer = (head[5]! & 0x10) === 0 ? 0 : 10;
  return 10 + ((a & 127) << 21) + ((b & 127) << 14) + ((c & 127) << 7) + (d & 127) + footer;
}

/** The first frame that another follows: four bytes alone look like one too often. */
function findFrame(bytes: Uint8Array): { at: number; frame: Frame } | null {
  for (let at = 0; at + 4 <= bytes.length; at += 1) {
    const frame = parseFrame(bytes.subarray(at, at + 4));
    if (!frame) continue;
    const next = at + frame.bytes;
    const isLast = next === bytes.length || next + ID3V1_BYTES === bytes.length;
    if (isLast || parseFrame(bytes.subarray(next, next + 4))) return { at, frame };
  }
  return null;
}

/** Frames of the file, where the encoder told them in the first one. */
function countFrames(bytes: Uint8Array, { version, mono }: Frame): number | null {
  const at = version === 1 ? (mono ? 21 : 36) : mono ? 13 : 21;
  const view = viewOf(bytes);
  if (view.byteLength < at + 12) return null;
  const tag = view.getUint32(at);
  // "Xing" or "Info", with its count present.
  if ((tag === 0x58696e67 || tag === 0x496e666f) && (view.getUint32(at + 4) & 1) === 1) {
    return view.getUint32(at + 8) || null;
  }
  // "VBRI"
  if (view.byteLength >= 54 && view.getUint32(36) === 0x56425249) {
    return view.getUint32(50) || null;
  }
  return null;
}

async function secondsPerByte(source: Source, start: number): Promise<number> {
  let sum = 0;
  let count = 0;
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const offset = start + Math.floor(((source.size - start) * sample) / SAMPLES);
    const found = findFrame(await source.read(offset, WINDOW_BYTES / 4));
    if (!found) continue;
    sum += 8 / (found.frame.kbps * 1000);
    count += 1;
  }
  return sum / count;
}
