/**
 * Sends one large file in parts, one after the other: begin, every part, finish. Where it broke
 * off, the next try goes on by the receipt (receipt.ts), be it in another process. Parts that
 * make no file, for whatever reason, are begun anew, once in a try. Never holds a part in memory.
 */
import { createReadStream } from 'node:fs';
import type { BeginUploadBody, UploadAnswer } from '#schema/agent-protocol.ts';
import type { ContentType } from '#schema/artifact.ts';
import { assert } from '#schema/assert.ts';
import { digestFile } from './digest.ts';
import type { FileDigest } from './digest.ts';
import type { EdgeClient, Result } from './edge-client.ts';
import { readReceipt, removeReceipt, writeReceipt } from './receipt.ts';
import type { Receipt } from './receipt.ts';
import type { Grant, UploadFailure } from './session/state.ts';

export interface LargeUpload {
  readonly edge: Pick<EdgeClient, 'beginUpload' | 'uploadPart' | 'finishUpload'>;
  readonly grant: Grant;
  readonly index: number;
  readonly path: string;
  readonly contentType: ContentType;
  readonly signal: AbortSignal;
}

/** The file as the edge has it, or why it has not; rejects when the file cannot be read. */
export async function sendInParts(
  upload: LargeUpload,
): Promise<Result<UploadAnswer, UploadFailure>> {
  const kept = await readReceipt(upload.path);
  if (kept?.answer) return { ok: true, value: kept.answer };
  const sent = kept ? await sendRest(upload, kept) : null;
  if (sent && !isSpoilt(sent)) return sent;
  const begun = await begin(upload);
  if (!begun.ok) return begun;
  const again = await sendRest(upload, begun.value);
  if (!isSpoilt(again)) return again;
  return { ok: false, failure: { ...again.failure, reason: 'malformed' } };
}

/** A failure after which nothing that was sent is of use. */
type Spoilt = { readonly ok: false; readonly failure: UploadFailure; readonly spoilt: true };
type Sent = Result<UploadAnswer, UploadFailure> | Spoilt;

function isSpoilt(sent: Sent): sent is Spoilt {
  return 'spoilt' in sent;
}

async function begin(upload: LargeUpload): Promise<Result<Receipt, UploadFailure>> {
  const { edge, path, signal } = upload;
  const digest = await digestFile(path, { signal });
  const begun = await edge.beginUpload(bodyOf(upload, digest), signal);
  if (!begun.ok) return begun;
  const receipt: Receipt = { version: 1, ...digest, ...begun.value, etags: [], answer: null };
  await note(path, receipt);
  return { ok: true, value: receipt };
}

/** Every part that is not there yet, then the whole. */
async function sendRest(upload: LargeUpload, from: Receipt): Promise<Sent> {
  const { path, edge, signal } = upload;
  let receipt = from;
  const { bytes, partBytes, uploadId } = receipt;
  for (let start = receipt.etags.length * partBytes; start < bytes; start += partBytes) {
    const part = await sendPart(upload, receipt, start);
    if (!part.ok) return judge(upload, part.failure, ['upload_lost']);
    receipt = { ...receipt, etags: [...receipt.etags, part.value.etag] };
    await note(path, receipt);
  }
  const { sha256, etags } = receipt;
  const whole = bodyOf(upload, { bytes, sha256 });
  const made = await edge.finishUpload({ ...whole, uploadId, etags }, signal);
  if (!made.ok) return judge(upload, made.failure, ['upload_lost', 'hash_mismatch']);
  const confirmed = confirm(made, receipt);
  if (confirmed.ok) await note(path, { ...receipt, answer: confirmed.value });
  return confirmed;
}

/** The answer, if it is of the file that was sent. */
export function confirm(
  result: Result<UploadAnswer, UploadFailure>,
  sent: FileDigest,
): Result<UploadAnswer, UploadFailure> {
  if (!result.ok) return result;
  const { bytes, sha256, key } = result.value;
  if (bytes === sent.bytes && sha256 === sent.sha256) return result;
  const detail = `${key} was stored otherwise`;
  return { ok: false, failure: { reason: 'malformed', detail, retryAfterMs: null } };
}

async function sendPart(upload: LargeUpload, receipt: Receipt, start: number) {
  const { edge, grant, index, path, contentType, signal } = upload;
  const { uploadId, partBytes } = receipt;
  const range = { start, bytes: Math.min(partBytes, receipt.bytes - start) };
  const digest = await digestFile(path, { signal, range });
  assert(digest.bytes === range.bytes, 'a file stays as long as it was');
  const end = start + range.bytes - 1;
  const open = () => createReadStream(path, { start, end, signal });
  const number = start / partBytes + 1;
  const part = { grant, index, contentType, uploadId, number, ...digest, open };
  return edge.uploadPart(part, signal);
}

async function judge(
  { path }: LargeUpload,
  failure: UploadFailure,
  fatal: readonly string[],
): Promise<Sent> {
  const spoilt = failure.reason === 'refused' && fatal.includes(failure.code);
  if (!spoilt) return { ok: false, failure };
  await removeReceipt(path);
  return { ok: false, failure, spoilt };
}

async function note(path: string, receipt: Receipt): Promise<void> {
  try {
    await writeReceipt(path, receipt);
  } catch {
    // A full disk, most likely: the upload goes on, and frees it; a crash now costs sending again.
  }
}

function bodyOf(
  { grant, index, contentType }: LargeUpload,
  { bytes, sha256 }: FileDigest,
): BeginUploadBody {
  const { jobId, fencingToken, uploadTicket } = grant;
  return { jobId, fencingToken, uploadTicket, index, contentType, bytes, sha256 };
}
