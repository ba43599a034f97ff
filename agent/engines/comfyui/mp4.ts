/**
 * MP4 as ComfyUI writes it (ISO/IEC 14496-12): tells size and length, and blanks what it says
 * about its making. Boxes keep their places, so that no offset changes: one that is removed
 * becomes free space. Of a file on disk all is read but the samples, which are nearly all of it.
 */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

export interface VideoFacts {
  readonly width: number | null;
  readonly height: number | null;
  readonly durationS: number | null;
}

interface Box {
  readonly type: string;
  readonly start: number;
  readonly body: number;
  readonly end: number;
}

const BOXES_MAX = 10_000;
/** Length of a box's head with a wide size. */
const HEAD_BYTES = 16;
/** All boxes but the samples: some 100 bytes a picture. */
const INDEX_BYTES_MAX = 32 * 1024 * 1024;

/** Whether the file begins as an MP4 does. */
export function isMp4(file: Uint8Array): boolean {
  return file.length >= 8 && latin1(file, 4, 8) === 'ftyp';
}

/** Blanks user data and metadata in place; throws when the file is cut off or malformed. */
export function cleanMp4(file: Uint8Array): VideoFacts {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  let size: { width: number; height: number } | null = null;
  let durationS: number | null = null;
  const visit = (start: number, end: number): void => {
    for (const box of boxesOf(view, start, end)) {
      switch (box.type) {
        case 'moov':
        case 'trak':
          visit(box.body, box.end);
          break;
        case 'udta':
        case 'meta':
        case 'uuid':
          file.set([0x66, 0x72, 0x65, 0x65], box.start + 4);
          file.fill(0, box.body, box.end);
          break;
        case 'mvhd': {
          const wide = view.getUint8(box.body) === 1;
          const scale = view.getUint32(box.body + (wide ? 20 : 12));
          const length = wide
            ? Number(view.getBigUint64(box.body + 24))
            : view.getUint32(box.body + 16);
          durationS = scale > 0 ? length / scale : null;
          break;
        }
        case 'tkhd': {
          // 16.16 fixed point, at the end; a sound track has none.
          const width = view.getUint32(box.end - 8) >>> 16;
          const height = view.getUint32(box.end - 4) >>> 16;
          if (width > 0 && height > 0) size ??= { width, height };
          break;
        }
      }
    }
  };
  visit(0, file.length);
  if (durationS === null) throw new RangeError('an MP4 without a movie header');
  const { width, height } = (size as { width: number; height: number } | null) ?? {
    width: null,
    height: null,
  };
  return { width, height, durationS };
}

/** The same with a file on disk; rejects with a RangeError when it is no MP4, cut off or malformed. */
export async function cleanMp4File(path: string): Promise<VideoFacts> {
  const file = await open(path, 'r+');
  try {
    const boxes = (await outerBoxes(file)).filter(({ type }) => type !== 'mdat');
    const bytes = boxes.reduce((sum, { start, end }) => sum + end - start, 0);
    if (bytes > INDEX_BYTES_MAX) throw new RangeError(`an MP4 with ${bytes} bytes beside samples`);
    const index = Buffer.alloc(bytes);
    let at = 0;
    for (const { start, end } of boxes) {
      await file.read(index, at, end - start, start);
      at += end - start;
    }
    if (!isMp4(index)) throw new RangeError('only MP4 is taken');
    const facts = cleanMp4(index);
    at = 0;
    for (const { start, end } of boxes) {
      await file.write(index, at, end - start, start);
      at += end - start;
    }
    return facts;
  } finally {
    await file.close();
  }
}

async function outerBoxes(file: FileHandle): Promise<readonly Box[]> {
  const { size: end } = await file.stat();
  const head = Buffer.alloc(HEAD_BYTES);
  const boxes: Box[] = [];
  for (let start = 0; start + 8 <= end; start = boxes.at(-1)!.end) {
    if (boxes.length >= BOXES_MAX) throw new RangeError('an MP4 of too many boxes');
    await file.read(head.fill(0), 0, HEAD_BYTES, start);
    boxes.push(boxAt(new DataView(head.buffer, head.byteOffset, HEAD_BYTES), { start, end }));
  }
  return boxes;
}

function boxesOf(view: DataView, start: number, end: number): readonly Box[] {
  const boxes: Box[] = [];
  let at = start;
  while (at + 8 <= end) {
    if (boxes.length >= BOXES_MAX) throw new RangeError('an MP4 of too many boxes');
    const rest = new DataView(view.buffer, view.byteOffset + at, end - at);
    const box = boxAt(rest, { start: at, end });
    boxes.push(box);
    at = box.end;
  }
  return boxes;
}

/** The box whose head `view` begins with; it lies at `start` of what ends at `end`. */
function boxAt(view: DataView, { start, end }: { start: number; end: number }): Box {
  const small = view.getUint32(0);
  const type = latin1(view, 4, 8);
  const head = small === 1 ? HEAD_BYTES : 8;
  if (head > view.byteLength) throw new RangeError(`box ${type} goes beyond its file`);
  const size = small === 0 ? end - start : small === 1 ? Number(view.getBigUint64(8)) : small;
  if (size < head || start + size > end) throw new RangeError(`box ${type} goes beyond its file`);
  return { type, start, body: start + head, end: start + size };
}

function latin1(from: Uint8Array | DataView, start: number, end: number): string {
  const bytes = new Uint8Array(from.buffer, from.byteOffset + start, end - start);
  return String.fromCharCode(...bytes);
}
