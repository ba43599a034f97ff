/** `/v1/keys`: list, make, rotate and revoke API keys. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { IdempotencyKey } from '#schema/api.ts';
import { ApiKeyId } from '#schema/id.ts';
import { CreatedKey, CreateKey, KeyList, RotateKey } from '#schema/key.ts';
import type { AppEnv } from '../env.ts';
import { listKeys } from '../services/list-keys.ts';
import { makeKey } from '../services/make-key.ts';
import type { MakeKeyRefusal } from '../services/make-key.ts';
import { revokeKey } from '../services/revoke-key.ts';
import { rotateKey } from '../services/rotate-key.ts';
import { authenticated, onInvalid } from './access.ts';
import { BODY_ERRORS, BY_API_KEY, errors, json, KEY_ERRORS } from './describe.ts';
import { toFieldWire } from './error.ts';
import { refuse } from './wire.ts';
import type { Wire } from './wire.ts';

const COMMON = {
  tags: ['Keys'],
  security: BY_API_KEY,
  middleware: authenticated('keys:write'),
};
const KeyPath = z.object({ id: ApiKeyId });

const EXAMPLE = {
  name: 'shop window',
  scopes: ['jobs:read', 'jobs:write'],
  models: ['painter'],
  daily_tokens: 20,
  expires_at: '2030-12-31T23:59:59.000Z',
};

const listRoute = createRoute({
  ...COMMON,
  method: 'get',
  path: '/v1/keys',
  summary: 'List your API keys',
  description: 'Those that are not revoked, oldest first. Secrets are never shown again.',
  responses: {
    200: { description: 'The keys.', content: json(KeyList) },
    ...errors(...KEY_ERRORS),
  },
});

const makeRoute = createRoute({
  ...COMMON,
  method: 'post',
  path: '/v1/keys',
  summary: 'Make an API key',
  description:
    'The secret is in this answer and nowhere else, unless the request has an ' +
    '`Idempotency-Key`: repeated with the same body within a day it makes no other key, and is ' +
    'answered with the same secret, until the key is rotated or revoked. Let it be a random one. ' +
    'A key hands out no more than it has: its scopes, and no later end; one kept to models, a ' +
    'budget or a rate makes no keys.',
  request: {
    headers: z.object({ 'idempotency-key': IdempotencyKey.optional() }),
    body: { content: json(CreateKey, EXAMPLE), required: true },
  },
  responses: {
    201: { description: 'The key with its secret.', content: json(CreatedKey) },
    ...errors('too_many_keys', 'forbidden', 'idempotency_conflict', ...BODY_ERRORS, ...KEY_ERRORS),
  },
});

const rotateRoute = createRoute({
  ...COMMON,
  method: 'post',
  path: '/v1/keys/{id}/rotate',
  summary: 'Give an API key a new secret',
  description:
    'The old secret goes on working for `overlap_s` seconds. A second rotation ends the overlap ' +
    'of the first: two secrets of a key work at most.',
  request: {
    params: KeyPath,
    body: { content: json(RotateKey, { overlap_s: 86_400 }), required: true },
  },
  responses: {
    200: { description: 'The key with its new secret.', content: json(CreatedKey) },
    ...errors('not_found', 'forbidden', ...BODY_ERRORS, ...KEY_ERRORS),
  },
});

const revokeRoute = createRoute({
  ...COMMON,
  method: 'delete',
  path: '/v1/keys/{id}',
  summary: 'Revoke an API key',
  description: 'At once and for good. Jobs that it submitted go on.',
  request: { params: KeyPath },
  responses: {
    204: { description: 'The key opens nothing any more.' },
    ...errors('not_found', ...KEY_ERRORS),
  },
});

export const keyRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid })
  .openapi(listRoute, async (c) => {
    const data = await listKeys(c.get('env'), c.get('principal').accountId);
    return c.json({ data, next_cursor: null }, 200);
  })
  .openapi(makeRoute, async (c) => {
    const made = await makeKey(
      c.get('env'),
      {
        principal: c.get('principal'),
        wish: c.req.valid('json'),
        idempotencyKey: c.req.valid('header')['idempotency-key'] ?? null,
      },
      { requestId: c.get('requestId'), now: Date.now() },
    );
    if (!made.ok) refuse(toKeyWire(made.error));
    if (made.value.replayed) c.header('idempotent-replayed', 'true');
    return c.json(made.value.key, 201);
  })
  .openapi(rotateRoute, async (c) => {
    const rotated = await rotateKey(
      c.get('env'),
      {
        principal: c.get('principal'),
        apiKeyId: c.req.valid('param').id,
        overlapS: c.req.valid('json').overlap_s,
      },
      c.get('requestId'),
    );
    if (!rotated.ok) refuse(toKeyWire(rotated.error));
    return c.json(rotated.value, 200);
  })
  .openapi(revokeRoute, async (c) => {
    const { accountId, apiKeyId } = c.get('principal');
    const isRevoked = await revokeKey(
      c.get('env'),
      { accountId, apiKeyId: c.req.valid('param').id },
      { actor: apiKeyId ?? accountId, requestId: c.get('requestId'), reason: null },
    );
    if (!isRevoked) refuse(toKeyWire({ reason: 'key_not_found' }));
    return c.body(null, 204);
  });

function toKeyWire(refusal: MakeKeyRefusal): Wire {
  switch (refusal.reason) {
    case 'key_not_found':
      return { code: 'not_found', message: 'No such API key, or it is not yours.' };
    case 'too_many_keys':
      return { code: 'too_many_keys', details: { limit: refusal.limit } };
    case 'idempotency_conflict':
      return { code: 'idempotency_conflict' };
    case 'key_changed': {
      const message =
        'The key that this Idempotency-Key made was rotated or revoked since; use another.';
      return { code: 'idempotency_conflict', message };
    }
    case 'key_too_narrow': {
      const message =
        'A key hands out no more than it has: its scopes, and no later end. One that is kept to ' +
        'models, a budget or a rate hands out nothing.';
      return { code: 'forbidden', message, details: { scopes: refusal.scopes } };
    }
    case 'expiry_past': {
      const { value } = refusal;
      return toFieldWire({ field: 'expires_at', value, message: 'must be in the future' });
    }
  }
}
