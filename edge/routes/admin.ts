/** `/admin/v1/agents` and `/admin/v1/queue`: the operator's agents and queue. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { AgentView, CreateAgent, CreatedAgent, QueueOverview } from '#schema/api.ts';
import { AgentId } from '#schema/id.ts';
import { REASON_CHARS_MAX } from '#schema/limits.ts';
import type { AppEnv } from '../env.ts';
import { drainAgent } from '../services/drain-agent.ts';
import { issueAgent } from '../services/issue-agent.ts';
import { listAgents } from '../services/list-agents.ts';
import { revokeAgent } from '../services/revoke-agent.ts';
import { viewQueue } from '../services/view-queue.ts';
import { fromAdmin, onInvalid } from './access.ts';
import { ADMIN_ERRORS, BODY_ERRORS, BY_ADMIN, errors, json } from './describe.ts';
import { refuse } from './wire.ts';

const COMMON = { tags: ['Admin'], security: BY_ADMIN, middleware: fromAdmin };

const issueAgentRoute = createRoute({
  ...COMMON,
  method: 'post',
  path: '/admin/v1/agents',
  summary: 'Issue an agent and its token',
  request: { body: { content: json(CreateAgent, { name: 'living room' }), required: true } },
  responses: {
    201: { description: 'The agent; the token is shown once.', content: json(CreatedAgent) },
    ...errors('too_many_agents', ...BODY_ERRORS, ...ADMIN_ERRORS),
  },
});

const listAgentsRoute = createRoute({
  ...COMMON,
  method: 'get',
  path: '/admin/v1/agents',
  summary: 'List the agents of all pools',
  responses: {
    200: { description: 'The agents.', content: json(z.object({ data: z.array(AgentView) })) },
    ...errors(...ADMIN_ERRORS),
  },
});

const AgentPath = z.object({ id: AgentId });
const Why = z.strictObject({
  reason: z.string().trim().min(1).max(REASON_CHARS_MAX).optional().openapi({
    description: 'Why; kept in the audit.',
  }),
});
const drainAgentRoute = createRoute({
  ...COMMON,
  method: 'post',
  path: '/admin/v1/agents/{id}/drain',
  summary: 'Let an agent finish, then leave',
  request: { params: AgentPath, query: Why },
  responses: {
    204: { description: 'The agent takes no more jobs.' },
    ...errors('not_found', 'invalid_request', ...ADMIN_ERRORS),
  },
});

const revokeAgentRoute = createRoute({
  ...COMMON,
  method: 'delete',
  path: '/admin/v1/agents/{id}',
  summary: "Revoke an agent's token",
  request: { params: AgentPath, query: Why },
  responses: {
    204: { description: 'The token opens nothing any more.' },
    ...errors('not_found', 'invalid_request', ...ADMIN_ERRORS),
  },
});

const queueRoute = createRoute({
  ...COMMON,
  method: 'get',
  path: '/admin/v1/queue',
  summary: 'How all pools together stand',
  responses: {
    200: {
      description: 'What waits, runs and is still to be delivered.',
      content: json(QueueOverview),
    },
    ...errors(...ADMIN_ERRORS),
  },
});

export const adminRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid })
  .openapi(issueAgentRoute, async (c) => {
    const cause = { requestId: c.get('requestId'), now: Date.now() };
    const issued = await issueAgent(c.get('env'), c.req.valid('json'), cause);
    if (!issued.ok) refuse({ code: issued.error.reason });
    return c.json(issued.value, 201);
  })
  .openapi(listAgentsRoute, async (c) => c.json({ data: await listAgents(c.get('env')) }, 200))
  .openapi(drainAgentRoute, async (c) => {
    const { id } = c.req.valid('param');
    if (!(await drainAgent(c.get('env'), id, toDeed(c.get('requestId'), c.req.valid('query')))))
      refuse({ code: 'not_found' });
    return c.body(null, 204);
  })
  .openapi(revokeAgentRoute, async (c) => {
    const { id } = c.req.valid('param');
    if (!(await revokeAgent(c.get('env'), id, toDeed(c.get('requestId'), c.req.valid('query')))))
      refuse({ code: 'not_found' });
    return c.body(null, 204);
  })
  .openapi(queueRoute, async (c) => c.json(await viewQueue(c.get('env')), 200));

function toDeed(requestId: string, { reason }: z.infer<typeof Why>) {
  return { requestId, reason };
}
