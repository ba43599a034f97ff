/**
 * A FLAC decoder (RFC 9639) for what ComfyUI's SaveAudio writes: whole files, up to 24 bits, up
 * to eight channels. Samples come as floats, -1 to 1; tags and pictures are left behind. Gives
 * the event loop its turn between frames. Checksums are not checked: the file comes over loopback.
 */
import { setImmediate } from 'node:timers/promises';
import type { Sound } from '../audio.ts';

/** Frames that are decoded in one turn of the event loop. */
const FRAMES_PER_TURN = 8;
const STREAMINFO_BYTES = 34;

/** Whether the file begins as a FLAC does. */
export function isFlac(file: Uint8Array): boolean {
  return String.fromCharCode(...file.subarray(0, 4)) === 'fLaC';
}

/** Decodes a whole file; throws a RangeError when it is malformed or longer than `secondsMax`. */
export async function decodeFlac(file: Uint8Array, secondsMax: number): Promise<Sound> {
  if (!isFlac(file)) throw new RangeError('not a FLAC');
  const { at, info } = readHead(file);
  const bits = new Bits(file, at);
  const total = Math.min(info.samples || Infinity, Math.ceil(secondsMax * info.sampleRate));
  if (info.samples > total) throw new RangeError('a FLAC longer than it may be');
  const channels = Array.from({ length: info.channels }, () => new Float32Array(total));
  const scale = 1 / 2 ** (info.bits - 1);
  let done = 0;
  for (let frame = 0; bits.left() >= 2 && done < total; frame++) {
    const block = readFrame(bits, info);
    const length = block[0]!.length;
    if (done + length > total) throw new RangeError('a FLAC longer than it says');
    for (const [index, samples] of block.entries()) {
      const channel = channels[index]!;
      for (let i = 0; i < length; i++) channel[done + i] = samples[i]! * scale;
    }
    done += length;
    if (frame % FRAMES_PER_TURN === 0) await setImmediate();
  }
  if (info.samples > 0 && done < info.samples) throw new RangeError('a FLAC that is cut off');
  return {
    channels: channels.map((channel) => channel.subarray(0, done)),
    sampleRate: info.sampleRate,
  };
}

interface Info {
  readonly sampleRate: number;
  readonly channels: number;
  readonly bits: number;
  /** 0 when the file does not say. */
  readonly samples: number;
}

function readHead(file: Uint8Array): { at: number; info: Info } {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  let at = 4;
  let info: Info | null = null;
  for (let last = false; !last;) {
    const head = view.getUint32(at);
    last = head >>> 31 === 1;
    const length = head & 0xff_ffff;
    if (((head >>> 24) & 0x7f) === 0 && length >= STREAMINFO_BYTES) {
      const packed = view.getBigUint64(at + 4 + 10);
      info = {
        sampleRate: Number(packed >> 44n),
        channels: Number((packed >> 41n) & 7n) + 1,
        bits: Number((packed >> 36n) & 31n) + 1,
        samples: Number(packed & 0xf_ffff_ffffn),
      };
    }
    at += 4 + length;
    if (at > file.length) throw new RangeError('a FLAC that is cut off');
  }
  if (!info || info.sampleRate === 0 || info.bits > 24) throw new RangeError('an unknown FLAC');
  return { at, info };
}

const BLOCK_SIZES = [0, 192, 576, 1152, 2304, 4608] as const;
const SAMPLE_BITS = [0, 8, 12, 0, 16, 20, 24, 0] as const;

function readFrame(bits: Bits, info: Info): readonly Int32Array[] {
  if (bits.take(15) !== 0b111_1111_1111_1100) throw new RangeError('a FLAC frame out of place');
  bits.take(1);
  const sizeCode = bits.take(4);
  const rateCode = bits.take(4);
  const layout = bits.take(4);
  const depth = SAMPLE_BITS[bits.take(3)]! || info.bits;
  bits.take(1);
  // The frame's or sample's number, as long as UTF-8 would have it.
  for (let lead = bits.take(8); (lead & 0xc0) === 0xc0; lead = (lead << 1) & 0xff) bits.take(8);
  const size =
    sizeCode === 6
      ? bits.take(8) + 1
      : sizeCode === 7
        ? bits.take(16) + 1
        : sizeCode >= 8
          ? 256 << (sizeCode - 8)
          : BLOCK_SIZES[sizeCode]!;
  if (rateCode >= 12) bits.take(rateCode === 12 ? 8 : 16);
  bits.take(8);
  const channels = layout < 8 ? layout + 1 : 2;
  if (size === 0 || channels !== info.channels || layout > 10) {
    throw new RangeError('a FLAC frame of an unknown kind');
  }
  const block = Array.from({ length: channels }, (_, channel) => {
    // The side channel has a bit more.
    const side = (layout === 8 || layout === 10) && channel === 1;
    return readSubframe(bits, size, depth + (side || (layout === 9 && channel === 0) ? 1 : 0));
  });
  bits.align();
  bits.take(16);
  join(block, layout);
  return block;
}

