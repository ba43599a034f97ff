/** `/v1/videos/:id`: shows a video, sends its file, deletes it. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { JobId } from '#schema/id.ts';
import { isTerminal } from '#schema/job.ts';
import { DeletedVideo, VideoContentQuery, VideoView } from '#schema/openai/video.ts';
import type { LiveJob } from '#schema/record.ts';
import type { AppEnv, Env } from '../../env.ts';
import { deleteJob } from '../../services/delete-job.ts';
import { findJob } from '../../services/find-job.ts';
import type { JobOwner } from '../../services/find-job.ts';
import { openResult } from '../../services/openai/open-result.ts';
import { authenticated } from '../access.ts';
import { BY_API_KEY, errors, json, KEY_ERRORS } from '../describe.ts';
import { toFindWire } from '../error.ts';
import { toDeleteWire } from '../job-delete.ts';
import { refuse } from '../wire.ts';
import { onUnsupported, WAIT_ERRORS } from './caller.ts';
import { toEndWire, toOpenWire } from './outcome.ts';
import { viewVideo } from './video.ts';

const VideoPath = z.object({ id: JobId });
const FILE = { schema: { type: 'string', format: 'binary' } } as const;

const showRoute = createRoute({
  method: 'get',
  path: '/v1/videos/{id}',
  tags: ['OpenAI-compatible'],
  summary: 'Show a video',
  security: BY_API_KEY,
  middleware: authenticated('jobs:read'),
  request: { params: VideoPath },
  responses: {
    200: { description: 'The video as it stands.', content: json(VideoView) },
    ...errors('not_found', 'history_unavailable', ...KEY_ERRORS),
  },
});

const contentRoute = createRoute({
  method: 'get',
  path: '/v1/videos/{id}/content',
  tags: ['OpenAI-compatible'],
  summary: 'Fetch a video',
  description: 'The file of a completed video, or its thumbnail.',
  security: BY_API_KEY,
  middleware: authenticated('jobs:read'),
  request: { params: VideoPath, query: VideoContentQuery },
  responses: {
    200: { description: 'The file.', content: { 'video/mp4': FILE, 'image/webp': FILE } },
    ...errors(
      'invalid_request',
      'unsupported_parameter',
      'job_unfinished',
      ...WAIT_ERRORS,
      ...KEY_ERRORS,
    ),
  },
});

const deleteRoute = createRoute({
  method: 'delete',
  path: '/v1/videos/{id}',
  tags: ['OpenAI-compatible'],
  summary: 'Delete a video',
  description: 'As `DELETE /v1/jobs/{id}`; afterwards no video has this id.',
  security: BY_API_KEY,
  middleware: authenticated('jobs:write'),
  request: { params: VideoPath },
  responses: {
    200: { description: 'It is gone.', content: json(DeletedVideo) },
    ...errors('not_found', 'job_active', 'history_unavailable', ...KEY_ERRORS),
  },
});

export const videoContentRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onUnsupported })
  .openapi(showRoute, async (c) => {
    const { accountId } = c.get('principal');
    const owner = { jobId: c.req.valid('param').id, accountId };
    return c.json((await findVideo(c.get('env'), owner)).view, 200);
  })
  .openapi(deleteRoute, async (c) => {
    const env = c.get('env');
    const { id } = c.req.valid('param');
    const owner = { jobId: id, accountId: c.get('principal').accountId };
    await findVideo(env, owner);
    const context = { requestId: c.get('requestId'), now: Date.now() };
    const deleted = await deleteJob(env, owner, context);
    if (!deleted.ok) refuse(toDeleteWire(deleted.error));
    return c.json({ id, object: 'video.deleted' as const, deleted: true as const }, 200);
  })
  .openapi(contentRoute, async (c) => {
    const env = c.get('env');
    const { accountId } = c.get('principal');
    const owner = { jobId: c.req.valid('param').id, accountId };
    const { record } = (await findVideo(env, owner)).job;
    if (!isTerminal(record.status)) refuse({ code: 'job_unfinished' });
    if (record.status !== 'completed') refuse(toEndWire({ reason: 'job_unsuccessful', record }));
    const role = c.req.valid('query').variant === 'thumbnail' ? 'thumbnail' : 'result';
    const opened = await openResult(env, record, { index: 0, role });
    if (!opened.ok) refuse(toOpenWire(opened.error));
    const { object, contentType } = opened.value;
    return c.body(object.body, 200, {
      'content-type': contentType,
      'content-length': String(object.size),
    });
  });

async function findVideo(env: Env, owner: JobOwner): Promise<{ job: LiveJob; view: VideoView }> {
  const found = await findJob(env, owner);
  if (!found.ok) refuse(toFindWire(found.error));
  const view = viewVideo(found.value);
  if (!view) refuse({ code: 'not_found', message: 'No such video, or it is not yours.' });
  return { job: found.value, view };
}
