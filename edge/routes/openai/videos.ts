/**
 * `/v1/videos`, as OpenAI's clients send and expect it. A video is a job of type video under the
 * same id; making one does not wait, and a client that goes away may fetch it later.
 */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import { VideoForm, VideoList, VideoQuery, VideoRequest, VideoView } from '#schema/openai/video.ts';
import type { LiveJob } from '#schema/record.ts';
import type { AppEnv } from '../../env.ts';
import { toLive } from '../../services/find-job.ts';
import { listJobs } from '../../services/list-jobs.ts';
import { authenticated } from '../access.ts';
import { BY_API_KEY, errors, json, KEY_ERRORS } from '../describe.ts';
import { toListWire } from '../error.ts';
import { refuse } from '../wire.ts';
import type { AdmittedCall } from './caller.ts';
import { onUnsupported, SUBMIT_ERRORS, SubmitHeaders, submitFor } from './caller.ts';
import { FORM_ERRORS, hashForm, isForm, keepFile, limited } from './upload.ts';
import { toVideoJob, VIDEO_NAMES, viewVideo } from './video.ts';

const REQUEST_EXAMPLE = {
  model: 'ltx-video',
  prompt: 'waves roll onto a beach at dusk',
  seconds: '4',
  size: '768x512',
};

const createVideoRoute = createRoute({
  method: 'post',
  path: '/v1/videos',
  tags: ['OpenAI-compatible'],
  summary: 'Make a video of a prompt',
  description:
    'As the official OpenAI clients send and expect it, as a form or as JSON. Answers at once; ' +
    'ask for the video until its status is `completed` or `failed`.',
  security: BY_API_KEY,
  middleware: [authenticated('jobs:write'), limited] as const,
  request: {
    headers: SubmitHeaders,
    body: {
      content: {
        'multipart/form-data': { schema: VideoForm },
        ...json(VideoRequest, REQUEST_EXAMPLE),
      },
    },
  },
  responses: {
    200: { description: 'The video, queued.', content: json(VideoView) },
    ...errors(...SUBMIT_ERRORS, ...FORM_ERRORS),
  },
});

const listVideosRoute = createRoute({
  method: 'get',
  path: '/v1/videos',
  tags: ['OpenAI-compatible'],
  summary: 'List your videos, newest first',
  description: 'From the history, which may be a second behind. `after` is the last id of a page.',
  security: BY_API_KEY,
  middleware: authenticated('jobs:read'),
  request: { query: VideoQuery },
  responses: {
    200: { description: 'A page of videos.', content: json(VideoList) },
    ...errors('invalid_request', 'unsupported_parameter', 'history_unavailable', ...KEY_ERRORS),
  },
});

export const videoRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onUnsupported })
  .openapi(createVideoRoute, async (c) => {
    const job = isForm(c)
      ? await submitForm(c, c.req.valid('form'))
      : await submitJson(c, c.req.valid('json'));
    return c.json(viewVideo(job)!, 200);
  })
  .openapi(listVideosRoute, async (c) => {
    const { after: cursor, limit } = c.req.valid('query');
    const { accountId } = c.get('principal');
    const query = { limit, type: 'video' as const, ...(cursor ? { cursor } : {}) };
    // A page of deleted ones alone would look like the last to a client.
    const page = await listJobs(c.get('env'), { accountId, query, hasPrompt: true });
    if (!page.ok) refuse(toListWire(page.error));
    const { records, nextCursor } = page.value;
    const data = records.flatMap((record) => viewVideo(toLive(record)) ?? []);
    const [first_id, last_id] = [data[0]?.id ?? null, data.at(-1)?.id ?? null];
    const has_more = nextCursor !== null;
    return c.json({ object: 'list' as const, data, first_id, last_id, has_more }, 200);
  });

async function submitForm(c: AdmittedCall, form: VideoForm): Promise<LiveJob> {
  const picture = form.input_reference;
  const kept =
    picture && (await keepFile(c, { file: picture, field: 'input_reference', purpose: 'image' }));
  const request = toVideoJob(form, kept?.id);
  const fingerprint = await hashForm(request, [kept]);
  return submitFor(c, { request, sent: form, names: VIDEO_NAMES, fingerprint });
}

function submitJson(c: AdmittedCall, body: VideoRequest): Promise<LiveJob> {
  const request = toVideoJob(body, undefined);
  return submitFor(c, { request, sent: body, names: VIDEO_NAMES });
}
