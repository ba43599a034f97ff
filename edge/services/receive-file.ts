/**
 * Keeps an input file that comes as a stream of known length. A small one is read whole; a larger
 * one goes to R2 as it comes, under a name of its own, is inspected there by parts, and gets its
 * place only when it is found good: an isolate has no room for a long recording.
 */
import { FILE_BUFFER_BYTES_MAX, FILE_IMAGE_BYTES_MAX } from '#schema/limits.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import { SNIFF_BYTES } from '../core/file/sniff.ts';
import { purposeOf } from '#schema/file.ts';
import type { Env } from '../env.ts';
import { makeFileId } from '../io/id.ts';
import { openSource, putHashed } from '../io/r2.ts';
import { bytesMaxOf, checkType, inspectFile } from './inspect-file.ts';
import type { FileRefusal } from './inspect-file.ts';
import { describeFile, inPlace, keepFile, storeFile } from './store-file.ts';
import type { FileOffer, StoredFile } from './store-file.ts';

/** Where a stream is kept until it is inspected; the sweep deletes what was left. */
export const ARRIVAL_PREFIX = 'arrival/';

export type ReceiveRefusal = FileRefusal | { readonly reason: 'body_cut_short' };

/** As `storeFile`; the stream is read to its end, or cancelled. */
export async function receiveFile(
  env: Env,
  offer: FileOffer & { readonly body: ReadableStream<Uint8Array>; readonly bytes: number },
  now: number,
): Promise<Result<StoredFile, ReceiveRefusal>> {
  const { body, bytes, purpose } = offer;
  const reader = body.getReader();
  const head = await readHead(reader);
  const type = checkType(head, purpose);
  const limit = type.ok ? bytesMaxOf(purposeOf(type.value)) : 0;
  if (!type.ok || bytes > limit) {
    await reader.cancel();
    return type.ok ? fail({ reason: 'file_too_large', limit, value: bytes }) : type;
  }
  const isPicture = purposeOf(type.value) === 'image';
  if (isPicture || bytes <= FILE_BUFFER_BYTES_MAX) {
    const whole = await readWhole(reader, { head, bytes });
    if (!whole) return fail({ reason: 'body_cut_short' });
    return storeFile(env, { ...offer, body: whole }, now);
  }
  return storeStream(env, { ...offer, body: resume(reader, head) }, now);
}

async function storeStream(
  env: Env,
  offer: Parameters<typeof receiveFile>[1],
  now: number,
): Promise<Result<StoredFile, ReceiveRefusal>> {
  const { accountId, body, bytes } = offer;
  const id = makeFileId(now);
  const kept = await inPlace(env, { accountId, id, bytes, now }, () => keepStream(env, offer, id));
  if (!kept.ok && kept.error.reason === 'too_many_files') await body.cancel();
  return kept;
}

async function keepStream(
  env: Env,
  { accountId, purpose, name, body, bytes }: Parameters<typeof receiveFile>[1],
  id: string,
): Promise<Result<StoredFile, ReceiveRefusal>> {
  const key = `${ARRIVAL_PREFIX}${id}`;
  const put = await putHashed(env.artifacts, { key, body, bytes });
  if (!put.ok) return fail({ reason: 'body_cut_short' });
  try {
    const facts = await inspectFile(openSource(env.artifacts, { key, bytes }), purpose);
    if (!facts.ok) return facts;
    const file = describeFile({ ...facts.value, id, name, bytes, sha256: put.value });
    const arrived = await env.artifacts.get(key);
    if (!arrived) return fail({ reason: 'body_cut_short' });
    await keepFile(env, { accountId, file, body: arrived.body });
    return ok(file);
  } finally {
    await env.artifacts.delete(key);
  }
}

type Reader = ReadableStreamDefaultReader<Uint8Array>;

/** The first chunks, as many as tell the type. */
async function readHead(reader: Reader): Promise<Uint8Array> {
  let head = new Uint8Array();
  while (head.length < SNIFF_BYTES) {
    const { done, value } = await reader.read();
    if (done) break;
    head = concat(head, value);
  }
  return head;
}

/** The whole of it, or null when it is not as long as was said. */
async function readWhole(
  reader: Reader,
  { head, bytes }: { head: Uint8Array; bytes: number },
): Promise<Uint8Array | null> {
  const whole = new Uint8Array(Math.min(bytes, FILE_IMAGE_BYTES_MAX));
  let at = 0;
  for (let chunk: Uint8Array | undefined = head; chunk;) {
    if (at + chunk.length > whole.length) {
      await reader.cancel();
      return null;
    }
    whole.set(chunk, at);
    at += chunk.length;
    const next: ReadableStreamReadResult<Uint8Array> = await reader.read();
    chunk = next.done ? undefined : next.value;
  }
  return at === whole.length ? whole : null;
}

/** The stream again from its start. */
function resume(reader: Reader, head: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: (controller) => controller.enqueue(head),
    pull: async (controller) => {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
