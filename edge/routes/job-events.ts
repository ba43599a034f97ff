/** `/v1/jobs/:id/events`: a job's live events, as server-sent events. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { JobEvent } from '#schema/event.ts';
import type { AppEnv } from '../env.ts';
import { followJob } from '../services/follow-job.ts';
import { authenticated, onInvalid } from './access.ts';
import { BY_API_KEY, errors, KEY_ERRORS } from './describe.ts';
import { toFollowWire } from './error.ts';
import { JobPath } from './jobs.ts';
import { refuse } from './wire.ts';

const eventsRoute = createRoute({
  method: 'get',
  path: '/v1/jobs/{id}/events',
  tags: ['Jobs'],
  summary: 'Follow a job',
  description:
    'Server-sent events: `state` (the whole job), `progress`, `preview`, `text`; a comment every ' +
    '15 s. After a lost connection send the last `id` as `Last-Event-ID`: nothing is missing and ' +
    'nothing comes twice. A `text` at offset 0 begins the answer anew. A `state` without an id ' +
    'tells a new place in the queue. The stream ends with the job.',
  security: BY_API_KEY,
  middleware: authenticated('jobs:read'),
  request: {
    params: JobPath,
    headers: z.object({
      'last-event-id': z
        .string()
        .regex(/^\d{1,15}$/, 'an event id is a whole number')
        .optional(),
    }),
  },
  responses: {
    200: {
      description: 'The events; the schema shows one, with its name and its data.',
      content: { 'text/event-stream': { schema: JobEvent } },
    },
    ...errors('invalid_request', 'not_found', 'history_unavailable', ...KEY_ERRORS),
  },
});

export const jobEventRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid }).openapi(
  eventsRoute,
  async (c) => {
    const followed = await followJob(c.get('env'), {
      jobId: c.req.valid('param').id,
      accountId: c.get('principal').accountId,
      lastEventId: Number(c.req.valid('header')['last-event-id'] ?? 0),
      origin: c.get('origin'),
      now: Date.now(),
    });
    if (!followed.ok) refuse(toFollowWire(followed.error));
    return c.body(followed.value, 200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      // Proxies that buffer would hold events back.
      'x-accel-buffering': 'no',
    });
  },
);
