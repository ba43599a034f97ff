/**
 * Files that come with a request in a form: each is kept like one of `POST /v1/files`, checked by
 * its content, and deleted after a day.
 */
import { bodyLimit } from 'hono/body-limit';
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import type { ErrorCode } from '#schema/error.ts';
import { toFileName } from '#schema/file.ts';
import type { FilePurpose, SentFile } from '#schema/file.ts';
import { FILE_FORM_BYTES_MAX, JSON_BODY_BYTES_MAX } from '#schema/limits.ts';
import type { AppEnv } from '../../env.ts';
import { hashRequest } from '../../services/openai/hash-request.ts';
import { storeFile } from '../../services/store-file.ts';
import type { StoredFile } from '../../services/store-file.ts';
import { readForm } from '../../services/parse-form.ts';
import type { FormEntry } from '../../services/parse-form.ts';
import { toFileWire, toFormWire } from '../file-error.ts';
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

const limitJson = bodyLimit({
  maxSize: JSON_BODY_BYTES_MAX,
  onError: () => refuse({ code: 'body_too_large', details: { limit: JSON_BODY_BYTES_MAX } }),
});

/** Reads a form, which is held in memory once; any other body has the limit of JSON. */
export const limited = createMiddleware<AppEnv>(async (c, next) => {
  if (!isForm(c)) return limitJson(c, next);
  const form = await readForm(c.req.raw, FILE_FORM_BYTES_MAX);
  if (!form.ok) refuse(toFormWire(form.error));
  const entries = form.value;
  const forEach = (visit: (value: FormEntry[1], name: string) => void) => {
    for (const [name, value] of entries) visit(value, name);
  };
  // What the validator would parse for itself, of which it uses this alone.
  c.req.bodyCache.formData = { forEach } as unknown as FormData;
  await next();
});

/** Whether the body says that it is a form. */
export function isForm({ req }: Pick<Context, 'req'>): boolean {
  return /^multipart\/form-data\b/i.test(req.header('content-type') ?? '');
}

interface Sent {
  readonly file: SentFile;
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
  const offer = { accountId, body: file.take(), purpose, name: toFileName(file.name) || null };
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
