/**
 * `/v1/files`: the pictures and recordings that jobs work on. A file comes as a form, as a body of
 * its own, or is made from a result. What is stored is known by its content alone.
 */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { bodyLimit } from 'hono/body-limit';
import { createMiddleware } from 'hono/factory';
import {
  Deleted,
  FileFromResult,
  FileName,
  FilePurpose,
  FileView,
  SentFile,
  toFileName,
  typesFor,
} from '#schema/file.ts';
import { FileId } from '#schema/job.ts';
import {
  FILE_AUDIO_BYTES_MAX,
  FILE_FORM_BYTES_MAX,
  FILE_IMAGE_BYTES_MAX,
  FILE_IMAGE_PIXELS_MAX,
  JSON_BODY_BYTES_MAX,
  TRANSCRIPTION_DURATION_S_MAX,
} from '#schema/limits.ts';
import type { AppEnv } from '../env.ts';
import { copyResult } from '../services/copy-result.ts';
import { deleteFile } from '../services/delete-file.ts';
import { findFile } from '../services/find-file.ts';
import { receiveFile } from '../services/receive-file.ts';
import { readForm } from '../services/parse-form.ts';
import { storeFile } from '../services/store-file.ts';
import type { StoredFile } from '../services/store-file.ts';
import { viewFile } from '../services/view-file.ts';
import { authenticated, onInvalid } from './access.ts';
import type { PrincipalEnv } from './access.ts';
import { BY_API_KEY, errors, json, KEY_ERRORS } from './describe.ts';
import { toCopyWire, toFormWire, toReceiveWire } from './file-error.ts';
import { toInvalidWire } from './invalid.ts';
import { refuse } from './wire.ts';

const FilePath = z.object({ id: FileId });
const MIB = 1024 * 1024;

const FileForm = z.strictObject({
  file: SentFile,
  purpose: FilePurpose.optional(),
});

const FileQuery = z.strictObject({
  purpose: FilePurpose.optional().openapi({
    description: 'Refuses a file of the other kind. For a body of its own.',
  }),
  name: FileName.optional().openapi({ description: 'Kept for you. For a body of its own.' }),
});

/** Bytes of a body, by how it comes. */
const BYTES_MAX = { form: FILE_FORM_BYTES_MAX, raw: FILE_AUDIO_BYTES_MAX };

function kindOf(contentType: string | undefined): 'json' | keyof typeof BYTES_MAX {
  const type = contentType?.split(';')[0]!.trim().toLowerCase();
  if (type === 'application/json') return 'json';
  return type === 'multipart/form-data' ? 'form' : 'raw';
}

const limitJson = bodyLimit({
  maxSize: JSON_BODY_BYTES_MAX,
  onError: () => refuse({ code: 'body_too_large', details: { limit: JSON_BODY_BYTES_MAX } }),
});

/** Before anything is read: a form is parsed in memory. */
const limited = createMiddleware<AppEnv>(async (c, next) => {
  const kind = kindOf(c.req.header('content-type'));
  if (kind === 'json') return limitJson(c, next);
  const limit = BYTES_MAX[kind];
  const length = c.req.header('content-length');
  if (length === undefined || !/^\d{1,12}$/.test(length)) refuse({ code: 'length_required' });
  const value = Number(length);
  if (value > limit) refuse({ code: 'file_too_large', details: { limit, value } });
  return next();
});

const showFileRoute = createRoute({
  method: 'get',
  path: '/v1/files/{id}',
  tags: ['Files'],
  summary: 'Show an input file',
  security: BY_API_KEY,
  middleware: authenticated('jobs:read'),
  request: { params: FilePath },
  responses: {
    200: { description: 'The file.', content: json(FileView) },
    ...errors('not_found', ...KEY_ERRORS),
  },
});

const deleteFileRoute = createRoute({
  method: 'delete',
  path: '/v1/files/{id}',
  tags: ['Files'],
  summary: 'Delete an input file before its time',
  description: 'A job that still waits for it fails, uncharged.',
  security: BY_API_KEY,
  middleware: authenticated('jobs:write'),
  request: { params: FilePath },
  responses: {
    200: { description: 'It is gone.', content: json(Deleted) },
    ...errors('not_found', ...KEY_ERRORS),
  },
});

