/**
 * What a file of sound really is, by its first bytes, and how long it plays, by its frames:
 * servers answer one format for another, and text with the type of a sound. Pure.
 * WAV: RIFF; Ogg: RFC 3533, 7845 (Opus) and the Vorbis I specification; MP3: ISO 11172-3.
 */
import type { ContentType } from '#schema/artifact.ts';
import { decodeWav, durationOf } from '../audio.ts';

export interface SoundKind {
  readonly contentType: Extract<ContentType, `audio/${string}`>;
  /** Null when it cannot be told. */
  readonly durationS: number | null;
}

const OPUS_RATE = 48_000;
/** Layer III: bit rates of MPEG 1 and of MPEG 2 and 2.5, kbit/s; sample rates of MPEG 1. */
const KBITS_1 = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const KBITS_2 = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const MP3_RATES = [44_100, 48_000, 32_000];

/** Null for what is no sound. */
export function kindOf(file: Buffer): SoundKind | null {
  const tag = file.toString('latin1', 0, 4);
  if (tag === 'RIFF' && file.toString('latin1', 8, 12) === 'WAVE') {
    return { contentType: 'audio/wav', durationS: wavSeconds(file) };
  }
  if (tag === 'OggS') return { contentType: 'audio/ogg', durationS: oggSeconds(file) };
  if (tag === 'fLaC') return { contentType: 'audio/flac', durationS: null };
  const isMp3 = tag.startsWith('ID3') || (file[0] === 0xff && ((file[1] ?? 0) & 0xe0) === 0xe0);
  return isMp3 ? { contentType: 'audio/mpeg', durationS: mp3Seconds(file) } : null;
}

function wavSeconds(file: Buffer): number | null {
  try {
    return durationOf(decodeWav(file));
  } catch {
    // Of another sample format: it plays all the same.
    return null;
  }
}

/** The last page's position in samples, by the rate that the first packet says. */
function oggSeconds(file: Buffer): number | null {
  const last = file.lastIndexOf('OggS', undefined, 'latin1');
  if (last + 14 > file.length) return null;
  const position = Number(file.readBigInt64LE(last + 6));
  const head = file.subarray(0, 200);
  const opus = head.indexOf('OpusHead', 0, 'latin1');
  if (opus >= 0 && opus + 12 <= head.length) {
    return Math.max(0, position - head.readUInt16LE(opus + 10)) / OPUS_RATE;
  }
  const vorbis = head.indexOf('\x01vorbis', 0, 'latin1');
  const rate = vorbis >= 0 && vorbis + 16 <= head.length ? head.readUInt32LE(vorbis + 12) : 0;
  return rate > 0 && position >= 0 ? position / rate : null;
}

/** The sum of the frames of MPEG layer III. */
function mp3Seconds(file: Buffer): number | null {
  let at = 0;
  if (file.toString('latin1', 0, 3) === 'ID3' && file.length > 10) {
    const size = [6, 7, 8, 9].reduce((sum, index) => sum * 128 + (file[index]! & 0x7f), 0);
    at = 10 + size;
  }
  let seconds = 0;
  while (at + 4 <= file.length) {
    const frame = mp3Frame(file.readUInt32BE(at));
    // A tag at the end, or bytes that are no frame: what was counted counts.
    if (!frame) break;
    seconds += frame.seconds;
    at += frame.bytes;
  }
  return seconds > 0 ? seconds : null;
}

function mp3Frame(header: number): { readonly seconds: number; readonly bytes: number } | null {
  const version = (header >>> 19) & 3;
  const isLayer3 = ((header >>> 17) & 3) === 1;
  const kbits = (version === 3 ? KBITS_1 : KBITS_2)[(header >>> 12) & 15] ?? 0;
  const rate1 = MP3_RATES[(header >>> 10) & 3];
  if (header >>> 21 !== 0x7ff || version === 1 || !isLayer3 || kbits === 0 || !rate1) return null;
  const rate = rate1 / (version === 3 ? 1 : version === 2 ? 2 : 4);
  const samples = version === 3 ? 1152 : 576;
  const padding = (header >>> 9) & 1;
  const bytes = Math.floor(((samples / 8) * kbits * 1000) / rate) + padding;
  return { seconds: samples / rate, bytes };
}
