/** `DELETE /v1/jobs/:id`: a user's words and results, gone for good; what they cost stays. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import { Deleted } from '#schema/file.ts';
import type { AppEnv } from '../env.ts';
import { deleteJob } from '../services/delete-job.ts';
import type { DeleteRefusal } from '../services/delete-job.ts';
import { authenticated, onInvalid } from './access.ts';
import { BY_API_KEY, errors, json, KEY_ERRORS } from './describe.ts';
import { toFindWire } from './error.ts';
import { JobPath } from './jobs.ts';
import { refuse } from './wire.ts';
import type { Wire } from './wire.ts';

const deleteJobRoute = createRoute({
  method: 'delete',
  path: '/v1/jobs/{id}',
  tags: ['Jobs'],
  summary: 'Delete the results and the prompt of a job',
  description:
    'Removes what you sent and what was made: prompt, labels, results, events, the place in the ' +
    'gallery. The job stays in your list with its times and cost, without a word of yours. A ' +
    'job that has not ended is to be cancelled first. May be repeated.',
  security: BY_API_KEY,
  middleware: authenticated('jobs:write'),
  request: { params: JobPath },
  responses: {
    200: { description: 'It is gone.', content: json(Deleted) },
    ...errors('not_found', 'job_active', 'history_unavailable', ...KEY_ERRORS),
  },
});

export const jobDeleteRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid }).openapi(
  deleteJobRoute,
  async (c) => {
    const { id } = c.req.valid('param');
    const owner = { jobId: id, accountId: c.get('principal').accountId };
    const context = { requestId: c.get('requestId'), now: Date.now() };
    const deleted = await deleteJob(c.get('env'), owner, context);
    if (!deleted.ok) refuse(toDeleteWire(deleted.error));
    return c.json({ id, deleted: true as const }, 200);
  },
);

export function toDeleteWire(refusal: DeleteRefusal): Wire {
  switch (refusal.reason) {
    case 'job_not_found':
    case 'history_unavailable':
      return toFindWire(refusal);
    case 'job_active':
      return { code: 'job_active', details: { status: refusal.status } };
  }
}
