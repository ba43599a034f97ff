/**
 * MP4 as ComfyUI writes it (ISO/IEC 14496-12): tells size and length, and blanks what it says
 * about its making. Boxes keep their places, so that no offset changes: one that is removed
 * becomes free space.
 */
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

function boxesOf(view: DataView, start: number, end: number): readonly Box[] {
  const boxes: Box[] = [];
  let at = start;
  while (at + 8 <= end) {
    if (boxes.length >= BOXES_MAX) throw new RangeError('an MP4 of too many boxes');
    const small = view.getUint32(at);
    const type = latin1(view, at + 4, at + 8);
    const head = small === 1 ? 16 : 8;
    const size = small === 0 ? end - at : small === 1 ? Number(view.getBigUint64(at + 8)) : small;
    if (size < head || at + size > end) throw new RangeError(`box ${type} goes beyond its file`);
    boxes.push({ type, start: at, body: at + head, end: at + size });
    at += size;
  }
  return boxes;
}

function latin1(from: Uint8Array | DataView, start: number, end: number): string {
  const bytes = new Uint8Array(from.buffer, from.byteOffset + start, end - start);
  return String.fromCharCode(...bytes);
}
