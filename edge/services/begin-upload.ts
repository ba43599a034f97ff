/**
 * Begins the upload of a large result in parts. R2 lists no open uploads to a Worker, so a mark
 * of no bytes says which one is open for a key: it is taken away when the upload is finished, and
 * by the sweep, which aborts what was left behind. One upload of a file is open at a time.
 */
import type { BeginUploadAnswer } from '#schema/agent-protocol.ts';
import { artifactKey } from '#schema/artifact.ts';
import type { ContentType } from '#schema/artifact.ts';
import { ARTIFACT_BYTES_MAX, UPLOAD_PART_BYTES } from '#schema/limits.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import { abortUpload, createUpload } from '../io/r2.ts';
import { checkTicket } from './upload-ticket.ts';
import type { TicketShown } from './upload-ticket.ts';

/** The result at one place among those of an attempt. */
export interface LargeFile extends TicketShown {
  readonly index: number;
  readonly contentType: ContentType;
  readonly bytes: number;
  readonly sha256: string;
}

export type BeginRefusal =
  | { readonly reason: 'bad_ticket' }
  | { readonly reason: 'artifact_too_large'; readonly limit: number; readonly value: number };

/** Keys of the marks begin with it. */
export const MARK_PREFIX = 'upload/';
/** In a mark's metadata: the id of the upload that is open. */
export const MARK_ID = 'uploadId';

/** The key of the mark of an upload, by the key of its object. */
export function markOf(key: string): string {
  return `${MARK_PREFIX}${key}`;
}

/** May be repeated: the earlier upload is given up, and the new one has no parts. */
export async function beginUpload(
  env: Env,
  file: LargeFile,
  now: number,
): Promise<Result<BeginUploadAnswer, BeginRefusal>> {
  if (!(await checkTicket(env, file, now))) return fail({ reason: 'bad_ticket' });
  const { bytes, contentType } = file;
  if (bytes > ARTIFACT_BYTES_MAX) {
    return fail({ reason: 'artifact_too_large', limit: ARTIFACT_BYTES_MAX, value: bytes });
  }
  const { artifacts } = env;
  const key = artifactKey({ ...file, role: 'result' });
  const earlier = (await artifacts.head(markOf(key)))?.customMetadata?.[MARK_ID];
  if (earlier !== undefined) await abortUpload(artifacts, { key, uploadId: earlier });
  const uploadId = await createUpload(artifacts, { key, contentType });
  await artifacts.put(markOf(key), '', { customMetadata: { [MARK_ID]: uploadId } });
  return ok({ uploadId, partBytes: UPLOAD_PART_BYTES });
}
