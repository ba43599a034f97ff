/**
 * `/v1/webhooks`: endpoints that are told of jobs and of the day's tokens, the log of what they
 * were told, and how to send it again. `default` stands for the URLs that single jobs come with.
 */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { IdempotencyKey, JobView } from '#schema/api.ts';
import { PAGE_DEFAULT, PAGE_MAX } from '#schema/limits.ts';
import {
  CreateWebhook,
  DeliveryId,
  DeliveryList,
  DeliveryView,
  RotateWebhook,
  UpdateWebhook,
  WebhookId,
  WebhookList,
  WebhookSecret,
  WebhookView,
  WebhookWithSecret,
} from '#schema/webhook.ts';
import type { AppEnv } from '../env.ts';
import type { Deed } from '../rpc/account.ts';
import { changeEndpoint } from '../services/change-endpoint.ts';
import { deleteEndpoint } from '../services/delete-endpoint.ts';
import { enableEndpoint } from '../services/enable-endpoint.ts';
import { OF_JOBS } from '../services/find-endpoint.ts';
import { listDeliveries } from '../services/list-deliveries.ts';
import { listEndpoints } from '../services/list-endpoints.ts';
import { makeEndpoint } from '../services/make-endpoint.ts';
import { readSecret } from '../services/read-secret.ts';
import { redeliverEvent } from '../services/redeliver-event.ts';
import { rotateSecret } from '../services/rotate-secret.ts';
import { showEndpoint } from '../services/show-endpoint.ts';
import { testEndpoint } from '../services/test-endpoint.ts';
import { authenticated, onInvalid } from './access.ts';
import type { PrincipalEnv } from './access.ts';
import { BODY_ERRORS, BY_API_KEY, errors, json, KEY_ERRORS } from './describe.ts';
import { refuse } from './wire.ts';
import { NO_ENDPOINT, toEndpointWire, toRedeliverWire, toRepeatWire } from './webhook-error.ts';

const COMMON = {
  tags: ['Webhooks'],
  security: BY_API_KEY,
  middleware: authenticated('webhooks:write'),
};
const WebhookPath = z.object({ id: WebhookId });
/** Of an endpoint, or of the URLs of single jobs. */
const LogPath = z.object({ id: z.union([WebhookId, z.literal(OF_JOBS)]) });
const DeliveryPath = LogPath.extend({ delivery_id: DeliveryId });

const OVERLAP_S = 24 * 60 * 60;

const listRoute = createRoute({
  ...COMMON,
  method: 'get',
  path: '/v1/webhooks',
  summary: 'List your webhook endpoints',
  responses: {
    200: { description: 'The endpoints, oldest first.', content: json(WebhookList) },
    ...errors(...KEY_ERRORS),
  },
});

const makeRoute = createRoute({
  ...COMMON,
  method: 'post',
  path: '/v1/webhooks',
  summary: 'Make a webhook endpoint',
  description:
    'It is sent `{ type, timestamp, data }` by POST, signed after Standard Webhooks, and must ' +
    'answer with a 2xx within 15 seconds. What fails is tried 10 times over about two hours, ' +
    'always with the same `webhook-id`. `data` of a job is as in `GET /v1/jobs/{id}`. With an ' +
    '`Idempotency-Key`, a random one, the request may be repeated for a day: it makes one ' +
    'endpoint, and is answered with its secret until that is rotated.',
  request: {
    headers: z.object({ 'idempotency-key': IdempotencyKey.optional() }),
    body: {
      content: json(CreateWebhook, {
        url: 'https://example.com/hooks/tessera',
        events: ['job.completed', 'job.failed'],
      }),
      required: true,
    },
  },
  responses: {
    201: {
      description: 'The endpoint; its secret is shown once.',
      content: json(WebhookWithSecret),
    },
    ...errors(
      ...BODY_ERRORS,
      'webhook_refused',
      'too_many_webhooks',
      'idempotency_conflict',
      ...KEY_ERRORS,
    ),
  },
});

const showRoute = createRoute({
  ...COMMON,
  method: 'get',
  path: '/v1/webhooks/{id}',
  summary: 'Show a webhook endpoint',
  request: { params: WebhookPath },
  responses: {
    200: { description: 'The endpoint as it stands.', content: json(WebhookView) },
    ...errors('not_found', ...KEY_ERRORS),
  },
});

