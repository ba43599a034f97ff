/**
 * The size of a JPEG by its frame header (ITU-T T.81, annex B), found as decoders find it: from
 * marker to marker. Pure. A reader that jumps over what it does not understand can be led to a
 * frame that no decoder sees, or through millions of bytes one by one.
 */
import { latin } from './sniff.ts';
import { viewOf } from './source.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The picture's segments before its frame; more is no picture that anybody took. */
const SEGMENTS_MAX = 2000;
/** EXIF orientations that turn a picture by a quarter (EXIF 2.32, 4.6.4 A). */
const TURNED_MIN = 5;
const ORIENTATION_TAG = 0x0112;

const MARK = { first: 0xff, temporary: 0x01, restarts: 0xd0, start: 0xd8, scan: 0xda, exif: 0xe1 };

/** Width and height as it is meant to be seen, or null where no decoder would find them. */
export function jpegSize(bytes: Uint8Array): Size | null {
  let orientation = 1;
  let at = 2;
  for (let segment = 0; segment < SEGMENTS_MAX; segment += 1) {
    const mark = nextMark(bytes, at);
    if (mark === null) return null;
    const [kind, from] = [bytes[mark]!, mark + 1];
    at = from;
    if (kind === MARK.temporary || (kind >= MARK.restarts && kind < MARK.start)) continue;
    // A second start, the end, or a scan without a frame.
    if (kind >= MARK.start && kind <= MARK.scan) return null;
    const length = from + 2 <= bytes.length ? viewOf(bytes).getUint16(from) : 0;
    const content = bytes.subarray(from + 2, from + length);
    if (length < 2 || content.length < length - 2) return null;
    if (isFrame(kind)) return readFrame(content, orientation);
    if (kind === MARK.exif) orientation = readOrientation(content) ?? orientation;
    at = from + length;
  }
  return null;
}

/** Where the next marker's second byte lies. */
function nextMark(bytes: Uint8Array, from: number): number | null {
  for (let at = bytes.indexOf(MARK.first, from); at >= 0; at = bytes.indexOf(MARK.first, at)) {
    // Any number of them may stand before the byte that tells.
    while (bytes[at] === MARK.first) at += 1;
    if (at >= bytes.length) return null;
    if (bytes[at] !== 0) return at;
  }
  return null;
}

/** SOF0 to SOF15: all of C0 to CF but the tables that lie among them. */
function isFrame(kind: number): boolean {
  return kind >= 0xc0 && kind <= 0xcf && kind !== 0xc4 && kind !== 0xc8 && kind !== 0xcc;
}

function readFrame(content: Uint8Array, orientation: number): Size | null {
  if (content.length < 6) return null;
  const view = viewOf(content);
  const [height, width] = [view.getUint16(1), view.getUint16(3)];
  if (height === 0 || width === 0) return null;
  return orientation >= TURNED_MIN ? { width: height, height: width } : { width, height };
}

/** The orientation that EXIF's first directory tells, or null. */
function readOrientation(content: Uint8Array): number | null {
  if (latin(content.subarray(0, 6)) !== 'Exif\0\0') return null;
  const view = viewOf(content.subarray(6));
  if (view.byteLength < 8) return null;
  const isLittle = view.getUint16(0) === 0x4949;
  const from = view.getUint32(4, isLittle);
  if (from + 2 > view.byteLength) return null;
  const entries = view.getUint16(from, isLittle);
  for (let entry = 0; entry < entries; entry += 1) {
    const at = from + 2 + entry * 12;
    if (at + 12 > view.byteLength) return null;
    if (view.getUint16(at, isLittle) === ORIENTATION_TAG) return view.getUint16(at + 8, isLittle);
  }
  return null;
}
