/**
 * How long a recording plays, by its headers alone: a few bounded reads, wherever the format
 * keeps its length, and nothing is decoded. Null where the file does not tell, or is no sound
 * of its type. Pure; sources: RIFF, RFC 9639 (FLAC), RFC 3533 (Ogg), ISO 14496-12, RFC 9559.
 */
import type { FileType } from '#schema/file.ts';
import { webmSeconds } from './matroska.ts';
import { mp4Seconds } from './mp4.ts';
import { mp3Seconds } from './mpeg.ts';
import { latin } from './sniff.ts';
import type { Source } from './source.ts';
import { viewOf } from './source.ts';

/** Chunks or boxes that are stepped over: more is no file that anybody recorded. */
const STEPS_MAX = 200;
/** The last page of an Ogg file begins within these: a page has 65,307 bytes at most. */
const OGG_TAIL_BYTES = 128 * 1024;
/** What is looked at of the packet that tells the kind of a stream. */
const STREAM_BYTES = 40;
const OPUS_RATE = 48_000;

/** Seconds that the recording plays; null where that cannot be told. */
export async function soundSeconds(type: FileType, source: Source): Promise<number | null> {
  const seconds = await readSeconds(type, source);
  return seconds !== null && Number.isFinite(seconds) && seconds > 0 ? seconds : null;
}

function readSeconds(type: FileType, source: Source): Promise<number | null> {
  switch (type) {
    case 'audio/wav':
      return wavSeconds(source);
    case 'audio/mpeg':
      return mp3Seconds(source);
    case 'audio/ogg':
      return oggSeconds(source);
    case 'audio/flac':
      return flacSeconds(source);
    case 'audio/mp4':
      return mp4Seconds(source);
    case 'audio/webm':
      return webmSeconds(source);
    case 'image/png':
    case 'image/jpeg':
    case 'image/webp':
      return Promise.resolve(null);
  }
}

async function wavSeconds(source: Source): Promise<number | null> {
  let bytesPerS = 0;
  let at = 12;
  for (let step = 0; step < STEPS_MAX; step += 1) {
    const head = await source.read(at, 24);
    if (head.length < 8) return null;
    const tag = latin(head.subarray(0, 4));
    const bytes = viewOf(head).getUint32(4, true);
    if (tag === 'fmt ' && head.length >= 20) bytesPerS = viewOf(head).getUint32(16, true);
    // What wrote it to a pipe left its size open: the file's end bounds it.
    if (tag === 'data') return Math.min(bytes, source.size - at - 8) / bytesPerS;
    at += 8 + bytes + (bytes % 2);
  }
  return null;
}

async function flacSeconds(source: Source): Promise<number | null> {
  const head = await source.read(4, 22);
  // STREAMINFO comes first: 20 bits of rate, 3 of channels, 5 of depth, 36 of samples.
  if (head.length < 22 || (head[0]! & 127) !== 0) return null;
  const view = viewOf(head);
  const rate = view.getUint32(14) >>> 12;
  const samples = (head[17]! & 15) * 2 ** 32 + view.getUint32(18);
  return samples / rate;
}

async function oggSeconds(source: Source): Promise<number | null> {
  const page = await source.read(0, 512);
  if (page.length < 64) return null;
  const serial = viewOf(page).getUint32(14, true);
  const packet = page.subarray(27 + page[26]!);
  if (packet.length < STREAM_BYTES) return null;
  const stream = readStream(packet);
  if (!stream) return null;
  const from = Math.max(0, source.size - OGG_TAIL_BYTES);
  const tail = await source.read(from, OGG_TAIL_BYTES);
  const view = viewOf(tail);
  for (let at = tail.length - 27; at >= 0; at -= 1) {
    // "OggS", of the same stream, with a packet's end in it.
    if (tail[at] !== 0x4f || view.getUint32(at) !== 0x4f676753) continue;
    if (view.getUint32(at + 14, true) !== serial) continue;
    const samples = Number(view.getBigInt64(at + 6, true));
    if (samples > 0) return (samples - stream.skipped) / stream.rate;
  }
  return null;
}

/** What an Ogg stream's first packet tells: samples a second, and those before the sound. */
function readStream(packet: Uint8Array): { rate: number; skipped: number } | null {
  const text = latin(packet.subarray(0, 8));
  const view = viewOf(packet);
  if (text === 'OpusHead') return { rate: OPUS_RATE, skipped: view.getUint16(10, true) };
  if (text.startsWith('\u0001vorbis')) return { rate: view.getUint32(12, true), skipped: 0 };
  if (text === 'Speex   ') {
    return { rate: view.getUint32(36, true), skipped: 0 };
  }
  if (text.startsWith('\u007fFLAC')) return { rate: view.getUint32(27) >>> 12, skipped: 0 };
  return null;
}
