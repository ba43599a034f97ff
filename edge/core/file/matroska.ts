/**
 * How long a WebM plays (RFC 9559): as its header says, or, as browsers record it without, by
 * the time of its last block. Pure; reads the head and the tail.
 */
import { latin } from './sniff.ts';
import type { Source } from './source.ts';
import { viewOf } from './source.ts';

const HEAD_BYTES = 64 * 1024;
/** The last cluster begins within these: a cluster has half a minute of sound at most. */
const TAIL_BYTES = 1024 * 1024;
/** Elements that are stepped over: blocks of a cluster, each at least some milliseconds. */
const STEPS_MAX = 100_000;

const ID = {
  header: 0x1a45dfa3,
  segment: 0x18538067,
  info: 0x1549a966,
  scale: 0x2ad7b1,
  duration: 0x4489,
  cluster: 0x1f43b675,
  time: 0xe7,
  block: 0xa3,
  group: 0xa0,
} as const;
const CLUSTER_MARK = '\u001fC\u00b6u';

interface Element {
  readonly id: number;
  /** Where its content begins. */
  readonly from: number;
  /** Behind its content; the end of all for one of unknown size. */
  readonly end: number;
}

/** Seconds; null where no length can be told. */
export async function webmSeconds(source: Source): Promise<number | null> {
  const head = await source.read(0, HEAD_BYTES);
  const ebml = readElement(head, 0);
  const segment = ebml?.id === ID.header ? readElement(head, ebml.end) : null;
  if (segment?.id !== ID.segment) return null;
  const info = find(head, { id: ID.info, from: segment.from, end: segment.end });
  if (!info) return null;
  const scale = find(head, { ...info, id: ID.scale });
  const scaleNs = scale ? unsigned(head, scale) : 1_000_000;
  const duration = find(head, { ...info, id: ID.duration });
  const ticks = duration ? float(head, duration) : await lastTick(source);
  return ticks === null ? null : (ticks * scaleNs) / 1e9;
}

/** When the last block of the last cluster begins, in ticks. */
async function lastTick(source: Source): Promise<number | null> {
  const tail = await source.read(Math.max(0, source.size - TAIL_BYTES), TAIL_BYTES);
  const at = lastMark(tail);
  const cluster = at === null ? null : readElement(tail, at);
  if (!cluster) return null;
  let start = 0;
  let last = 0;
  let position = cluster.from;
  for (let step = 0; step < STEPS_MAX; step += 1) {
    const element = readElement(tail, position);
    if (!element) break;
    if (element.id === ID.time) start = unsigned(tail, element);
    const inGroup = element.id === ID.group ? readElement(tail, element.from) : null;
    const block = element.id === ID.block ? element : inGroup;
    // A track's number in one byte, then the time since the cluster's.
    if (block && block.from + 3 <= tail.length) {
      last = Math.max(last, viewOf(tail).getInt16(block.from + 1));
    }
    position = element.end;
  }
  return start + last;
}

function lastMark(bytes: Uint8Array): number | null {
  for (let at = bytes.length - 4; at >= 0; at -= 1) {
    if (bytes[at] === 0x1f && latin(bytes.subarray(at, at + 4)) === CLUSTER_MARK) return at;
  }
  return null;
}

/** The first element with this id between two places. */
function find(
  bytes: Uint8Array,
  { id, from, end }: { id: number; from: number; end: number },
): Element | null {
  let at = from;
  for (let step = 0; step < STEPS_MAX && at < end; step += 1) {
    const element = readElement(bytes, at);
    if (!element || element.id === id) return element;
    at = element.end;
  }
  return null;
}

/** The element whose head lies here; its content may lie behind what was read. */
function readElement(bytes: Uint8Array, at: number): Element | null {
  const id = readNumber(bytes, at, true);
  const size = id && readNumber(bytes, at + id.length, false);
  if (!size) return null;
  const from = at + id.length + size.length;
  const isOpen = size.value === 2 ** (7 * size.length) - 1;
  return { id: id.value, from, end: isOpen ? Number.MAX_SAFE_INTEGER : from + size.value };
}

/** A number whose first byte tells its length; an id keeps the bit that does. */
function readNumber(
  bytes: Uint8Array,
  at: number,
  keepsMark: boolean,
): { value: number; length: number } | null {
  const first = bytes[at];
  if (!first) return null;
  const length = Math.clz32(first) - 23;
  if (at + length > bytes.length) return null;
  let value = keepsMark ? first : first & (0xff >> length);
  for (let index = 1; index < length; index += 1) value = value * 256 + bytes[at + index]!;
  return { value, length };
}

function unsigned(bytes: Uint8Array, { from, end }: Element): number {
  let value = 0;
  for (const byte of bytes.subarray(from, Math.min(end, from + 8))) value = value * 256 + byte;
  return value;
}

function float(bytes: Uint8Array, { from, end }: Element): number | null {
  if (from + 8 > bytes.length) return null;
  return end - from === 4 ? viewOf(bytes).getFloat32(from) : viewOf(bytes).getFloat64(from);
}
