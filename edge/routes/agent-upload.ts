/**
 * Uploads of results by agents: in one piece, or a large one in parts; see
 * schema/agent-protocol.ts. Bytes are streamed to R2 and checked on their way, never held.
 */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import {
  BeginUploadAnswer,
  BeginUploadBody,
  FencingToken,
  FinishUploadBody,
  PartAnswer,
  PartNumber,
  UPLOAD_HEADERS,
  UploadAnswer,
  UploadId,
} from '#schema/agent-protocol.ts';
import { ArtifactRole, ContentType, Sha256 } from '#schema/artifact.ts';
import type { ErrorCode } from '#schema/error.ts';
import { JobId } from '#schema/id.ts';
import { ARTIFACTS_MAX } from '#schema/limits.ts';
import type { AppEnv } from '../env.ts';
import { beginUpload } from '../services/begin-upload.ts';
import { finishUpload } from '../services/finish-upload.ts';
import { storeArtifact } from '../services/store-artifact.ts';
import { storePart } from '../services/store-part.ts';
import { fromAgent, onInvalid } from './access.ts';
import { BODY_ERRORS, BY_AGENT, errors, json } from './describe.ts';
import { toPartWire, toStoreWire } from './upload-error.ts';
import { refuse } from './wire.ts';

const JOB_PATH = '/agent/v1/jobs/{job_id}/artifacts/{index}';
const PLACE = {
  job_id: JobId,
  index: z.coerce
    .number()
    .int()
    .min(0)
    .max(ARTIFACTS_MAX - 1),
};
const HEADERS = {
  'content-type': z
    .string()
    .transform((type) => type.split(';')[0]!.trim().toLowerCase())
    .pipe(ContentType),
  'content-length': z
    .string()
    .regex(/^\d{1,12}$/, 'the number of bytes')
    .transform(Number)
    .pipe(z.int().min(1)),
  [UPLOAD_HEADERS.fencingToken]: z
    .string()
    .regex(/^\d{1,15}$/, 'a whole number')
    .transform(Number)
    .pipe(FencingToken),
  [UPLOAD_HEADERS.sha256]: Sha256,
  [UPLOAD_HEADERS.ticket]: z.string().min(1).max(500),
};
const BYTES = {
  content: { 'application/octet-stream': { schema: z.string().openapi({ format: 'binary' }) } },
};
const UPLOAD_ERRORS = ['unauthorized', 'internal'] as const satisfies ErrorCode[];

const uploadRoute = createRoute({
  method: 'put',
  path: `${JOB_PATH}/{role}`,
  tags: ['Agent'],
  summary: 'Upload one file of a result',
  security: BY_AGENT,
  middleware: fromAgent,
  request: {
    params: z.object({ ...PLACE, role: ArtifactRole }),
    headers: z.object(HEADERS),
    body: BYTES,
  },
  responses: {
    200: { description: 'Stored; name it when completing the job.', content: json(UploadAnswer) },
    ...errors(
      ...UPLOAD_ERRORS,
      'invalid_request',
      'not_found',
      'artifact_too_large',
      'hash_mismatch',
    ),
  },
});

const beginRoute = createRoute({
  method: 'post',
  path: '/agent/v1/uploads/begin',
  tags: ['Agent'],
  summary: 'Begin the upload of a large result in parts',
  security: BY_AGENT,
  middleware: fromAgent,
  request: { body: { content: json(BeginUploadBody), required: true } },
  responses: {
    200: { description: 'How to send the parts.', content: json(BeginUploadAnswer) },
    ...errors(...UPLOAD_ERRORS, ...BODY_ERRORS, 'artifact_too_large'),
  },
});

const partRoute = createRoute({
  method: 'put',
  path: `${JOB_PATH}/parts/{part}`,
  tags: ['Agent'],
  summary: 'Upload one part of a large result',
  security: BY_AGENT,
  middleware: fromAgent,
  request: {
    params: z.object({ ...PLACE, part: z.coerce.number().pipe(PartNumber) }),
    headers: z.object({ ...HEADERS, [UPLOAD_HEADERS.uploadId]: UploadId }),
    body: BYTES,
  },
  responses: {
    200: { description: 'Stored; name it when finishing the upload.', content: json(PartAnswer) },
    ...errors(
      ...UPLOAD_ERRORS,
      'invalid_request',
      'not_found',
      'artifact_too_large',
      'hash_mismatch',
      'upload_lost',
    ),
  },
});

const finishRoute = createRoute({
  method: 'post',
  path: '/agent/v1/uploads/finish',
  tags: ['Agent'],
  summary: 'Make a large result of its parts',
  security: BY_AGENT,
  middleware: fromAgent,
  request: { body: { content: json(FinishUploadBody), required: true } },
  responses: {
    200: {
      description: 'Stored and read back; name it when completing the job.',
      content: json(UploadAnswer),
    },
    ...errors(...UPLOAD_ERRORS, ...BODY_ERRORS, 'hash_mismatch', 'upload_lost', 'unavailable'),
  },
});

export const agentUploadRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid })
  .openapi(uploadRoute, async (c) => {
    const { job_id: jobId, index, role } = c.req.valid('param');
    const headers = c.req.valid('header');
    const upload = {
      agent: c.get('caller').agent,
      ...stated(headers),
      jobId,
      index,
      role,
      body: c.req.raw.body ?? new Blob([]).stream(),
    };
    const stored = await storeArtifact(c.get('env'), upload, Date.now());
    if (!stored.ok) refuse(toStoreWire(stored.error));
    return c.json(stored.value, 200);
  })
  .openapi(beginRoute, async (c) => {
    const { uploadTicket: ticket, ...file } = c.req.valid('json');
    const { agent } = c.get('caller');
    const begun = await beginUpload(c.get('env'), { agent, ticket, ...file }, Date.now());
    if (!begun.ok) refuse(toPartWire(begun.error));
    return c.json(begun.value, 200);
  })
  .openapi(partRoute, async (c) => {
    const { job_id: jobId, index, part: number } = c.req.valid('param');
    const headers = c.req.valid('header');
    const part = {
      agent: c.get('caller').agent,
      ...stated(headers),
      uploadId: headers[UPLOAD_HEADERS.uploadId],
      jobId,
      index,
      number,
      body: c.req.raw.body ?? new Blob([]).stream(),
    };
    const stored = await storePart(c.get('env'), part, Date.now());
    if (!stored.ok) refuse(toPartWire(stored.error));
    return c.json(stored.value, 200);
  })
  .openapi(finishRoute, async (c) => {
    const { uploadTicket: ticket, ...file } = c.req.valid('json');
    const { agent } = c.get('caller');
    const finished = await finishUpload(c.get('env'), { agent, ticket, ...file }, Date.now());
    if (!finished.ok) refuse(toPartWire(finished.error));
    return c.json(finished.value, 200);
  });

/** What the headers of both kinds of upload say. */
function stated(headers: z.infer<z.ZodObject<typeof HEADERS>>) {
  return {
    ticket: headers[UPLOAD_HEADERS.ticket],
    fencingToken: headers[UPLOAD_HEADERS.fencingToken],
    contentType: headers['content-type'],
    bytes: headers['content-length'],
    sha256: headers[UPLOAD_HEADERS.sha256],
  };
}
