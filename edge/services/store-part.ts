/**
 * Stores one part of a large result. Its SHA-256 is checked while it passes; nothing is kept
 * between two parts: the agent remembers what arrived, and the ticket says whose it is.
 */
import type { PartAnswer } from '#schema/agent-protocol.ts';
import { artifactKey } from '#schema/artifact.ts';
import type { ContentType } from '#schema/artifact.ts';
import { UPLOAD_PART_BYTES } from '#schema/limits.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import { putPart } from '../io/r2.ts';
import type { UploadLost } from '../io/r2.ts';
import { checkTicket } from './upload-ticket.ts';
import type { TicketShown } from './upload-ticket.ts';

/** One part of the result at `index`. */
export interface PartUpload extends TicketShown {
  readonly index: number;
  readonly contentType: ContentType;
  readonly uploadId: string;
  /** From 1. */
  readonly number: number;
  /** Of the part. */
  readonly bytes: number;
  readonly sha256: string;
  readonly body: ReadableStream;
}

export type PartRefusal =
  | { readonly reason: 'bad_ticket' }
  | { readonly reason: 'artifact_too_large'; readonly limit: number; readonly value: number }
  | { readonly reason: 'hash_mismatch' }
  | UploadLost;

/** May be repeated: the same part in the same place. */
export async function storePart(
  env: Env,
  part: PartUpload,
  now: number,
): Promise<Result<PartAnswer, PartRefusal>> {
  if (!(await checkTicket(env, part, now))) return fail({ reason: 'bad_ticket' });
  const { bytes } = part;
  if (bytes > UPLOAD_PART_BYTES) {
    return fail({ reason: 'artifact_too_large', limit: UPLOAD_PART_BYTES, value: bytes });
  }
  const key = artifactKey({ ...part, role: 'result' });
  const stored = await putPart(env.artifacts, { ...part, key });
  return stored.ok ? ok({ etag: stored.value }) : stored;
}
