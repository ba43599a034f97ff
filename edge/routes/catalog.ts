/** What may be seen without or with a key beside jobs: models, the account, health. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import { AccountView, HealthView, ModelList } from '#schema/api.ts';
import type { AppEnv } from '../env.ts';
import { checkHealth } from '../services/check-health.ts';
import { listModels } from '../services/list-models.ts';
import { viewAccount } from '../services/view-account.ts';
import { keyed, onInvalid, showRate } from './access.ts';
import { BY_API_KEY, errors, json, KEY_ERRORS } from './describe.ts';
import { toAccessWire } from './error.ts';
import { refuse } from './wire.ts';

const modelsRoute = createRoute({
  method: 'get',
  path: '/v1/models',
  tags: ['Models'],
  summary: 'List the models',
  description: 'Every model of the catalog with its price, limits and availability. Needs no key.',
  responses: {
    200: { description: 'The models, in the order of preference.', content: json(ModelList) },
    ...errors('internal'),
  },
});

const accountRoute = createRoute({
  method: 'get',
  path: '/v1/account',
  tags: ['Account'],
  summary: 'Show your account',
  description: 'Plan, what is left of the day, limits.',
  security: BY_API_KEY,
  middleware: keyed,
  responses: {
    200: { description: 'The account of the key.', content: json(AccountView) },
    ...errors(...KEY_ERRORS),
  },
});

const healthRoute = createRoute({
  method: 'get',
  path: '/health',
  tags: ['Service'],
  summary: 'How the service stands',
  responses: {
    200: { description: 'Every dependency answers.', content: json(HealthView) },
    503: { description: 'Some dependency is down.', content: json(HealthView) },
  },
});

export const catalogRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid })
  .openapi(modelsRoute, async (c) => {
    const data = await listModels(c.get('env'), Date.now());
    return c.json({ object: 'list' as const, data }, 200);
  })
  .openapi(accountRoute, async (c) => {
    const account = await viewAccount(c.get('env'), c.get('credential'));
    if (!account.ok) refuse(toAccessWire(account.error));
    showRate(c, account.value.principal);
    return c.json(account.value.view, 200);
  })
  .openapi(healthRoute, async (c) => {
    const view = await checkHealth(c.get('env'), Date.now());
    if (view.status === 'ok') return c.json(view, 200);
    c.header('retry-after', '5');
    return c.json(view, 503);
  });
