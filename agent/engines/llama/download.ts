/**
 * A large file from the web, once: into a part file that a later call goes on with, checked by
 * its SHA-256, then put in its place. What does not fit the hash is removed. Bounded, and never
 * more than the disk has room for, which is looked at first. Tells its progress.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fetch } from 'undici';
import type { Response } from 'undici';
import { DISPATCHER } from '../../dispatcher.ts';

const GIB = 1024 ** 3;
/** Larger than any model that a box without a GPU could run. */
const FILE_BYTES_MAX = 64 * GIB;
/** Left free for the results of jobs. */
const RESERVE_BYTES = GIB;

export interface Download {
  readonly url: URL;
  readonly sha256: string;
  readonly path: string;
  readonly signal: AbortSignal;
  /** `total` is null when the server does not say. */
  readonly onProgress: (bytes: number, total: number | null) => void;
  /** Of the disk that holds a folder; given in tests. */
  readonly freeBytes?: (folder: string) => Promise<number>;
}

/** What the address has is another file: to ask again would bring the same. */
export class WrongFile extends Error {}

/** The disk is too small for it now. */
export class NoRoom extends Error {
  constructor(bytes: number | null, { free, folder }: { free: number; folder: string }) {
    const size = bytes === null ? 'more than there is room for' : toGib(bytes);
    const help = `make room, or set TESSERA_DATA to a folder of another disk`;
    super(`the file has ${size}, ${folder} has ${toGib(free)} free, 1 GiB of it is kept: ${help}`);
  }
}

/** Whether it is there already. */
export async function isThere(path: string): Promise<boolean> {
  return (await sizeOf(path)) > 0;
}

/** Resolves when the file is whole and in its place; rejects otherwise, and may be called again. */
export async function download(wanted: Download): Promise<void> {
  const { url, sha256, path } = wanted;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const part = `${path}.part`;
  const had = await sizeOf(part);
  let hash = await fetchInto(part, had, wanted);
  if (hash !== sha256 && had > 0) {
    // What an earlier call left was damaged, or of another file: that is not the server's fault.
    await rm(part);
    hash = await fetchInto(part, 0, wanted);
  }
  if (hash !== sha256) {
    await rm(part);
    const help = 'correct TESSERA_LLAMA_SHA256 or TESSERA_LLAMA_MODEL';
    throw new WrongFile(`${url.host} sent a file with the SHA-256 ${hash}, not ${sha256}: ${help}`);
  }
  await rename(part, path);
}

/** Adds to the part what it lacks; answers the hash of all of it. */
async function fetchInto(part: string, had: number, wanted: Download): Promise<string> {
  const { url, signal, onProgress } = wanted;
  // As it is: the length is then that of the file.
  const headers = { 'accept-encoding': 'identity', ...(had > 0 && { range: `bytes=${had}-` }) };
  const response = await ask(url, { headers, signal });
  try {
    // Nothing is left to send: what is here is whole, or wrong.
    if (response.status === 416 && had > 0) return await hashOf(part);
    if (!response.ok || !response.body) {
      throw new Error(`${url.host}: HTTP ${response.status}: correct TESSERA_LLAMA_MODEL`);
    }
    const from = startOf(response, had);
    const length = Number(response.headers.get('content-length'));
    const total = length > 0 ? from + length : null;
    const room = await roomFor(total, { from, had, wanted });
    let bytes = from;
    const count = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        onProgress(bytes, total);
        done(bytes > room.bytesMax ? room.fault : null, chunk);
      },
    });
    const flags = from > 0 ? 'a' : 'w';
    const file = createWriteStream(part, { flags, mode: 0o600, flush: true });
    await pipeline(response.body, count, file, { signal });
  } finally {
    // One that was not read to its end would keep its connection.
    if (response.body && !response.bodyUsed) await response.body.cancel();
  }
  return hashOf(part);
}

async function ask(url: URL, init: Parameters<typeof fetch>[1]): Promise<Response> {
  try {
    return await fetch(url, { ...init, dispatcher: DISPATCHER });
  } catch (error) {
    // "fetch failed" alone helps nobody: why, is in its cause.
    const { cause, message } = error as Error;
    throw new Error(`${url.host}: ${cause instanceof Error ? cause.message : message}`, { cause });
  }
}

/** Where in the file an answer begins: it may go on, or be the whole anew. */
function startOf(response: Response, had: number): number {
  if (response.status !== 206) return 0;
  const range = response.headers.get('content-range');
  if (range === null || range.startsWith(`bytes ${had}-`)) return had;
  throw new Error(`asked for what follows ${had} bytes, got ${range}`);
}

/** How large the part may become, and what is wrong when it becomes larger. */
async function roomFor(
  total: number | null,
  { from, had, wanted }: { readonly from: number; readonly had: number; readonly wanted: Download },
): Promise<{ readonly bytesMax: number; readonly fault: Error }> {
  const { url, path, freeBytes = freeBytesOf } = wanted;
  const folder = dirname(path);
  const limit = `more than ${FILE_BYTES_MAX / GIB} GiB`;
  const large = new WrongFile(`${url.host} has ${limit} there: correct TESSERA_LLAMA_MODEL`);
  if (total !== null && total > FILE_BYTES_MAX) throw large;
  // A part that is begun anew makes room first.
  const free = (await freeBytes(folder)) + (from === 0 ? had : 0);
  const bytesMax = Math.max(0, from + free - RESERVE_BYTES);
  const fault = new NoRoom(total, { free, folder });
  if (total !== null && total > bytesMax) throw fault;
  if (total !== null) return { bytesMax: total, fault: new Error(`${url.host} sent too much`) };
  return bytesMax < FILE_BYTES_MAX
    ? { bytesMax, fault }
    : { bytesMax: FILE_BYTES_MAX, fault: large };
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

function toGib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    // Not there.
    return 0;
  }
}

const BAR_CHARS = 30;
const MIB = 1024 * 1024;

/** A line that shows how far a download is. */
export function barOf(bytes: number, total: number | null): string {
  const mib = (bytes / MIB).toFixed(0);
  if (total === null) return `${mib} MiB`;
  const share = Math.min(1, bytes / total);
  const full = Math.round(share * BAR_CHARS);
  const bar = '#'.repeat(full) + '.'.repeat(BAR_CHARS - full);
  return `[${bar}] ${Math.floor(share * 100)} % of ${(total / MIB).toFixed(0)} MiB`;
}
