/** `GET /admin/v1/bots`: the operator's view of the bots. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import { BotList } from '#schema/bot.ts';
import type { AppEnv } from '../env.ts';
import { listBots } from '../services/list-bots.ts';
import { fromAdmin, onInvalid } from './access.ts';
import { BY_ADMIN, errors, json } from './describe.ts';

const listBotsRoute = createRoute({
  tags: ['Admin'],
  security: BY_ADMIN,
  middleware: fromAdmin,
  method: 'get',
  path: '/admin/v1/bots',
  summary: 'List the bots and how they stand',
  responses: {
    200: { description: 'The bots.', content: json(BotList) },
    ...errors('unauthorized', 'unavailable', 'internal'),
  },
});

export const botRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid }).openapi(
  listBotsRoute,
  async (c) => c.json({ data: await listBots(c.get('env')) }, 200),
);