const updateRoute = createRoute({
  ...COMMON,
  method: 'patch',
  path: '/v1/webhooks/{id}',
  summary: 'Change a webhook endpoint',
  description:
    'What is left out stays. Deliveries that wait go to the new URL. While `enabled` is false ' +
    'nothing is sent, and what comes is dropped; it can be redelivered later.',
  request: {
    params: WebhookPath,
    body: { content: json(UpdateWebhook, { events: ['job.failed'] }), required: true },
  },
  responses: {
    200: { description: 'The endpoint as it stands.', content: json(WebhookView) },
    ...errors(...BODY_ERRORS, 'webhook_refused', 'not_found', ...KEY_ERRORS),
  },
});

const deleteRoute = createRoute({
  ...COMMON,
  method: 'delete',
  path: '/v1/webhooks/{id}',
  summary: 'Delete a webhook endpoint',
  description: 'Its log goes too, and what was still to be delivered.',
  request: { params: WebhookPath },
  responses: {
    204: { description: 'It is told of nothing any more.' },
    ...errors('not_found', ...KEY_ERRORS),
  },
});

const enableRoute = createRoute({
  ...COMMON,
  method: 'post',
  path: '/v1/webhooks/{id}/enable',
  summary: 'Send to a disabled endpoint again',
  description:
    'An endpoint is disabled when it answers 410, or when five deliveries in a row were given ' +
    'up and none has arrived for a day. What was dropped meanwhile can be redelivered.',
  request: { params: WebhookPath },
  responses: {
    200: { description: 'The endpoint as it stands.', content: json(WebhookView) },
    ...errors('not_found', ...KEY_ERRORS),
  },
});

const rotateRoute = createRoute({
  ...COMMON,
  method: 'post',
  path: '/v1/webhooks/{id}/rotate',
  summary: 'Give an endpoint a new secret',
  description: 'For `overlap_s` every message is signed with both, so that none is refused.',
  request: {
    params: WebhookPath,
    body: { content: json(RotateWebhook, { overlap_s: 3600 }), required: true },
  },
  responses: {
    200: { description: 'The endpoint with its new secret.', content: json(WebhookWithSecret) },
    ...errors(...BODY_ERRORS, 'not_found', ...KEY_ERRORS),
  },
});

const secretRoute = createRoute({
  ...COMMON,
  method: 'get',
  path: '/v1/webhooks/default/secret',
  summary: 'Show what signs messages to the URLs of single jobs',
  description: 'For jobs whose `webhook` has a `url` and no `secret`.',
  responses: {
    200: { description: 'The secret.', content: json(WebhookSecret) },
    ...errors(...KEY_ERRORS),
  },
});

const testRoute = createRoute({
  ...COMMON,
  method: 'post',
  path: '/v1/webhooks/{id}/test',
  summary: 'Send a test message',
  request: { params: WebhookPath },
  responses: {
    202: { description: 'It is on its way; the log tells.', content: json(DeliveryView) },
    ...errors('not_found', 'webhook_disabled', ...KEY_ERRORS),
  },
});

const deliveriesRoute = createRoute({
  ...COMMON,
  method: 'get',
  path: '/v1/webhooks/{id}/deliveries',
  summary: 'List what an endpoint was sent, newest first',
  description:
    'The newest 5,000 of seven days. With `default` for the id: what was sent to the URLs of ' +
    'single jobs.',
  request: {
    params: LogPath,
    query: z.strictObject({
      cursor: z
        .string()
        .regex(/^\d{1,15}$/, 'is not a cursor; send the next_cursor of the page before')
        .optional(),
      limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_DEFAULT),
    }),
  },
  responses: {
    200: { description: 'A page of deliveries.', content: json(DeliveryList) },
    ...errors('invalid_request', 'not_found', ...KEY_ERRORS),
  },
});

const redeliverRoute = createRoute({
  ...COMMON,
  method: 'post',
  path: '/v1/webhooks/{id}/deliveries/{delivery_id}/redeliver',
  summary: 'Send a message again',
  description:
    'With the same `webhook-id`, the job as it stands now, fresh URLs and all tries. One that ' +
    'waits for its next try is sent at once.',
  request: { params: DeliveryPath },
  responses: {
    202: { description: 'It is on its way; the log tells.', content: json(DeliveryView) },
    ...errors('not_found', 'webhook_disabled', 'history_unavailable', ...KEY_ERRORS),
  },
});

