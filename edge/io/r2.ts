/**
 * Results in R2. Keys are made by `artifactKey`; R2 itself checks the SHA-256 of what is put, so
 * that an object under a key is whole or absent.
 */
import type { ContentType } from '#schema/artifact.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Source } from '../core/file/source.ts';
import { toHex } from './token.ts';

/** Keys that R2 deletes in one call. */
export const DELETE_KEYS_MAX = 1000;

/** R2's error number for a checksum that does not fit; it gives no other sign. */
const CHECKSUM_MISMATCH = '(10037)';
const RANGE_OUTSIDE = '(10039)';

/** Stores an object whose length and hash are known beforehand. */
export async function putObject(
  bucket: R2Bucket,
  object: {
    key: string;
    body: ReadableStream;
    bytes: number;
    sha256: string;
    contentType: ContentType;
  },
): Promise<Result<null, { reason: 'hash_mismatch' }>> {
  const fixed = new FixedLengthStream(object.bytes);
  const piped = object.body.pipeTo(fixed.writable);
  // A broken upload fails `put` too; without this the same failure would also float.
  piped.catch(() => {});
  try {
    await bucket.put(object.key, fixed.readable, {
      sha256: object.sha256,
      httpMetadata: { contentType: object.contentType },
    });
  } catch (error) {
    if (saysR2(error, CHECKSUM_MISMATCH)) return fail({ reason: 'hash_mismatch' });
    throw error;
  }
  return ok(null);
}

/**
 * Stores an object whose length is known and whose hash is not; answers the hash. Fails when the
 * body ends too soon or goes on too long; nothing is stored then.
 */
export async function putHashed(
  bucket: R2Bucket,
  object: { key: string; body: ReadableStream<Uint8Array>; bytes: number },
): Promise<Result<string, { reason: 'length_mismatch' }>> {
  const fixed = new FixedLengthStream(object.bytes);
  const digest = new crypto.DigestStream('SHA-256');
  const writer = digest.getWriter();
  let seen = 0;
  let ended = false;
  const hashing = new TransformStream<Uint8Array, Uint8Array>({
    transform: async (chunk, controller) => {
      seen += chunk.length;
      await writer.write(chunk);
      controller.enqueue(chunk);
    },
    flush: async () => {
      ended = true;
      await writer.close();
    },
  });
  const piped = object.body.pipeThrough(hashing).pipeTo(fixed.writable);
  // What becomes of the put says it all; without this the same failure would also float.
  piped.catch(() => {});
  digest.digest.catch(() => {});
  try {
    await bucket.put(object.key, fixed.readable);
  } catch (error) {
    if (seen > object.bytes || (ended && seen < object.bytes)) {
      return fail({ reason: 'length_mismatch' });
    }
    throw error;
  }
  await piped;
  return ok(toHex(await digest.digest));
}

/** An object as a file that is read by parts. */
export function openSource(
  bucket: R2Bucket,
  { key, bytes }: { key: string; bytes: number },
): Source {
  return {
    size: bytes,
    read: async (offset, asked) => {
      const length = Math.min(asked, bytes - offset);
      if (length <= 0) return new Uint8Array();
      const part = await bucket.get(key, { range: { offset, length } });
      return part ? new Uint8Array(await part.arrayBuffer()) : new Uint8Array();
    },
  };
}

/** A byte range as asked for, before the object's size is known. */
export type ByteRange = { offset: number; length?: number } | { suffix: number };

export type Fetched =
  | { readonly kind: 'body'; readonly object: R2ObjectBody }
  | { readonly kind: 'unchanged'; readonly object: R2Object }
  | { readonly kind: 'outside'; readonly bytes: number }
  | { readonly kind: 'missing' };

/** Opens an object, or the part of it that `range` names, unless its ETag is `ifNoneMatch`. */
export async function getObject(
  bucket: R2Bucket,
  key: string,
  options: { range: ByteRange | null; ifNoneMatch: string | null },
): Promise<Fetched> {
  const headers = new Headers();
  if (options.ifNoneMatch !== null) headers.set('if-none-match', options.ifNoneMatch);
  try {
    const object = await bucket.get(key, {
      onlyIf: headers,
      ...(options.range ? { range: options.range } : {}),
    });
    if (!object) return { kind: 'missing' };
    return 'body' in object ? { kind: 'body', object } : { kind: 'unchanged', object };
  } catch (error) {
    if (!saysR2(error, RANGE_OUTSIDE)) throw error;
    const object = await bucket.head(key);
    return object ? { kind: 'outside', bytes: object.size } : { kind: 'missing' };
  }
}

function saysR2(error: unknown, number: string): boolean {
  return error instanceof Error && error.message.includes(number);
}