/** Left and right of a pair that was written as a difference. */
function join([first, second]: readonly Int32Array[], layout: number): void {
  if (layout < 8) return;
  for (let i = 0; i < first!.length; i++) {
    const a = first![i]!;
    const b = second![i]!;
    if (layout === 8) second![i] = a - b;
    else if (layout === 9) first![i] = a + b;
    else {
      const middle = a * 2 + (b & 1);
      first![i] = (middle + b) >> 1;
      second![i] = (middle - b) >> 1;
    }
  }
}

/** Predictors of fixed orders 0 to 4, newest sample first. */
const FIXED = [[], [1], [2, -1], [3, -3, 1], [4, -6, 4, -1]] as const;

function readSubframe(bits: Bits, size: number, depth: number): Int32Array {
  if (bits.take(1) !== 0) throw new RangeError('a FLAC subframe out of place');
  const kind = bits.take(6);
  const wasted = bits.take(1) === 1 ? bits.unary() + 1 : 0;
  const width = depth - wasted;
  const samples = new Int32Array(size);
  if (kind === 0) samples.fill(bits.signed(width));
  else if (kind === 1) for (let i = 0; i < size; i++) samples[i] = bits.signed(width);
  else if (kind >= 8 && kind <= 12) predict(bits, samples, { width, order: kind - 8, lpc: false });
  else if (kind >= 32) predict(bits, samples, { width, order: kind - 31, lpc: true });
  else throw new RangeError('a FLAC subframe of an unknown kind');
  if (wasted > 0) for (let i = 0; i < size; i++) samples[i] = samples[i]! << wasted;
  return samples;
}

function predict(
  bits: Bits,
  samples: Int32Array,
  { width, order, lpc }: { width: number; order: number; lpc: boolean },
): void {
  if (order > samples.length) throw new RangeError('a FLAC predictor longer than its block');
  for (let i = 0; i < order; i++) samples[i] = bits.signed(width);
  let weights: readonly number[] = FIXED[order] ?? [];
  let shift = 0;
  if (lpc) {
    const precision = bits.take(4) + 1;
    shift = bits.signed(5);
    if (shift < 0) throw new RangeError('a FLAC predictor of an unknown kind');
    weights = Array.from({ length: order }, () => bits.signed(precision));
  }
  readResidual(bits, samples, order);
  const factor = 2 ** shift;
  for (let i = order; i < samples.length; i++) {
    // Sums may pass 32 bits, never 53.
    let sum = 0;
    for (let j = 0; j < order; j++) sum += weights[j]! * samples[i - 1 - j]!;
    samples[i] = samples[i]! + Math.floor(sum / factor);
  }
}

function readResidual(bits: Bits, samples: Int32Array, order: number): void {
  const parameterBits = bits.take(2) === 0 ? 4 : 5;
  const partitions = 1 << bits.take(4);
  const length = samples.length / partitions;
  if (!Number.isInteger(length)) throw new RangeError('FLAC partitions that do not fit');
  let at = order;
  for (let part = 1; part <= partitions; part++) {
    const end = part * length;
    const parameter = bits.take(parameterBits);
    if (parameter === (1 << parameterBits) - 1) {
      const width = bits.take(5);
      for (; at < end; at++) samples[at] = width === 0 ? 0 : bits.signed(width);
    } else {
      for (; at < end; at++) {
        const folded = bits.unary() * 2 ** parameter + bits.take(parameter);
        samples[at] = folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2;
      }
    }
  }
}

/** Bits of a file, from the highest down. */
class Bits {
  readonly #bytes: Uint8Array;
  #at: number;
  /** Bits of the byte at `#at` that are taken. */
  #used = 0;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Whole bytes that are left. */
  left(): number {
    return this.#bytes.length - this.#at;
  }

  /** Up to 32 bits. */
  take(count: number): number {
    let value = 0;
    for (let need = count; need > 0;) {
      if (this.#at >= this.#bytes.length) throw new RangeError('a FLAC that is cut off');
      const free = 8 - this.#used;
      const now = Math.min(need, free);
      const piece = (this.#bytes[this.#at]! >>> (free - now)) & ((1 << now) - 1);
      value = value * 2 ** now + piece;
      this.#used += now;
      need -= now;
      if (this.#used === 8) {
        this.#used = 0;
        this.#at++;
      }
    }
    return value;
  }

  signed(count: number): number {
    const value = this.take(count);
    return value >= 2 ** (count - 1) ? value - 2 ** count : value;
  }

  /** Zeros before the next one. */
  unary(): number {
    let zeros = 0;
    for (;;) {
      const free = 8 - this.#used;
      const rest = (this.#bytes[this.#at] ?? -1) & ((1 << free) - 1);
      if (this.#at >= this.#bytes.length) throw new RangeError('a FLAC that is cut off');
      if (rest === 0) {
        zeros += free;
        this.#used = 0;
        this.#at++;
      } else {
        const leading = Math.clz32(rest) - (32 - free);
        this.take(leading + 1);
        return zeros + leading;
      }
    }
  }

  align(): void {
    if (this.#used === 0) return;
    this.#used = 0;
    this.#at++;
  }
}
