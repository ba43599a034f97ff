/**
 * Stores one file of an attempt's result in one piece. The upload ticket says that this agent held the lease
 * of this attempt; whether it still does is not asked: the key carries the fencing token, so the
 * file of a stale attempt lies apart and is swept.
 */
import type { UploadAnswer } from '#schema/agent-protocol.ts';
import { artifactKey } from '#schema/artifact.ts';
import type { ArtifactRole, ContentType } from '#schema/artifact.ts';
import { THUMBNAIL_BYTES_MAX, UPLOAD_BODY_BYTES_MAX } from '#schema/limits.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import { putObject } from '../io/r2.ts';
import { checkTicket } from './upload-ticket.ts';
import type { TicketShown } from './upload-ticket.ts';

export type StoreRefusal =
  | { readonly reason: 'bad_ticket' }
  | { readonly reason: 'artifact_too_large'; readonly limit: number; readonly value: number }
  | { readonly reason: 'not_a_picture'; readonly contentType: ContentType }
  | { readonly reason: 'hash_mismatch' };

export interface Upload extends TicketShown {
  readonly index: number;
  readonly role: ArtifactRole;
  readonly contentType: ContentType;
  readonly bytes: number;
  readonly sha256: string;
  readonly body: ReadableStream;
}

/** May be repeated: the same file under the same key. */
export async function storeArtifact(
  env: Env,
  upload: Upload,
  now: number,
): Promise<Result<UploadAnswer, StoreRefusal>> {
  const { contentType, bytes, sha256, role, body } = upload;
  if (!(await checkTicket(env, upload, now))) return fail({ reason: 'bad_ticket' });
  const limit = role === 'thumbnail' ? THUMBNAIL_BYTES_MAX : UPLOAD_BODY_BYTES_MAX;
  if (bytes > limit) return fail({ reason: 'artifact_too_large', limit, value: bytes });
  if (role === 'thumbnail' && !contentType.startsWith('image/')) {
    return fail({ reason: 'not_a_picture', contentType });
  }
  const key = artifactKey(upload);
  const stored = await putObject(env.artifacts, { key, body, bytes, sha256, contentType });
  return stored.ok ? ok({ key, contentType, bytes, sha256 }) : stored;
}
