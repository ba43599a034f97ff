/** `/admin/v1/*`: the operator's accounts, agents and queue. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import {
  AgentView,
  CreateAccount,
  CreateAgent,
  CreatedAccount,
  CreatedAgent,
  QueueOverview,
} from '#schema/api.ts';
import type { ErrorCode } from '#schema/error.ts';
import { AccountId, AgentId, ApiKeyId } from '#schema/id.ts';
import type { AppEnv } from '../env.ts';
import { createAccount } from '../services/create-account.ts';
import { drainAgent } from '../services/drain-agent.ts';
import { issueAgent } from '../services/issue-agent.ts';
import { listAgents } from '../services/list-agents.ts';
import { revokeAgent } from '../services/revoke-agent.ts';
import { revokeKey } from '../services/revoke-key.ts';
import { viewQueue } from '../services/view-queue.ts';
import { fromAdmin, onInvalid } from './access.ts';
import { BY_ADMIN, errors, json } from './describe.ts';
import { refuse } from './wire.ts';

const COMMON = { tags: ['Admin'], security: BY_ADMIN, middleware: fromAdmin };
const ERRORS_OF_ALL = ['unauthorized', 'unavailable', 'internal'] as const satisfies ErrorCode[];
const BODY_ERRORS = [
  'invalid_request',
  'invalid_json',
  'unsupported_media_type',
  'body_too_large',
] as const satisfies ErrorCode[];

const createAccountRoute = createRoute({
  ...COMMON,
  method: 'post',
  path: '/admin/v1/accounts',
  summary: 'Make an account with its first API key',
  request: { body: { content: json(CreateAccount, { name: 'Ada', plan: 'pro' }), required: true } },
  responses: {
    201: { description: 'The account; the key is shown once.', content: json(CreatedAccount) },
    ...errors(...BODY_ERRORS, ...ERRORS_OF_ALL),
  },
});

const revokeKeyRoute = createRoute({
  ...COMMON,
  method: 'delete',
  path: '/admin/v1/accounts/{id}/keys/{key_id}',
  summary: 'Revoke an API key',
  request: { params: z.object({ id: AccountId, key_id: ApiKeyId }) },
  responses: {
    204: { description: 'The key opens nothing any more.' },
    ...errors('not_found', ...ERRORS_OF_ALL),
  },
});

const issueAgentRoute = createRoute({
  ...COMMON,
  method: 'post',
  path: '/admin/v1/agents',
  summary: 'Issue an agent and its token',
  request: { body: { content: json(CreateAgent, { name: 'living room' }), required: true } },
  responses: {
    201: { description: 'The agent; the token is shown once.', content: json(CreatedAgent) },
    ...errors('too_many_agents', ...BODY_ERRORS, ...ERRORS_OF_ALL),
  },
});

const listAgentsRoute = createRoute({
  ...COMMON,
  method: 'get',
  path: '/admin/v1/agents',
  summary: 'List the agents of all pools',
  responses: {
    200: { description: 'The agents.', content: json(z.object({ data: z.array(AgentView) })) },
    ...errors(...ERRORS_OF_ALL),
  },
});

const AgentPath = z.object({ id: AgentId });
const drainAgentRoute = createRoute({
  ...COMMON,
  method: 'post',
  path: '/admin/v1/agents/{id}/drain',
  summary: 'Let an agent finish, then leave',
  request: { params: AgentPath },
  responses: {
    204: { description: 'The agent takes no more jobs.' },
    ...errors('not_found', ...ERRORS_OF_ALL),
  },
});

const revokeAgentRoute = createRoute({
  ...COMMON,
  method: 'delete',
  path: '/admin/v1/agents/{id}',
  summary: "Revoke an agent's token",
  request: { params: AgentPath },
  responses: {
    204: { description: 'The token opens nothing any more.' },
    ...errors('not_found', ...ERRORS_OF_ALL),
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
    ...errors(...ERRORS_OF_ALL),
  },
});

export const adminRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid })
  .openapi(createAccountRoute, async (c) => {
    const cause = { requestId: c.get('requestId'), now: Date.now() };
    return c.json(await createAccount(c.get('env'), c.req.valid('json'), cause), 201);
  })
  .openapi(revokeKeyRoute, async (c) => {
    const { id: accountId, key_id: apiKeyId } = c.req.valid('param');
    const key = { accountId, apiKeyId };
    if (!(await revokeKey(c.get('env'), key, c.get('requestId')))) refuse({ code: 'not_found' });
    return c.body(null, 204);
  })
  .openapi(issueAgentRoute, async (c) => {
    const cause = { requestId: c.get('requestId'), now: Date.now() };
    const issued = await issueAgent(c.get('env'), c.req.valid('json'), cause);
    if (!issued.ok) refuse({ code: issued.error.reason });
    return c.json(issued.value, 201);
  })
  .openapi(listAgentsRoute, async (c) => c.json({ data: await listAgents(c.get('env')) }, 200))
  .openapi(drainAgentRoute, async (c) => {
    const { id } = c.req.valid('param');
    if (!(await drainAgent(c.get('env'), id, c.get('requestId')))) refuse({ code: 'not_found' });
    return c.body(null, 204);
  })
  .openapi(revokeAgentRoute, async (c) => {
    const { id } = c.req.valid('param');
    if (!(await revokeAgent(c.get('env'), id, c.get('requestId')))) refuse({ code: 'not_found' });
    return c.body(null, 204);
  })
  .openapi(queueRoute, async (c) => c.json(await viewQueue(c.get('env')), 200));
