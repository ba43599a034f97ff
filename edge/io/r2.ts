/**
 * Results in R2. Keys are made by `artifactKey`; R2 itself checks the SHA-256 of what is put, so
 * that an object under a key is whole or absent. Of a large object, put in parts, it checks none:
 * each part is checked here while it passes, and the whole by reading it back.
 */
import type { ContentType } from '#schema/artifact.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Source } from '../core/file/source.ts';
import { logWarn } from './log.ts';
import { toHex } from './token.ts';

/** Keys that R2 deletes in one call. */
export const DELETE_KEYS_MAX = 1000;

/** R2's error number for a checksum that does not fit; it gives no other sign. */
const CHECKSUM_MISMATCH = '(10037)';
const RANGE_OUTSIDE = '(10039)';
/** Of an upload in parts: it is not there (any more), or a part is not, or they differ in size. */
const NO_SUCH_UPLOAD = '(10024)';
const UPLOAD_UNSOUND = [NO_SUCH_UPLOAD, '(10011)', '(10025)', '(10048)'];
/** A fault of R2's own; also of an upload whose id it does not know under this key. */
const INTERNAL = '(10001)';

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

/** Of each of the two buffers that a part passes through. */
const COPY_BUFFER_BYTES = 64 * 1024;

/** An upload in parts of one object. */
export interface UploadRef {
  readonly key: string;
  readonly uploadId: string;
}

export type UploadLost = { readonly reason: 'upload_lost' };
/** Whether the upload is there was not to be learned. */
export type StorageAway = { readonly reason: 'storage_away' };

/** Begins an upload in parts; gives its id. */
export async function createUpload(
  bucket: R2Bucket,
  { key, contentType }: { key: string; contentType: ContentType },
): Promise<string> {
  const upload = await bucket.createMultipartUpload(key, { httpMetadata: { contentType } });
  return upload.uploadId;
}

/**
 * Puts one part, whose length and hash are known beforehand; gives its entity tag. The last of
 * its bytes are held back until the hash is known, so that a part with another is not stored.
 */
export async function putPart(
  bucket: R2Bucket,
  part: UploadRef & { number: number; body: ReadableStream; bytes: number; sha256: string },
): Promise<Result<string, { reason: 'hash_mismatch' } | UploadLost>> {
  const fixed = new FixedLengthStream(part.bytes);
  let fits = true;
  const copied = copyChecked(part.body, fixed.writable, (sha256) => {
    fits = sha256 === part.sha256;
    return fits;
  });
  // A broken upload fails `uploadPart` too; without this the same failure would also float.
  copied.catch(() => {});
  try {
    const upload = bucket.resumeMultipartUpload(part.key, part.uploadId);
    return ok((await upload.uploadPart(part.number, fixed.readable)).etag);
  } catch (error) {
    if (!fits) return fail({ reason: 'hash_mismatch' });
    if (saysR2(error, NO_SUCH_UPLOAD)) return fail({ reason: 'upload_lost' });
    throw error;
  }
}

/**
 * Copies a stream of bytes by way of two buffers, whatever its length; its last bytes only if
 * `accept` takes the SHA-256 of all.
 */
async function copyChecked(
  from: ReadableStream,
  to: WritableStream,
  accept: (sha256: string) => boolean,
): Promise<void> {
  const digest = new crypto.DigestStream('SHA-256');
  // Of a stream that breaks, nobody asks for the digest.
  digest.digest.catch(() => {});
  const hash = digest.getWriter();
  const writer = to.getWriter();
  const reader = from.getReader({ mode: 'byob' });
  try {
    let held: Uint8Array | null = null;
    let buffer = new ArrayBuffer(COPY_BUFFER_BYTES);
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(buffer));
      if (done) break;
      await hash.write(value);
      if (held) await writer.write(held);
      // What was written has been taken: its buffer is free again.
      buffer = held ? (held.buffer as ArrayBuffer) : new ArrayBuffer(COPY_BUFFER_BYTES);
      held = value;
    }
    await hash.close();
    if (!accept(toHex(await digest.digest))) throw new Error('the bytes have another hash');
    if (held) await writer.write(held);
    await writer.close();
  } catch (error) {
    await Promise.allSettled([writer.abort(error), hash.abort(error), reader.cancel(error)]);
    throw error;
  }
}

/**
 * Makes the object of its parts, whose entity tags are given in order. To be repeated: fails with
 * `upload_lost` also when the object was made before.
 */
export async function completeUpload(
  bucket: R2Bucket,
  { key, uploadId }: UploadRef,
  etags: readonly string[],
): Promise<Result<null, UploadLost | StorageAway>> {
  try {
    const parts = etags.map((etag, index) => ({ partNumber: index + 1, etag }));
    await bucket.resumeMultipartUpload(key, uploadId).complete(parts);
    return ok(null);
  } catch (error) {
    if (UPLOAD_UNSOUND.some((number) => saysR2(error, number))) {
      return fail({ reason: 'upload_lost' });
    }
    if (saysR2(error, INTERNAL)) return fail({ reason: 'storage_away' });
    throw error;
  }
}

/**
 * Gives an upload up; one that R2 does not know is given up already. One that it cannot give up
 * now is logged and holds up nothing: R2's own rule ends it.
 */
export async function abortUpload(bucket: R2Bucket, { key, uploadId }: UploadRef): Promise<void> {
  try {
    await bucket.resumeMultipartUpload(key, uploadId).abort();
  } catch (error) {
    if (saysR2(error, NO_SUCH_UPLOAD) || saysR2(error, INTERNAL)) return;
    logWarn('upload.abort', { key, detail: String(error) });
  }
}

/** Reads an object to its end; null when there is none. Never holds it. */
export async function hashObject(
  bucket: R2Bucket,
  key: string,
): Promise<{ bytes: number; sha256: string } | null> {
  const object = await bucket.get(key);
  if (!object) return null;
  const digest = new crypto.DigestStream('SHA-256');
  digest.digest.catch(() => {});
  await object.body.pipeTo(digest);
  return { bytes: object.size, sha256: toHex(await digest.digest) };
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
