/** `/admin/v1/jobs` and `/admin/v1/audit`: the operator looks at any job, stops it, reads the audit. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { AdminJobQuery, AdminJobView, AuditList, AuditQuery, WithReason } from '#schema/admin.ts';
import { CancelView } from '#schema/api.ts';
import { JobId } from '#schema/id.ts';
import type { AppEnv } from '../env.ts';
import { inspectJob } from '../services/inspect-job.ts';
import { listAudit } from '../services/list-audit.ts';
import { stopJob } from '../services/stop-job.ts';
import { fromAdmin, onInvalid } from './access.ts';
import { ADMIN_ERRORS, BODY_ERRORS, BY_ADMIN, errors, json } from './describe.ts';
import { toFindWire, toListWire } from './error.ts';
import type { FindRefusal } from '../services/find-job.ts';
import { refuse } from './wire.ts';
import type { Wire } from './wire.ts';

const COMMON = { tags: ['Admin'], security: BY_ADMIN, middleware: fromAdmin };
const JobPath = z.object({ id: JobId });

const inspectRoute = createRoute({
  ...COMMON,
  method: 'get',
  path: '/admin/v1/jobs/{id}',
  summary: "Look at anyone's job",
  description: 'The audit tells that it was looked at.',
  request: { params: JobPath, query: AdminJobQuery },
  responses: {
    200: { description: 'The job.', content: json(AdminJobView) },
    ...errors('invalid_request', 'not_found', 'history_unavailable', ...ADMIN_ERRORS),
  },
});

const stopRoute = createRoute({
  ...COMMON,
  method: 'post',
  path: '/admin/v1/jobs/{id}/cancel',
  summary: "Cancel anyone's job",
  request: {
    params: JobPath,
    query: AdminJobQuery,
    body: { content: json(WithReason, { reason: 'asked by its user' }), required: true },
  },
  responses: {
    200: { description: 'What became of it.', content: json(CancelView) },
    ...errors('not_found', 'history_unavailable', ...BODY_ERRORS, ...ADMIN_ERRORS),
  },
});

const auditRoute = createRoute({
  ...COMMON,
  method: 'get',
  path: '/admin/v1/audit',
  summary: 'Read the audit, newest first',
  description: 'From Postgres: an entry may be a moment behind what it tells of.',
  request: { query: AuditQuery },
  responses: {
    200: { description: 'A page of entries.', content: json(AuditList) },
    ...errors('invalid_request', 'history_unavailable', ...ADMIN_ERRORS),
  },
});

export const adminJobRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid })
  .openapi(inspectRoute, async (c) => {
    const { env, origin, requestId } = c.var;
    const { id: jobId } = c.req.valid('param');
    const { account_id: accountId = null } = c.req.valid('query');
    const look = { jobId, accountId, deed: { actor: 'admin', requestId, reason: null } };
    const context = { signingKey: env.signingKey, origin, now: Date.now() };
    const found = await inspectJob(env, look, context);
    if (!found.ok) refuse(toLookWire(found.error));
    return c.json(found.value, 200);
  })
  .openapi(stopRoute, async (c) => {
    const { reason } = c.req.valid('json');
    const deed = { actor: 'admin', requestId: c.get('requestId'), reason };
    const { id: jobId } = c.req.valid('param');
    const { account_id: accountId = null } = c.req.valid('query');
    const stopped = await stopJob(c.get('env'), { jobId, accountId }, deed);
    if (!stopped.ok) refuse(toLookWire(stopped.error));
    return c.json({ result: stopped.value }, 200);
  })
  .openapi(auditRoute, async (c) => {
    const page = await listAudit(c.get('env'), c.req.valid('query'));
    if (!page.ok) refuse(toListWire(page.error));
    return c.json(page.value, 200);
  });

function toLookWire(refusal: FindRefusal): Wire {
  if (refusal.reason !== 'job_not_found') return toFindWire(refusal);
  const message = 'No such job; one that has not reached the queue is found with its account_id.';
  return { code: 'not_found', message };
}