export const fileRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid })
  .openapi(showFileRoute, async (c) => {
    const { accountId } = c.get('principal');
    const owner = { fileId: c.req.valid('param').id, accountId };
    const file = await findFile(c.get('env'), owner, Date.now());
    if (!file) refuseUnknown();
    return c.json(await view(file, c.var), 200);
  })
  .openapi(deleteFileRoute, async (c) => {
    const { accountId } = c.get('principal');
    const { id } = c.req.valid('param');
    const deleted = await deleteFile(c.get('env'), { fileId: id, accountId }, Date.now());
    if (!deleted) refuseUnknown();
    return c.json({ id, deleted: true as const }, 200);
  });

fileRoutes.openAPIRegistry.registerPath({
  method: 'post',
  path: '/v1/files',
  tags: ['Files'],
  summary: 'Send an input file',
  description:
    'A picture for image and video jobs, or a recording to transcribe: as a form with `file` ' +
    `(up to ${FILE_FORM_BYTES_MAX / MIB} MiB), as a body of its own (\`--data-binary\`; the ` +
    'content type sent does not matter), or, as JSON, made from a result of yours. Pictures: ' +
    `${typesFor('image').join(', ')}, up to ${FILE_IMAGE_BYTES_MAX / MIB} MiB and ` +
    `${FILE_IMAGE_PIXELS_MAX / 1e6} megapixels. Recordings: ${typesFor('audio').join(', ')}, up ` +
    `to ${FILE_AUDIO_BYTES_MAX / MIB} MiB and ${TRANSCRIPTION_DURATION_S_MAX / 3600} hours. A ` +
    'file is deleted after a day; submit jobs for it at least an hour before.',
  security: BY_API_KEY,
  request: {
    query: FileQuery,
    body: {
      content: {
        'multipart/form-data': { schema: FileForm },
        'application/octet-stream': { schema: z.string().openapi({ format: 'binary' }) },
        ...json(FileFromResult),
      },
    },
  },
  responses: {
    201: { description: 'The file is kept; name it by `id`.', content: json(FileView) },
    ...errors(
      'invalid_request',
      'invalid_json',
      'not_found',
      'history_unavailable',
      'length_required',
      'body_too_large',
      'file_too_large',
      'too_many_files',
      'unsupported_file',
      'file_unreadable',
      'file_out_of_bounds',
      ...KEY_ERRORS,
    ),
  },
});

// Not by the description: whatever is no form and no JSON is a file, also as curl sends it.
fileRoutes.post('/v1/files', authenticated('jobs:write'), limited, async (c) => {
  const env = c.get('env');
  const { accountId } = c.get('principal');
  const now = Date.now();
  const kind = kindOf(c.req.header('content-type'));
  if (kind === 'json') {
    const sent: unknown = await c.req.json().catch(() => refuse({ code: 'invalid_json' }));
    const { job_id: jobId, index } = parse(FileFromResult, sent);
    const copied = await copyResult(env, { accountId, jobId, index }, now);
    if (!copied.ok) refuse(toCopyWire(copied.error));
    return c.json(await view(copied.value, c.var), 201);
  }
  const received =
    kind === 'form'
      ? await storeFile(env, { accountId, ...(await openForm(c.req.raw)) }, now)
      : await receiveFile(env, { accountId, ...openBody(c.req.raw) }, now);
  if (!received.ok) refuse(toReceiveWire(received.error));
  return c.json(await view(received.value, c.var), 201);
});

async function openForm(request: Request) {
  const form = await readForm(request, FILE_FORM_BYTES_MAX);
  if (!form.ok && form.error.reason === 'form_unreadable') {
    refuse({ code: 'file_unreadable', message: 'The form cannot be read; send it again.' });
  }
  if (!form.ok) refuse(toFormWire(form.error));
  const { file, purpose = null } = parse(FileForm, Object.fromEntries(form.value));
  return { body: file.take(), purpose, name: toFileName(file.name) };
}

function openBody({ url, headers, body }: Request) {
  const query = Object.fromEntries(new URL(url).searchParams);
  const { purpose = null, name } = parse(FileQuery, query);
  return {
    body: body ?? new Blob().stream(),
    bytes: Number(headers.get('content-length')),
    purpose,
    name: name === undefined ? null : toFileName(name),
  };
}

function parse<T extends z.ZodType>(schema: T, sent: unknown): z.output<T> {
  const parsed = schema.safeParse(sent);
  if (!parsed.success) refuse(toInvalidWire(parsed.error, sent));
  return parsed.data;
}

function view(file: StoredFile, { env, origin, principal }: PrincipalEnv['Variables']) {
  const { signingKey } = env;
  return viewFile(file, principal.accountId, { signingKey, origin, now: Date.now() });
}

function refuseUnknown(): never {
  refuse({ code: 'not_found', message: 'No such file, or it is not yours or was deleted.' });
}
