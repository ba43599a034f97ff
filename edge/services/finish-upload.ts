/**
 * Makes a large result of its parts. R2 knows no SHA-256 of an object that came in parts, so the
 * object is read back once, as it lies there: what is answered was seen. One with another hash
 * or length is deleted, and no one is told of it.
 */
import type { UploadAnswer } from '#schema/agent-protocol.ts';
import { artifactKey } from '#schema/artifact.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import { completeUpload, hashObject } from '../io/r2.ts';
import type { StorageAway, UploadLost } from '../io/r2.ts';
import { markOf } from './begin-upload.ts';
import type { LargeFile } from './begin-upload.ts';
import { checkTicket } from './upload-ticket.ts';

/** All parts are there, as the agent has been told. */
export interface FinishedUpload extends LargeFile {
  readonly uploadId: string;
  /** Of the parts, in order. */
  readonly etags: readonly string[];
}

export type FinishRefusal =
  | { readonly reason: 'bad_ticket' }
  | { readonly reason: 'hash_mismatch' }
  | UploadLost
  | StorageAway;

/** May be repeated: an object that was made before is looked at again. */
export async function finishUpload(
  env: Env,
  upload: FinishedUpload,
  now: number,
): Promise<Result<UploadAnswer, FinishRefusal>> {
  if (!(await checkTicket(env, upload, now))) return fail({ reason: 'bad_ticket' });
  const { contentType, bytes, sha256, uploadId, etags } = upload;
  const { artifacts } = env;
  const key = artifactKey({ ...upload, role: 'result' });
  const made = await completeUpload(artifacts, { key, uploadId }, etags);
  const object = await hashObject(artifacts, key);
  if (!object) return fail(made.ok ? { reason: 'upload_lost' } : made.error);
  const isWhole = object.bytes === bytes && object.sha256 === sha256;
  await artifacts.delete(isWhole ? markOf(key) : [key, markOf(key)]);
  return isWhole ? ok({ key, contentType, bytes, sha256 }) : fail({ reason: 'hash_mismatch' });
}
