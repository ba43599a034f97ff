/** Length and SHA-256 of files, and of parts of them, by way of one small buffer. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

const BUFFER_BYTES = 256 * 1024;

export interface FileDigest {
  readonly bytes: number;
  readonly sha256: string;
}

/** A part of a file: `bytes` from `start`. */
export interface FileRange {
  readonly start: number;
  readonly bytes: number;
}

/** Length and SHA-256 (lower-case hex) of a file; rejects when it cannot be read. */
export async function digestFile(
  path: string,
  { signal, range }: { signal?: AbortSignal; range?: FileRange } = {},
): Promise<FileDigest> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  const { start, bytes: wanted } = range ?? { start: 0, bytes: Infinity };
  let bytes = 0;
  const file = await open(path, 'r');
  try {
    while (bytes < wanted) {
      signal?.throwIfAborted();
      const length = Math.min(BUFFER_BYTES, wanted - bytes);
      const { bytesRead } = await file.read(buffer, 0, length, start + bytes);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  } finally {
    await file.close();
  }
  return { bytes, sha256: hash.digest('hex') };
}
