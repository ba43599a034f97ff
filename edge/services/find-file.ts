/** Finds an input file. Another account's is not found, like one that never was or has expired. */
import { z } from 'zod';
import { FileType } from '#schema/file.ts';
import { Sha256 } from '#schema/artifact.ts';
import { FileId } from '#schema/job.ts';
import { FILE_KEEP_MS } from '#schema/limits.ts';
import type { Env } from '../env.ts';
import { inputKey, timeOf } from './store-file.ts';
import type { StoredFile } from './store-file.ts';

/** What travels with the object. */
const Metadata = z.object({
  name: z.string().transform(decodeURIComponent).nullish().default(null),
  contentType: FileType,
  bytes: z.coerce.number(),
  sha256: Sha256,
  width: z.coerce.number().optional(),
  height: z.coerce.number().optional(),
  durationS: z.coerce.number().optional(),
});

export interface FileOwner {
  readonly fileId: string;
  readonly accountId: string;
}

/** The file, or null. */
export async function findFile(
  env: Env,
  { fileId, accountId }: FileOwner,
  now: number,
): Promise<StoredFile | null> {
  if (!isFileId(fileId)) return null;
  const object = await env.artifacts.head(inputKey(fileId, accountId));
  return object && toFile(fileId, object, now);
}

/** The file and its key, whoever owns it: for the agent that runs its owner's job. */
export async function lendFile(
  env: Env,
  fileId: string,
  now: number,
): Promise<{ file: StoredFile; key: string } | null> {
  if (!isFileId(fileId)) return null;
  const prefix = inputKey(fileId, '');
  const listed = await env.artifacts.list({ prefix, limit: 1, include: ['customMetadata'] });
  const [object] = listed.objects;
  const file = object ? toFile(fileId, object, now) : null;
  return file && { file, key: object!.key };
}

function isFileId(text: string): boolean {
  return FileId.safeParse(text).success;
}

function toFile(id: string, object: R2Object, now: number): StoredFile | null {
  const createdAt = timeOf(id);
  const expiresAt = createdAt + FILE_KEEP_MS;
  if (now >= expiresAt) return null;
  const {
    width = null,
    height = null,
    durationS = null,
    ...facts
  } = Metadata.parse(object.customMetadata);
  return { id, ...facts, width, height, durationS, createdAt, expiresAt };
}
