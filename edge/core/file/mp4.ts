/**
 * How long the sound of an MP4 plays (ISO 14496-12): as its header says, or, as browsers record
 * it in parts without, by the time of its last part. Pure; reads the header and the tail.
 */
import { latin } from './sniff.ts';
import { inMemory, viewOf } from './source.ts';
import type { Source } from './source.ts';

/** Boxes that are stepped over: more is no file that anybody recorded. */
const STEPS_MAX = 200;
/** The header of hours of sound: a table of its samples. */
const HEADER_BYTES_MAX = 4 * 1024 * 1024;
/** The last part begins within these: a part has a few seconds of sound. */
const TAIL_BYTES = 1024 * 1024;

interface Span {
  readonly from: number;
  readonly end: number;
}

/** Seconds; null where no length can be told. */
export async function mp4Seconds(source: Source): Promise<number | null> {
  const movie = await findBox(source, 'moov', { from: 0, end: source.size });
  if (!movie) return null;
  const bytes = movie.end - movie.from;
  if (bytes > HEADER_BYTES_MAX) return null;
  const header = inMemory(await source.read(movie.from, bytes));
  const told = await timeOf(header, 'mvhd', whole(header));
  if (!told) return null;
  return told.length > 0 ? told.length / told.scale : partsSeconds(source, header);
}

/** By the end of the last part of the track of sound. */
async function partsSeconds(source: Source, header: Source): Promise<number | null> {
  const track = await findSound(header);
  const from = Math.max(0, source.size - TAIL_BYTES);
  const tail = await source.read(from, TAIL_BYTES);
  const part = track && lastPart(tail);
  if (!part) return null;
  const inTail = inMemory(tail);
  for await (const box of boxesNamed(inTail, 'traf', part)) {
    const end = await endOf(inTail, box, track);
    if (end !== null) return end / track.scale;
  }
  return null;
}

interface Track {
  readonly id: number;
  readonly scale: number;
  /** Of one sample, where a part does not say. */
  readonly usual: number;
}

async function findSound(header: Source): Promise<Track | null> {
  for await (const box of boxesNamed(header, 'trak', whole(header))) {
    const media = await findBox(header, 'mdia', box);
    const kind = media && (await open(header, 'hdlr', media));
    if (!kind || latin(kind.subarray(8, 12)) !== 'soun') continue;
    const head = await open(header, 'tkhd', box);
    const time = await timeOf(header, 'mdhd', media);
    if (!head || head.length < 24 || !time) return null;
    const id = viewOf(head).getUint32(head[0] === 1 ? 20 : 12);
    return { id, scale: time.scale, usual: await usualOf(header, id) };
  }
  return null;
}

async function usualOf(header: Source, id: number): Promise<number> {
  const extension = await findBox(header, 'mvex', whole(header));
  if (!extension) return 0;
  for await (const box of boxesNamed(header, 'trex', extension)) {
    const bytes = await header.read(box.from, 16);
    if (bytes.length === 16 && viewOf(bytes).getUint32(4) === id)
      return viewOf(bytes).getUint32(12);
  }
  return 0;
}

/** When a part of the track ends, in its own ticks; null for a part of another track. */
async function endOf(tail: Source, box: Span, track: Track): Promise<number | null> {
  const head = await open(tail, 'tfhd', box);
  const start = await open(tail, 'tfdt', box);
  if (!head || head.length < 8 || !start || start.length < 8) return null;
  const view = viewOf(head);
  if (view.getUint32(4) !== track.id) return null;
  const flags = view.getUint32(0) & 0xffffff;
  const at = 8 + ((flags & 1) === 0 ? 0 : 8) + ((flags & 2) === 0 ? 0 : 4);
  const usual = (flags & 8) !== 0 && head.length >= at + 4 ? view.getUint32(at) : track.usual;
  const isWide = start[0] === 1 && start.length >= 12;
  let end = isWide ? Number(viewOf(start).getBigUint64(4)) : viewOf(start).getUint32(4);
  for await (const run of boxesNamed(tail, 'trun', box)) end += await lengthOf(tail, run, usual);
  return end;
}

/** Ticks of the samples of one run. */
async function lengthOf(tail: Source, run: Span, usual: number): Promise<number> {
  const bytes = await tail.read(run.from, run.end - run.from);
  if (bytes.length < 8) return 0;
  const view = viewOf(bytes);
  const flags = view.getUint32(0) & 0xffffff;
  const count = view.getUint32(4);
  if ((flags & 0x100) === 0) return count * usual;
  const first = 8 + ((flags & 1) === 0 ? 0 : 4) + ((flags & 4) === 0 ? 0 : 4);
  const optional = [0x100, 0x200, 0x400, 0x800].filter((flag) => (flags & flag) !== 0);
  let ticks = 0;
  for (let at = first; at + 4 <= bytes.length; at += optional.length * 4)
    ticks += view.getUint32(at);
  return ticks;
}

/** The inside of the last part that is whole. */
function lastPart(tail: Uint8Array): Span | null {
  const view = viewOf(tail);
  for (let at = tail.length - 8; at >= 0; at -= 1) {
    // "moof"
    if (tail[at + 4] !== 0x6d || view.getUint32(at + 4) !== 0x6d6f6f66) continue;
    const end = at + view.getUint32(at);
    if (end > at + 8 && end <= tail.length) return { from: at + 8, end };
  }
  return null;
}

/** Ticks a second and ticks in all, of a header of the movie or of a track. */
async function timeOf(
  source: Source,
  name: 'mvhd' | 'mdhd',
  span: Span,
): Promise<{ scale: number; length: number } | null> {
  const bytes = await open(source, name, span);
  if (!bytes || bytes.length < 20) return null;
  const view = viewOf(bytes);
  if (bytes[0] !== 1) return { scale: view.getUint32(12), length: view.getUint32(16) };
  if (bytes.length < 32) return null;
  return { scale: view.getUint32(20), length: Number(view.getBigUint64(24)) };
}

function whole({ size }: Source): Span {
  return { from: 0, end: size };
}

async function open(source: Source, name: string, span: Span): Promise<Uint8Array | null> {
  const box = await findBox(source, name, span);
  return box && source.read(box.from, Math.min(64, box.end - box.from));
}

/** The inside of the first box with this name. */
async function findBox(source: Source, name: string, span: Span): Promise<Span | null> {
  for await (const box of boxesNamed(source, name, span)) return box;
  return null;
}

/** The insides of the boxes with this name, in their order. */
async function* boxesNamed(
  source: Source,
  name: string,
  { from, end }: Span,
): AsyncGenerator<Span, void> {
  let at = from;
  for (let step = 0; step < STEPS_MAX && at + 8 <= end; step += 1) {
    const head = await source.read(at, 16);
    if (head.length < 8) return;
    const view = viewOf(head);
    const short = view.getUint32(0);
    if (short === 1 && head.length < 16) return;
    const bytes = short === 1 ? Number(view.getBigUint64(8)) : short === 0 ? end - at : short;
    if (bytes < 8) return;
    const inside = at + (short === 1 ? 16 : 8);
    if (latin(head.subarray(4, 8)) === name) yield { from: inside, end: at + bytes };
    at += bytes;
  }
}
