/** The gallery: what users show to everybody, how they do and undo it, and its removal. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { GalleryEntry, GalleryPage, GalleryQuery, Publish, RemovalQuery } from '#schema/gallery.ts';
import { JobId } from '#schema/id.ts';
import type { AppEnv } from '../env.ts';
import { listGallery } from '../services/list-gallery.ts';
import type { ShownJob } from '../services/list-gallery.ts';
import { publishJob } from '../services/publish-job.ts';
import { removeEntry } from '../services/remove-entry.ts';
import { viewArtifact } from '../services/view-job.ts';
import { withdrawJob } from '../services/withdraw-job.ts';
import { authenticated, fromAdmin, onInvalid } from './access.ts';
import { BY_ADMIN, BY_API_KEY, errors, json, KEY_ERRORS } from './describe.ts';
import { toListWire } from './error.ts';
import { toPublishWire, toWithdrawWire } from './gallery-error.ts';
import { refuse } from './wire.ts';

/** A page may be shown again for this long; a removal is seen no later. */
const PAGE_AGE_S = 30;

const listRoute = createRoute({
  method: 'get',
  path: '/v1/gallery',
  tags: ['Gallery'],
  summary: 'List what users show to everybody, newest first',
  description: 'Needs no key. A prompt is there only when its owner shows it.',
  request: { query: GalleryQuery },
  responses: {
    200: { description: 'A page of entries.', content: json(GalleryPage) },
    ...errors('invalid_request', 'history_unavailable', 'unavailable', 'internal'),
  },
});

const JobPath = z.object({ id: JobId });

const publishRoute = createRoute({
  method: 'put',
  path: '/v1/jobs/{id}/gallery',
  tags: ['Gallery'],
  summary: 'Show a job in the gallery',
  description:
    'A completed picture or clip of yours, with its prompt if you like. Its texts are judged ' +
    'once more. It is shown as long as its results are kept.',
  security: BY_API_KEY,
  middleware: authenticated('jobs:write'),
  request: {
    params: JobPath,
    body: { content: json(Publish, { public: true, show_prompt: true }), required: true },
  },
  responses: {
    200: { description: 'The entry as everybody sees it.', content: json(GalleryEntry) },
    ...errors(
      'invalid_request',
      'invalid_json',
      'unsupported_media_type',
      'body_too_large',
      'not_found',
      'not_publishable',
      'removed_by_operator',
      'content_blocked',
      'history_unavailable',
      ...KEY_ERRORS,
    ),
  },
});

const withdrawRoute = createRoute({
  method: 'delete',
  path: '/v1/jobs/{id}/gallery',
  tags: ['Gallery'],
  summary: 'Take a job out of the gallery',
  description: 'URLs that were given out work until they expire, within the hour.',
  security: BY_API_KEY,
  middleware: authenticated('jobs:write'),
  request: { params: JobPath },
  responses: {
    204: { description: 'It is shown no more.' },
    ...errors('not_found', 'history_unavailable', ...KEY_ERRORS),
  },
});

const removeRoute = createRoute({
  method: 'delete',
  path: '/admin/v1/gallery/{id}',
  tags: ['Admin'],
  summary: 'Remove an entry from the gallery for good',
  description: 'Its owner keeps the job and cannot show it again. Audited.',
  security: BY_ADMIN,
  middleware: fromAdmin,
  request: { params: JobPath, query: RemovalQuery },
  responses: {
    204: { description: 'It is shown no more.' },
    ...errors(
      'invalid_request',
      'unauthorized',
      'not_found',
      'history_unavailable',
      'unavailable',
      'internal',
    ),
  },
});

export const galleryRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid })
  .openapi(listRoute, async (c) => {
    const page = await listGallery(c.get('env'), c.req.valid('query'), Date.now());
    if (!page.ok) refuse(toListWire(page.error));
    const data = await Promise.all(page.value.entries.map((entry) => viewEntry(entry, c.var)));
    c.header('cache-control', `public, max-age=${PAGE_AGE_S}`);
    return c.json({ data, next_cursor: page.value.nextCursor }, 200);
  })
  .openapi(publishRoute, async (c) => {
    const jobId = c.req.valid('param').id;
    const published = await publishJob(c.get('env'), {
      credential: c.get('credential'),
      jobId,
      wish: c.req.valid('json'),
      requestId: c.get('requestId'),
      now: Date.now(),
    });
    if (!published.ok) refuse(toPublishWire(published.error));
    const { record, ...shown } = published.value;
    const { artifacts, spec } = record;
    return c.json(await viewEntry({ jobId, model: spec.model, artifacts, ...shown }, c.var), 200);
  })
  .openapi(withdrawRoute, async (c) => {
    const owner = { jobId: c.req.valid('param').id, accountId: c.get('principal').accountId };
    const cause = { requestId: c.get('requestId'), now: Date.now() };
    const withdrawn = await withdrawJob(c.get('env'), owner, cause);
    if (!withdrawn.ok) refuse(toWithdrawWire(withdrawn.error));
    return c.body(null, 204);
  })
  .openapi(removeRoute, async (c) => {
    const removal = { jobId: c.req.valid('param').id, reason: c.req.valid('query').reason };
    const cause = { requestId: c.get('requestId'), now: Date.now() };
    const removed = await removeEntry(c.get('env'), removal, cause);
    if (!removed.ok) refuse(toWithdrawWire(removed.error));
    return c.body(null, 204);
  });

async function viewEntry(
  entry: ShownJob,
  { env, origin }: AppEnv['Variables'],
): Promise<GalleryEntry> {
  const context = { signingKey: env.signingKey, origin, now: Date.now() };
  return {
    job_id: entry.jobId,
    type: entry.type,
    model: entry.model,
    prompt: entry.prompt,
    published_at: new Date(entry.publishedAt).toISOString(),
    artifacts: await Promise.all(entry.artifacts.map((item) => viewArtifact(item, context))),
  };
}
