/**
 * Sound as files: 16-bit WAV and Ogg Vorbis, and levelling. Channels are Float32Array of equal
 * length, -1 to 1. The same samples give the same bytes. MP3 is left out: its free encoders are
 * copyleft.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { assert } from '#schema/assert.ts';
import type { ContentType } from '#schema/artifact.ts';

export const AUDIO_FORMATS = ['wav', 'ogg'] as const;
export type AudioFormat = (typeof AUDIO_FORMATS)[number];

export interface Sound {
  readonly channels: readonly Float32Array[];
  readonly sampleRate: number;
}

const WAV_HEADER_BYTES = 44;
const BYTES_PER_SAMPLE = 2;
const PCM_MAX = 32_767;
/** About 112 kbit/s for stereo at 44.1 kHz. */
const VORBIS_QUALITY = 4;
/** Fixed, so that the same sound gives the same file. */
const OGG_SERIAL = 0x7e55;
const OGG_FRAMES = 16_384;

/** Narrows a requested format to those that can be written here. */
export function isAudioFormat(format: string): format is AudioFormat {
  return (AUDIO_FORMATS as readonly string[]).includes(format);
}

export function contentTypeOf(format: AudioFormat): ContentType {
  return format === 'wav' ? 'audio/wav' : 'audio/ogg';
}

/** Seconds of a sound. */
export function durationOf(sound: Sound): number {
  return (sound.channels[0]?.length ?? 0) / sound.sampleRate;
}

/** RIFF/WAVE, PCM, 16 bit. */
function encodeWav({ channels, sampleRate }: Sound): Uint8Array {
  const frames = channels[0]?.length ?? 0;
  const blockBytes = channels.length * BYTES_PER_SAMPLE;
  const file = Buffer.alloc(WAV_HEADER_BYTES + frames * blockBytes);
  file.write('RIFF', 0, 'latin1');
  file.writeUInt32LE(file.length - 8, 4);
  file.write('WAVEfmt ', 8, 'latin1');
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(channels.length, 22);
  file.writeUInt32LE(sampleRate, 24);
  file.writeUInt32LE(sampleRate * blockBytes, 28);
  file.writeUInt16LE(blockBytes, 32);
  file.writeUInt16LE(BYTES_PER_SAMPLE * 8, 34);
  file.write('data', 36, 'latin1');
  file.writeUInt32LE(frames * blockBytes, 40);
  const pcm = new Int16Array(
    file.buffer,
    file.byteOffset + WAV_HEADER_BYTES,
    frames * channels.length,
  );
  for (const [place, channel] of channels.entries()) {
    for (let i = 0; i < frames; i++) {
      const sample = Math.max(-1, Math.min(1, channel[i]!));
      pcm[i * channels.length + place] = Math.round(sample * PCM_MAX);
    }
  }
  return file;
}

/** Reads a 16-bit PCM WAV; throws on anything else. */
export function decodeWav(file: Uint8Array): Sound {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const tag = (at: number): string => String.fromCharCode(...file.subarray(at, at + 4));
  assert(file.byteLength >= WAV_HEADER_BYTES && tag(0) === 'RIFF', 'a WAV begins with RIFF');
  let count = 0;
  let sampleRate = 0;
  for (let at = 12; at + 8 <= file.byteLength;) {
    const bytes = view.getUint32(at + 4, true);
    if (tag(at) === 'fmt ') {
      assert(view.getUint16(at + 8, true) === 1, 'the WAV is PCM');
      assert(view.getUint16(at + 22, true) === 16, 'the WAV has 16 bits');
      count = view.getUint16(at + 10, true);
      sampleRate = view.getUint32(at + 12, true);
    }
    if (tag(at) === 'data') {
      assert(count > 0, 'the format comes before the data');
      // A writer to a pipe leaves the size unknown: the file's end bounds it.
      const end = Math.min(at + 8 + bytes, file.byteLength);
      const frames = Math.floor((end - at - 8) / (BYTES_PER_SAMPLE * count));
      const channels = Array.from({ length: count }, () => new Float32Array(frames));
      for (let i = 0; i < frames * count; i++) {
        const sample = view.getInt16(at + 8 + i * BYTES_PER_SAMPLE, true) / (PCM_MAX + 1);
        channels[i % count]![Math.floor(i / count)] = sample;
      }
      return { channels, sampleRate };
    }
    at += 8 + bytes + (bytes % 2);
  }
  throw new Error('the WAV has no data');
}

/** Ogg Vorbis by libvorbis in WebAssembly. */
async function encodeOgg({ channels, sampleRate }: Sound): Promise<Uint8Array> {
  const { createEncoder } = await import('wasm-media-encoders');
  const wasm = await readFile(
    createRequire(import.meta.url).resolve('wasm-media-encoders/wasm/ogg'),
  );
  const encoder = await createEncoder('audio/ogg', wasm);
  const count = channels.length === 1 ? 1 : 2;
  encoder.configure({
    channels: count,
    sampleRate,
    vbrQuality: VORBIS_QUALITY,
    oggSerialNo: OGG_SERIAL,
  });
  const pages: Buffer[] = [];
  const frames = channels[0]?.length ?? 0;
  for (let at = 0; at < frames; at += OGG_FRAMES) {
    pages.push(Buffer.from(encoder.encode(channels.map((c) => c.subarray(at, at + OGG_FRAMES)))));
    // A long piece takes seconds: the loop turns, so that the agent's end is noticed.
    await setImmediate();
  }
  pages.push(Buffer.from(encoder.finalize()));
  return Buffer.concat(pages);
}

/** Writes a sound into `directory` and returns the file's path. */
export async function writeSound(
  sound: Sound,
  target: { readonly directory: string; readonly format: AudioFormat },
): Promise<string> {
  const path = join(target.directory, `0.${target.format}`);
  await writeFile(path, target.format === 'wav' ? encodeWav(sound) : await encodeOgg(sound));
  return path;
}

/** Root mean square of the parts that are not silent, over all channels. */
export function loudnessOf({ channels, sampleRate }: Sound): number {
  const window = Math.max(1, Math.round(sampleRate * 0.4));
  const powers: number[] = [];
  const frames = channels[0]?.length ?? 0;
  for (let at = 0; at < frames; at += window) {
    const end = Math.min(frames, at + window);
    let sum = 0;
    for (const channel of channels) for (let i = at; i < end; i++) sum += channel[i]! ** 2;
    powers.push(sum / ((end - at) * channels.length));
  }
  const loudest = Math.max(0, ...powers);
  // Like the gate of ITU-R BS.1770: pauses do not count.
  const heard = powers.filter((power) => power > loudest / 100);
  return heard.length === 0 ? 0 : Math.sqrt(heard.reduce((a, b) => a + b, 0) / heard.length);
}

/** Brings a sound in place to `loudness` (RMS) and bends peaks smoothly under `peak`. */
export function level(sound: Sound, { loudness, peak }: { loudness: number; peak: number }): void {
  const now = loudnessOf(sound);
  if (now === 0) return;
  const gain = loudness / now;
  const knee = peak * 0.7;
  for (const channel of sound.channels) {
    for (let i = 0; i < channel.length; i++) {
      const sample = channel[i]! * gain;
      const size = Math.abs(sample);
      channel[i] =
        size <= knee
          ? sample
          : Math.sign(sample) * (knee + (peak - knee) * Math.tanh((size - knee) / (peak - knee)));
    }
  }
}
