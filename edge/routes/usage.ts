/** `/v1/usage`: what an account used. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import { USAGE_DAYS_MAX } from '#schema/limits.ts';
import { UsageQuery, UsageReport } from '#schema/report.ts';
import type { AppEnv } from '../env.ts';
import { reportUsage } from '../services/report-usage.ts';
import type { UsageRefusal } from '../services/report-usage.ts';
import { authenticated, onInvalid } from './access.ts';
import { BY_API_KEY, errors, json, KEY_ERRORS } from './describe.ts';
import { toFieldWire, toListWire } from './error.ts';
import { refuse } from './wire.ts';
import type { Wire } from './wire.ts';

const usageRoute = createRoute({
  method: 'get',
  path: '/v1/usage',
  tags: ['Account'],
  summary: 'Show what you used',
  description:
    `Sums of the jobs that have ended, over at most ${USAGE_DAYS_MAX} UTC days, told apart by day, ` +
    'type, model or key. A job counts on the day of its submit. May be a second behind.',
  security: BY_API_KEY,
  middleware: authenticated('account:read'),
  request: { query: UsageQuery },
  responses: {
    200: { description: 'A page of sums, and the total.', content: json(UsageReport) },
    ...errors('invalid_request', 'history_unavailable', ...KEY_ERRORS),
  },
});

export const usageRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid }).openapi(
  usageRoute,
  async (c) => {
    const question = { accountId: c.get('principal').accountId, query: c.req.valid('query') };
    const report = await reportUsage(c.get('env'), question, Date.now());
    if (!report.ok) refuse(toUsageWire(report.error));
    return c.json(report.value, 200);
  },
);

function toUsageWire(refusal: UsageRefusal): Wire {
  switch (refusal.reason) {
    case 'bad_cursor':
    case 'history_unavailable':
      return toListWire(refusal);
    case 'bad_span': {
      const { field, value } = refusal;
      const message = `must make a span of 1 to ${USAGE_DAYS_MAX} days`;
      return toFieldWire({ field, value, limit: USAGE_DAYS_MAX, message });
    }
  }
}
