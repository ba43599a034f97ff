/**
 * Keeps an input file of an account, given whole: inspected, hashed, put into R2 under a key that
 * names the file and its owner. What is known of it travels with the object, so that no database
 * is asked. Deleted by the sweep after FILE_KEEP_MS.
 */
import { decodeTime, encodeTime } from 'ulid';
import type { FilePurpose, FileType } from '#schema/file.ts';
import { FILE_KEEP_MS, FILES_KEPT_BYTES_MAX, FILES_KEPT_MAX } from '#schema/limits.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import { inMemory } from '../core/file/source.ts';
import type { Env } from '../env.ts';
import { makeFileId } from '../io/id.ts';
import { hashBytes } from '../io/token.ts';
import { inspectFile } from './inspect-file.ts';
import type { FileFacts, FileRefusal } from './inspect-file.ts';

/** Length of a ULID's time. */
const TIME_CHARS = 10;

/** An input file that is kept. Times are epoch milliseconds. */
export interface StoredFile {
  readonly id: string;
  /** As its sender called it, or null. */
  readonly name: string | null;
  readonly contentType: FileType;
  readonly bytes: number;
  /** 64 hex digits. */
  readonly sha256: string;
  /** Of a picture, upright. */
  readonly width: number | null;
  readonly height: number | null;
  /** Of a recording. */
  readonly durationS: number | null;
  readonly createdAt: number;
  readonly expiresAt: number;
}

export interface FileOffer {
  readonly accountId: string;
  /** Null takes whatever is accepted at all. */
  readonly purpose: FilePurpose | null;
  readonly name: string | null;
}

/** The file as it is kept from now on, or why it is not taken. */
export async function storeFile(
  env: Env,
  { accountId, body, purpose, name }: FileOffer & { readonly body: Uint8Array },
  now: number,
): Promise<Result<StoredFile, FileRefusal>> {
  const facts = await inspectFile(inMemory(body), purpose);
  if (!facts.ok) return facts;
  const place = { accountId, id: makeFileId(now), bytes: body.length, now };
  return inPlace(env, place, async () => {
    const { id, bytes } = place;
    const file = describeFile({ ...facts.value, id, name, bytes, sha256: await hashBytes(body) });
    await keepFile(env, { accountId, file, body });
    return ok(file);
  });
}

/** What a file takes of what its account may keep. */
interface Place {
  readonly accountId: string;
  /** Of the file. */
  readonly id: string;
  readonly bytes: number;
  readonly now: number;
}

/**
 * Does `work`, which keeps a file, if the account may keep so much more. The mark by which a file
 * is counted comes first, so that files that come at once count one another; it goes again when
 * the file does not come.
 */
export async function inPlace<Refusal>(
  env: Env,
  place: Place,
  work: () => Promise<Result<StoredFile, Refusal>>,
): Promise<Result<StoredFile, Refusal | FileRefusal>> {
  const mark = shelfKey(place, place.accountId);
  await env.artifacts.put(mark, '');
  let isKept = false;
  try {
    const room = await checkRoom(env, place);
    if (!room.ok) return room;
    const kept = await work();
    isKept = kept.ok;
    return kept;
  } finally {
    if (!isKept) await env.artifacts.delete(mark);
  }
}

/** Whether the account keeps no more than it may. */
async function checkRoom(env: Env, { accountId, now }: Place): Promise<Result<null, FileRefusal>> {
  const prefix = `shelf/${accountId}/`;
  // A mark whose file was swept is of nothing, however many there are.
  const startAfter = `${prefix}file_${timeKey(now - FILE_KEEP_MS)}`;
  const { objects } = await env.artifacts.list({ prefix, startAfter, limit: FILES_KEPT_MAX * 2 });
  const marks = objects.map(({ key }) => {
    const [fileId = '', size] = key.slice(prefix.length).split('/');
    return { expiresAt: timeOf(fileId) + FILE_KEEP_MS, bytes: Number(size) };
  });
  const live = marks.filter(({ expiresAt }) => expiresAt > now);
  const retryAfterMs = (live[0]?.expiresAt ?? now) - now;
  const refusal = (unit: 'files' | 'bytes', limit: number) =>
    fail({ reason: 'too_many_files' as const, unit, limit, retryAfterMs });
  if (live.length > FILES_KEPT_MAX) return refusal('files', FILES_KEPT_MAX);
  const sum = live.reduce((total, mark) => total + mark.bytes, 0);
  return sum > FILES_KEPT_BYTES_MAX ? refusal('bytes', FILES_KEPT_BYTES_MAX) : ok(null);
}

/** Puts a file where its place is counted already. */
export async function keepFile(
  env: Env,
  kept: { accountId: string; file: StoredFile; body: Uint8Array | ReadableStream },
): Promise<void> {
  const { accountId, file, body } = kept;
  await env.artifacts.put(inputKey(file.id, accountId), body, putOptions(file));
}

/** When a file with this id came. */
export function timeOf(fileId: string): number {
  return decodeTime(fileId.slice('file_'.length).toUpperCase());
}

/** How ids of a time begin, after their prefix: they sort by it. */
export function timeKey(ms: number): string {
  return encodeTime(ms, TIME_CHARS).toLowerCase();
}

/** A new file with these properties. */
export function describeFile(
  facts: FileFacts & Pick<StoredFile, 'id' | 'name' | 'bytes' | 'sha256'>,
): StoredFile {
  const createdAt = timeOf(facts.id);
  return { ...facts, createdAt, expiresAt: createdAt + FILE_KEEP_MS };
}

/** Where a file lies: first its id, by which it is swept and lent to an agent. */
export function inputKey(fileId: string, accountId: string): string {
  return `input/${fileId}/${accountId}`;
}

/** By what a file is counted: an empty object, whose name says all. */
export function shelfKey(
  { id, bytes }: Pick<StoredFile, 'id' | 'bytes'>,
  accountId: string,
): string {
  return `shelf/${accountId}/${id}/${bytes}`;
}

/** How a file is put: R2 itself checks the hash, and keeps what is known. */
function putOptions(file: StoredFile): R2PutOptions {
  const { contentType, bytes, sha256, width, height, durationS, name } = file;
  const known = { contentType, bytes, sha256, width, height, durationS };
  const customMetadata: Record<string, string> = {};
  for (const [key, value] of Object.entries(known)) {
    if (value !== null) customMetadata[key] = String(value);
  }
  // Headers carry it: anything but ASCII would be at their mercy.
  if (name !== null) customMetadata['name'] = encodeURIComponent(name);
  return { sha256, httpMetadata: { contentType }, customMetadata };
}