export const webhookRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid })
  .openapi(listRoute, async (c) => {
    const data = await listEndpoints(c.get('env'), c.get('principal').accountId);
    return c.json({ data }, 200);
  })
  .openapi(makeRoute, async (c) => {
    const made = await makeEndpoint(c.get('env'), c.get('principal').accountId, {
      request: c.req.valid('json'),
      idempotencyKey: c.req.valid('header')['idempotency-key'] ?? null,
      deed: toDeed(c.var),
      now: Date.now(),
    });
    if (!made.ok) refuse(toEndpointWire(made.error));
    if (made.value.replayed) c.header('idempotent-replayed', 'true');
    return c.json(made.value.endpoint, 201);
  })
  .openapi(showRoute, async (c) => {
    const { accountId } = c.get('principal');
    const owner = { accountId, id: c.req.valid('param').id };
    return c.json((await showEndpoint(c.get('env'), owner)) ?? refuse(NO_ENDPOINT), 200);
  })
  .openapi(updateRoute, async (c) => {
    const { accountId } = c.get('principal');
    const owner = { accountId, id: c.req.valid('param').id };
    const change = { change: c.req.valid('json'), deed: toDeed(c.var) };
    const endpoint = await changeEndpoint(c.get('env'), owner, change);
    if (!endpoint.ok) refuse(toEndpointWire(endpoint.error));
    return c.json(endpoint.value, 200);
  })
  .openapi(secretRoute, async (c) => {
    const secret = await readSecret(c.get('env'), c.get('principal').accountId);
    return c.json({ secret }, 200);
  })
  .openapi(deleteRoute, async (c) => {
    const { accountId } = c.get('principal');
    const owner = { accountId, id: c.req.valid('param').id };
    if (!(await deleteEndpoint(c.get('env'), owner, toDeed(c.var)))) refuse(NO_ENDPOINT);
    return c.body(null, 204);
  })
  .openapi(enableRoute, async (c) => {
    const { accountId } = c.get('principal');
    const owner = { accountId, id: c.req.valid('param').id };
    const endpoint = await enableEndpoint(c.get('env'), owner, toDeed(c.var));
    if (!endpoint) refuse(NO_ENDPOINT);
    return c.json(endpoint, 200);
  })
  .openapi(rotateRoute, async (c) => {
    const { accountId } = c.get('principal');
    const overlapMs = (c.req.valid('json').overlap_s ?? OVERLAP_S) * 1000;
    const owner = { accountId, id: c.req.valid('param').id };
    const rotation = { overlapMs, deed: toDeed(c.var) };
    const endpoint = await rotateSecret(c.get('env'), owner, rotation);
    if (!endpoint) refuse(NO_ENDPOINT);
    return c.json(endpoint, 200);
  })
  .openapi(testRoute, async (c) => {
    const { accountId } = c.get('principal');
    const sent = await testEndpoint(c.get('env'), { accountId, id: c.req.valid('param').id });
    if (!sent.ok) refuse(toRepeatWire(sent.error));
    return c.json(sent.value, 202);
  })
  .openapi(deliveriesRoute, async (c) => {
    const { accountId } = c.get('principal');
    const owner = { accountId, id: c.req.valid('param').id };
    const { cursor, limit } = c.req.valid('query');
    const page = await listDeliveries(c.get('env'), owner, { cursor, limit });
    if (!page) refuse(NO_ENDPOINT);
    return c.json({ data: page.data, next_cursor: page.nextCursor }, 200);
  })
  .openapi(redeliverRoute, async (c) => {
    const { accountId } = c.get('principal');
    const { id, delivery_id: deliveryId } = c.req.valid('param');
    const sent = await redeliverEvent(c.get('env'), { accountId, id }, deliveryId);
    if (!sent.ok) refuse(toRedeliverWire(sent.error));
    return c.json(sent.value, 202);
  });

/** Who changes an endpoint, for the audit. */
function toDeed({ principal, requestId }: PrincipalEnv['Variables']): Deed {
  return { actor: principal.apiKeyId ?? principal.accountId, requestId, reason: null };
}

/** What an endpoint is sent of a job, for the reference. */
webhookRoutes.openAPIRegistry.registerWebhook({
  method: 'post',
  path: 'job.ended',
  tags: ['Webhooks'],
  summary: 'A job has ended',
  description:
    'Verify `webhook-signature` with a library of standardwebhooks.com, refuse a ' +
    '`webhook-timestamp` that is older than five minutes, and know repeats by `webhook-id`.',
  request: {
    headers: z.object({
      'webhook-id': DeliveryId,
      'webhook-timestamp': z.string().openapi({ description: 'Seconds since 1970.' }),
      'webhook-signature': z.string().openapi({ description: '`v1,` and base64; may be several.' }),
    }),
    body: {
      content: json(
        z.object({
          type: z.enum(['job.completed', 'job.failed', 'job.cancelled']),
          timestamp: z.iso.datetime(),
          data: JobView,
        }),
      ),
    },
  },
  responses: { 204: { description: 'Any 2xx: it has arrived.' } },
});
