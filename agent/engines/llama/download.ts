/**
 * A large file from the web, once: into a part file that a later call goes on with, checked by
 * its SHA-256, then put in its place. What does not fit the hash is removed. Tells its progress.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fetch } from 'undici';

export interface Download {
  readonly url: URL;
  readonly sha256: string;
  readonly path: string;
  readonly signal: AbortSignal;
  /** `total` is null when the server does not say. */
  readonly onProgress: (bytes: number, total: number | null) => void;
}

/** What the address has is another file: to ask again would bring the same. */
export class WrongFile extends Error {}

/** Whether it is there already. */
export async function isThere(path: string): Promise<boolean> {
  return (await sizeOf(path)) > 0;
}

/** Resolves when the file is whole and in its place; rejects otherwise, and may be called again. */
export async function download(wanted: Download): Promise<void> {
  const { url, sha256, path, signal, onProgress } = wanted;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const part = `${path}.part`;
  const had = await sizeOf(part);
  const headers = had > 0 ? { range: `bytes=${had}-` } : {};
  const response = await fetch(url, { headers, signal });
  // Nothing is left to send: what is here is whole, or wrong.
  if (response.status !== 416) {
    const goesOn = response.status === 206;
    if (!response.ok || !response.body) throw new Error(`${url.host}: HTTP ${response.status}`);
    let bytes = goesOn ? had : 0;
    const length = Number(response.headers.get('content-length'));
    const total = length > 0 ? bytes + length : null;
    const count = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        onProgress(bytes, total);
        done(null, chunk);
      },
    });
    const file = createWriteStream(part, { flags: goesOn ? 'a' : 'w', mode: 0o600 });
    await pipeline(response.body, count, file, { signal });
  }
  const hash = await hashOf(part);
  if (hash !== sha256) {
    await rm(part);
    throw new WrongFile(`${url.host} sent a file with the SHA-256 ${hash}, not ${sha256}`);
  }
  await rename(part, path);
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
