/**
 * MP3 as ComfyUI writes it: without the tags before and after its frames (id3.org), and how long
 * it plays, counted frame by frame. Layer III alone.
 */

/** Bits a second / 1000, by index, of MPEG 1 and of MPEG 2. */
const KILOBITS_1 = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320] as const;
const KILOBITS_2 = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160] as const;
const RATES = [44_100, 48_000, 32_000] as const;
const ID3V1_BYTES = 128;

/** Whether the file begins as an MP3 does: with a tag or with a frame. */
export function isMp3(file: Uint8Array): boolean {
  return startsWith(file, 0, 'ID3') || frameAt(file, 0) !== null;
}

/** The frames alone, and their length; throws when there are none. */
export function cleanMp3(file: Uint8Array): { bytes: Uint8Array; durationS: number } {
  let start = 0;
  while (startsWith(file, start, 'ID3')) start += tagBytes(file, start);
  let end = file.length;
  if (startsWith(file, end - ID3V1_BYTES, 'TAG')) end -= ID3V1_BYTES;
  let at = start;
  let durationS = 0;
  for (let frame = frameAt(file, at); frame && at < end; frame = frameAt(file, at)) {
    // The last one may be cut short.
    at += frame.bytes;
    durationS += frame.seconds;
  }
  if (durationS === 0) throw new RangeError('no MP3 frame where one must be');
  return { bytes: file.subarray(start, Math.min(at, end)), durationS };
}

function startsWith(file: Uint8Array, at: number, tag: string): boolean {
  return at >= 0 && String.fromCharCode(...file.subarray(at, at + tag.length)) === tag;
}

/** Ten bytes, and as many as four bytes of seven bits say. */
function tagBytes(file: Uint8Array, at: number): number {
  const size = file.subarray(at + 6, at + 10).reduce((sum, byte) => sum * 128 + (byte & 0x7f), 0);
  return 10 + size + ((file[at + 5] ?? 0) & 0x10 ? 10 : 0);
}

function frameAt(file: Uint8Array, at: number): { bytes: number; seconds: number } | null {
  const [sync, kind, how] = file.subarray(at, at + 3);
  if (sync !== 0xff || kind === undefined || how === undefined) return null;
  if ((kind & 0xe6) !== 0xe2) return null;
  const version = (kind >> 3) & 3;
  const rate = RATES[(how >> 2) & 3];
  const kilobits = (version === 3 ? KILOBITS_1 : KILOBITS_2)[how >> 4];
  if (version === 1 || rate === undefined || !kilobits) return null;
  const perSecond = version === 3 ? rate : version === 2 ? rate / 2 : rate / 4;
  const samples = version === 3 ? 1152 : 576;
  const padding = (how >> 1) & 1;
  const bytes = Math.floor((samples / 8) * ((kilobits * 1000) / perSecond)) + padding;
  return { bytes, seconds: samples / perSecond };
}
