/**
 * Makes an input file of a result, so that a picture can be varied, enlarged or set in motion and
 * speech be written down: the same as fetching and uploading it, without the way through the user.
 */
import type { Result } from '../core/result.ts';
import { fail } from '../core/result.ts';
import type { Env } from '../env.ts';
import { findJob } from './find-job.ts';
import type { FindRefusal } from './find-job.ts';
import { receiveFile } from './receive-file.ts';
import type { ReceiveRefusal } from './receive-file.ts';
import type { StoredFile } from './store-file.ts';

export type CopyRefusal =
  | FindRefusal
  | ReceiveRefusal
  | { readonly reason: 'no_such_result'; readonly index: number; readonly results: number };

/** The new file, or why there is none. */
export async function copyResult(
  env: Env,
  { accountId, jobId, index }: { accountId: string; jobId: string; index: number },
  now: number,
): Promise<Result<StoredFile, CopyRefusal>> {
  const found = await findJob(env, { jobId, accountId });
  if (!found.ok) return found;
  const { artifacts } = found.value.record;
  const artifact = artifacts.find((one) => one.index === index);
  const object = artifact && (await env.artifacts.get(artifact.key));
  if (!object) return fail({ reason: 'no_such_result', index, results: artifacts.length });
  const name = artifact.key.split('/').at(-1) ?? null;
  const offer = { accountId, purpose: null, name, body: object.body, bytes: object.size };
  return receiveFile(env, offer, now);
}
