import { describe, expect, it } from 'vitest';
import { jpegSize } from './jpeg.ts';

const START = [0xff, 0xd8];

/** A segment: its marker, its length, its content. */
function segment(mark: number, content: readonly number[]): number[] {
  const length = content.length + 2;
  return [0xff, mark, length >> 8, length & 255, ...content];
}

function frame(width: number, height: number, mark = 0xc0): number[] {
  return segment(mark, [8, height >> 8, height & 255, width >> 8, width & 255, 1, 1, 0x11, 0]);
}

/** EXIF with one entry, the orientation. */
function exif(orientation: number, isLittle: boolean): number[] {
  const view = new DataView(new ArrayBuffer(26));
  view.setUint16(0, isLittle ? 0x4949 : 0x4d4d);
  view.setUint16(2, 42, isLittle);
  view.setUint32(4, 8, isLittle);
  view.setUint16(8, 1, isLittle);
  view.setUint16(10, 0x0112, isLittle);
  view.setUint16(12, 3, isLittle);
  view.setUint32(14, 1, isLittle);
  view.setUint16(18, orientation, isLittle);
  return segment(0xe1, [0x45, 0x78, 0x69, 0x66, 0, 0, ...new Uint8Array(view.buffer)]);
}

const sizeOf = (...parts: number[][]) => jpegSize(Uint8Array.from([...START, ...parts.flat()]));

describe('the size of a JPEG', () => {
  it.each([0xc0, 0xc1, 0xc2, 0xc9])('is that of its frame %i', (mark) => {
    const tables = [segment(0xe0, [1, 2]), segment(0xdb, [3]), segment(0xc4, [4])];
    expect(sizeOf(...tables, frame(640, 480, mark))).toEqual({ width: 640, height: 480 });
  });

  it.each([
    [1, true, 640],
    [4, false, 640],
    [5, false, 480],
    [6, true, 480],
    [8, false, 480],
  ])('is upright by EXIF: orientation %i', (orientation, isLittle, width) => {
    expect(sizeOf(exif(orientation, isLittle), frame(640, 480))?.width).toBe(width);
  });

  it('is that of the frame which a decoder sees, whatever lies in the segments before', () => {
    const comment = segment(0xfe, [...frame(64, 64), ...START, ...frame(64, 64)]);
    expect(sizeOf(comment, frame(60_000, 60_000))).toEqual({ width: 60_000, height: 60_000 });
    // With a fill byte, readers that take the first four bytes for granted lose their way.
    const filled = [0xff, ...segment(0xfe, [0, 0, ...frame(64, 64)])];
    expect(sizeOf(filled, frame(60_000, 60_000))?.width).toBe(60_000);
  });

  it.each([
    ['nothing', []],
    ['no frame', segment(0xe0, [1, 2, 3])],
    ['a segment that is cut short', [0xff, 0xe0, 0xff, 0xff, 1]],
    ['a length that is none', [0xff, 0xe0, 0, 0, ...frame(64, 64)]],
    ['a scan before any frame', [...segment(0xda, [1]), ...frame(64, 64)]],
    ['a frame that is cut short', segment(0xc0, [8, 0])],
    ['a frame of no height', frame(64, 0)],
    ['markers without end', Array.from({ length: 10_000 }, () => [0xff, 0xd0]).flat()],
  ])('cannot be told of %s', (_, bytes) => {
    expect(sizeOf(bytes)).toBeNull();
  });

  it('is that of the frame, whatever EXIF says of places outside', () => {
    const broken = exif(6, true);
    // The place of the first directory.
    broken.fill(0xff, 14, 18);
    expect(sizeOf(broken, frame(640, 480))).toEqual({ width: 640, height: 480 });
  });
});
