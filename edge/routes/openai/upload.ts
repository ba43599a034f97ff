/**
 * Files that come with a request in a form: each is kept like one of `POST /v1/files`, checked by
 * its content, and deleted after a day.
 */
import { bodyLimit } from 'hono/body-limit';
import { createMiddleware } from 'hono/factory';
import type { ErrorCode } from '#schema/error.ts';
import type { FilePurpose } from '#schema/file.ts';
import { FILE_FORM_BYTES_MAX, JSON_BODY_BYTES_MAX } from '#schema/limits.ts';
import type { AppEnv } from '../../env.ts';
import { hashRequest } from '../../services/openai/hash-request.ts';
import { storeFile } from '../../services/store-file.ts';
import type { StoredFile } from '../../services/store-file.ts';
import { toFileWire } from '../file-error.ts';
import { refuse } from '../wire.ts';
import type { AdmittedCall } from './caller.ts';

/** What a route that takes files may answer. */
export const FORM_ERRORS = [
  'unsupported_file',
  'file_too_large',
  'file_unreadable',
  'file_out_of_bounds',
  'unknown_file',
] as const satisfies ErrorCode[];

const limitOf = (maxSize: number) =>
  bodyLimit({
    maxSize,
    onError: () => refuse({ code: 'body_too_large', details: { limit: maxSize } }),
  });
const limitJson = limitOf(JSON_BODY_BYTES_MAX);
const limitForm = limitOf(FILE_FORM_BYTES_MAX);

/** Before anything is read: a form is parsed in memory. */
export const limited = createMiddleware<AppEnv>((c, next) => {
  const type = c.req.header('content-type') ?? '';
  return type.startsWith('multipart/form-data') ? limitForm(c, next) : limitJson(c, next);
});

interface Sent {
  readonly file: File;
  /** What the client calls it. */
  readonly field: string;
  readonly purpose: FilePurpose;
}

/** The file as it is kept. */
export async function keepFile(
  c: AdmittedCall,
  { file, field, purpose }: Sent,
): Promise<StoredFile> {
  const { accountId } = c.var.principal;
  const body = await file.bytes();
  const offer = { accountId, body, purpose, name: file.name || null };
  const stored = await storeFile(c.var.env, offer, Date.now());
  if (stored.ok) return stored.value;
  const wire = toFileWire(stored.error);
  refuse({ ...wire, details: { field, ...wire.details } });
}

/** The same for the same request with the same files, whose ids are new each time. */
export function hashForm(
  request: Readonly<Record<string, unknown>>,
  files: readonly (StoredFile | undefined)[],
): Promise<string> {
  const ids = new Map(files.flatMap((file) => (file ? [[file.id, file.sha256]] : [])));
  const content = Object.entries(request).map(([name, value]): [string, unknown] => [
    name,
    typeof value === 'string' ? (ids.get(value) ?? value) : value,
  ]);
  return hashRequest(Object.fromEntries(content));
}
