/**
 * An animated WebP, written frame by frame: each is a still WebP of its own, whose picture data
 * goes into the file as it comes. One frame is in memory at a time. What the file begins with is
 * written last, when its length is known: a file that was cut short is no WebP at all.
 * The container: https://developers.google.com/speed/webp/docs/riff_container
 */
import { open } from 'node:fs/promises';
import { assert } from '#schema/assert.ts';

/** Bit of VP8X: the file is animated. */
const ANIMATION = 0x02;
/** Of a frame: it replaces what was there. */
const NO_BLEND = 0x02;
const RIFF_BYTES = 12;
const CHUNK_BYTES = 8;
/** The longest that the container can tell. */
const FILE_BYTES_MAX = 2 ** 32 - 10;
/** What the picture is in, and what its transparency: all that a frame may have. */
const PICTURE = new Set(['VP8 ', 'VP8L', 'ALPH']);

export interface AnimationShape {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
}

export interface Animation {
  /** Adds a still WebP of the same size as the animation. */
  add(still: Uint8Array): Promise<void>;
  /** Resolves when the file is whole. */
  end(): Promise<void>;
  /** Lets go of the file, whole or not. */
  close(): Promise<void>;
}

/** Begins an animation that plays for ever, in a new file. */
export async function openAnimation(
  path: string,
  { width, height, fps }: AnimationShape,
): Promise<Animation> {
  const file = await open(path, 'w', 0o600);
  const begin = Buffer.concat([
    Buffer.alloc(RIFF_BYTES),
    chunkOf('VP8X', Buffer.concat([uint(ANIMATION, 4), uint(width - 1, 3), uint(height - 1, 3)])),
    // On no colour; without end.
    chunkOf('ANIM', Buffer.concat([uint(0, 4), uint(0, 2)])),
  ]);
  let bytes = 0;
  const append = async (part: Buffer) => {
    bytes += part.length;
    assert(bytes <= FILE_BYTES_MAX, 'an animation fits its container');
    await file.appendFile(part);
  };
  await append(begin);
  const place = [uint(0, 3), uint(0, 3), uint(width - 1, 3), uint(height - 1, 3)];
  const head = Buffer.concat([...place, uint(Math.round(1000 / fps), 3), uint(NO_BLEND, 1)]);
  return {
    add: (still) => append(chunkOf('ANMF', Buffer.concat([head, ...pictureOf(still)]))),
    async end() {
      const riff = Buffer.concat([Buffer.from('RIFF'), uint(bytes - 8, 4), Buffer.from('WEBP')]);
      await file.write(riff, 0, riff.length, 0);
    },
    close: () => file.close(),
  };
}

/** The chunks of a still that are its picture, whole. */
function pictureOf(still: Uint8Array): Buffer[] {
  const bytes = Buffer.from(still.buffer, still.byteOffset, still.byteLength);
  assert(bytes.toString('latin1', 0, 4) === 'RIFF', 'a frame is a WebP');
  const chunks: Buffer[] = [];
  for (let at = RIFF_BYTES; at + CHUNK_BYTES <= bytes.length;) {
    const length = bytes.readUInt32LE(at + 4);
    const end = at + CHUNK_BYTES + length + (length % 2);
    if (PICTURE.has(bytes.toString('latin1', at, at + 4))) chunks.push(bytes.subarray(at, end));
    at = end;
  }
  assert(chunks.length > 0, 'a frame has a picture');
  return chunks;
}

/** A chunk begins at an even place. */
function chunkOf(name: string, data: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(name),
    uint(data.length, 4),
    data,
    Buffer.alloc(data.length % 2),
  ]);
}

function uint(value: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntLE(value, 0, bytes);
  return buffer;
}
