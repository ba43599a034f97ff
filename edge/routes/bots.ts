/** `GET /admin/v1/bots` and `GET /admin/v1/metrics`: the operator's view of the bots. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { createMiddleware } from 'hono/factory';
import { BotList } from '#schema/bot.ts';
import type { AppEnv } from '../env.ts';
import { admitScraper } from '../services/admit-scraper.ts';
import { listBots } from '../services/list-bots.ts';
import { measureBots } from '../services/measure-bots.ts';
import { fromAdmin, onInvalid } from './access.ts';
import { BY_ADMIN, errors, json } from './describe.ts';
import { refuse } from './wire.ts';

const EXAMPLE = [
  '# HELP tessera_bot_rate_limited_total Calls that the platform refused as too many (429).',
  '# TYPE tessera_bot_rate_limited_total counter',
  'tessera_bot_rate_limited_total{bot="painter-1",platform="telegram",type="image"} 3',
].join('\n');

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

/** The operator's key, or the token of a scraper, which opens nothing else. */
const fromScraper = createMiddleware<AppEnv>(async (c, next) => {
  const isKnown = await admitScraper(c.get('env'), c.req.header('authorization'));
  if (!isKnown) refuse({ code: 'unauthorized' });
  await next();
});

const metricsRoute = createRoute({
  tags: ['Admin'],
  security: BY_ADMIN,
  middleware: fromScraper,
  method: 'get',
  path: '/admin/v1/metrics',
  summary: 'Read the bots in figures',
  description:
    'For Prometheus: per bot its calls, refusals for too many of them (429) and the waits these ' +
    'came with, what waits and how long, the delay from the end of a job to its result in the ' +
    'chat, messages given up, and its status. Counters begin at zero when a bot’s courier ' +
    'starts, as after a deployment. Opens to the admin key, and to `METRICS_TOKEN` where that is ' +
    'set, so that a scraper need not hold the key.',
  responses: {
    200: {
      description: 'The figures, in the text format 0.0.4.',
      content: { 'text/plain': { schema: z.string(), example: EXAMPLE } },
    },
    ...errors('unauthorized', 'unavailable', 'internal'),
  },
});

export const botRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid })
  .openapi(listBotsRoute, async (c) => c.json({ data: await listBots(c.get('env')) }, 200))
  .openapi(metricsRoute, async (c) => {
    const { text, contentType } = await measureBots(c.get('env'));
    return c.text(text, 200, { 'content-type': contentType });
  });
