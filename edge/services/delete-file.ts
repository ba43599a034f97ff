/** Deletes an input file before its time. A job that still waits for it fails, uncharged. */
import type { Env } from '../env.ts';
import { findFile } from './find-file.ts';
import type { FileOwner } from './find-file.ts';
import { inputKey, shelfKey } from './store-file.ts';

/** False when there is no such file of this account. */
export async function deleteFile(env: Env, owner: FileOwner, now: number): Promise<boolean> {
  const file = await findFile(env, owner, now);
  if (!file) return false;
  const { fileId, accountId } = owner;
  await env.artifacts.delete([inputKey(fileId, accountId), shelfKey(file, accountId)]);
  return true;
}
