/** `/admin/v1/accounts`: the operator makes, finds and looks at accounts, and sees to them. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import {
  AccountList,
  AccountProfileView,
  AccountQuery,
  GrantTokens,
  SetPlan,
  WithReason,
} from '#schema/admin.ts';
import { CreateAccount, CreatedAccount, IdempotencyKey } from '#schema/api.ts';
import { AccountId, ApiKeyId } from '#schema/id.ts';
import type { AppEnv } from '../env.ts';
import type { Deed, Measure, MeasureRefusal } from '../rpc/account.ts';
import { administerAccount } from '../services/administer-account.ts';
import { createAccount } from '../services/create-account.ts';
import { findAccounts } from '../services/find-accounts.ts';
import { revokeKey } from '../services/revoke-key.ts';
import { viewProfile } from '../services/view-profile.ts';
import { fromAdmin, onInvalid } from './access.ts';
import { ADMIN_ERRORS, BODY_ERRORS, BY_ADMIN, errors, json } from './describe.ts';
import { toFieldWire, toListWire } from './error.ts';
import { refuse } from './wire.ts';
import type { Wire } from './wire.ts';

const COMMON = { tags: ['Admin'], security: BY_ADMIN, middleware: fromAdmin };
const AccountPath = z.object({ id: AccountId });
const PROFILE = {
  200: { description: 'How the account stands.', content: json(AccountProfileView) },
  ...errors('not_found', ...ADMIN_ERRORS),
};
const CHANGED = {
  200: { description: 'How the account stands now.', content: json(AccountProfileView) },
  ...errors('not_found', ...BODY_ERRORS, ...ADMIN_ERRORS),
};

const createAccountRoute = createRoute({
  ...COMMON,
  method: 'post',
  path: '/admin/v1/accounts',
  summary: 'Make an account with its first API key',
  request: { body: { content: json(CreateAccount, { name: 'Ada', plan: 'pro' }), required: true } },
  responses: {
    201: { description: 'The account; the key is shown once.', content: json(CreatedAccount) },
    ...errors(...BODY_ERRORS, ...ADMIN_ERRORS),
  },
});

const findRoute = createRoute({
  ...COMMON,
  method: 'get',
  path: '/admin/v1/accounts',
  summary: 'Find accounts',
  description: 'Newest first, from Postgres: a moment behind the accounts themselves.',
  request: { query: AccountQuery },
  responses: {
    200: { description: 'A page of accounts.', content: json(AccountList) },
    ...errors('invalid_request', 'history_unavailable', ...ADMIN_ERRORS),
  },
});

const showRoute = createRoute({
  ...COMMON,
  method: 'get',
  path: '/admin/v1/accounts/{id}',
  summary: 'Show an account',
  request: { params: AccountPath },
  responses: PROFILE,
});

const setPlanRoute = createRoute({
  ...COMMON,
  method: 'post',
  path: '/admin/v1/accounts/{id}/plan',
  summary: 'Give an account a plan, for good or until a time',
  request: {
    params: AccountPath,
    body: { content: json(SetPlan, { plan: 'pro', reason: 'paid by invoice' }), required: true },
  },
  responses: CHANGED,
});

const grantRoute = createRoute({
  ...COMMON,
  method: 'post',
  path: '/admin/v1/accounts/{id}/grants',
  summary: 'Give an account tokens for today',
  description:
    'Beyond its plan, until 00:00 UTC. Repeat with the same `Idempotency-Key` at will: it is ' +
    'granted once; with other tokens or another reason it is refused.',
  request: {
    params: AccountPath,
    headers: z.object({ 'idempotency-key': IdempotencyKey.optional() }),
    body: { content: json(GrantTokens, { tokens: 10, reason: 'a bad day' }), required: true },
  },
  responses: { ...CHANGED, ...errors('idempotency_conflict') },
});

const blockRoute = createRoute({
  ...COMMON,
  method: 'post',
  path: '/admin/v1/accounts/{id}/block',
  summary: 'Block an account',
  description: 'Its keys and chats are refused with `account_blocked`; open jobs go on.',
  request: {
    params: AccountPath,
    body: { content: json(WithReason, { reason: 'abuse' }), required: true },
  },
  responses: CHANGED,
});

const unblockRoute = createRoute({
  ...COMMON,
  method: 'post',
  path: '/admin/v1/accounts/{id}/unblock',
  summary: 'Unblock an account',
  request: {
    params: AccountPath,
    body: { content: json(WithReason, { reason: 'a mistake' }), required: true },
  },
  responses: CHANGED,
});

const revokeKeyRoute = createRoute({
  ...COMMON,
  method: 'delete',
  path: '/admin/v1/accounts/{id}/keys/{key_id}',
  summary: 'Revoke an API key',
  request: { params: z.object({ id: AccountId, key_id: ApiKeyId }) },
  responses: {
    204: { description: 'The key opens nothing any more.' },
    ...errors('not_found', ...ADMIN_ERRORS),
  },
});

export const adminAccountRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid })
  .openapi(createAccountRoute, async (c) => {
    const cause = { requestId: c.get('requestId'), now: Date.now() };
    return c.json(await createAccount(c.get('env'), c.req.valid('json'), cause), 201);
  })
  .openapi(findRoute, async (c) => {
    const page = await findAccounts(c.get('env'), c.req.valid('query'));
    if (!page.ok) refuse(toListWire(page.error));
    return c.json(page.value, 200);
  })
  .openapi(showRoute, async (c) => {
    const profile = await viewProfile(c.get('env'), c.req.valid('param').id);
    return c.json(profile ?? refuse({ code: 'not_found' }), 200);
  })
  .openapi(setPlanRoute, async (c) => {
    const { plan, reason, until } = c.req.valid('json');
    const untilAt = until === null ? null : Date.parse(until);
    if (untilAt !== null && untilAt <= Date.now()) {
      refuse(toFieldWire({ field: 'until', value: until, message: 'must be in the future' }));
    }
    const measure = { kind: 'set_plan', plan, until: untilAt } as const;
    return c.json(await carryOut(c.var, c.req.valid('param').id, { measure, reason }), 200);
  })
  .openapi(grantRoute, async (c) => {
    const { tokens, reason } = c.req.valid('json');
    const grantId = c.req.valid('header')['idempotency-key'] ?? c.get('requestId');
    const measure = { kind: 'grant', grantId, millitokens: Math.round(tokens * 1000) } as const;
    return c.json(await carryOut(c.var, c.req.valid('param').id, { measure, reason }), 200);
  })
  .openapi(blockRoute, async (c) => {
    const change = { measure: { kind: 'block' } as const, ...c.req.valid('json') };
    return c.json(await carryOut(c.var, c.req.valid('param').id, change), 200);
  })
  .openapi(unblockRoute, async (c) => {
    const change = { measure: { kind: 'unblock' } as const, ...c.req.valid('json') };
    return c.json(await carryOut(c.var, c.req.valid('param').id, change), 200);
  })
  .openapi(revokeKeyRoute, async (c) => {
    const { id: accountId, key_id: apiKeyId } = c.req.valid('param');
    const deed = toDeed(c.var, null);
    if (!(await revokeKey(c.get('env'), { accountId, apiKeyId }, deed))) {
      refuse({ code: 'not_found' });
    }
    return c.body(null, 204);
  });

async function carryOut(
  vars: AppEnv['Variables'],
  accountId: AccountId,
  { measure, reason }: { measure: Measure; reason: string },
): Promise<AccountProfileView> {
  const deed = toDeed(vars, reason);
  const profile = await administerAccount(vars.env, { accountId, measure }, deed);
  return profile.ok ? profile.value : refuse(toMeasureWire(profile.error));
}

function toMeasureWire(refusal: MeasureRefusal): Wire {
  switch (refusal.reason) {
    case 'account_not_found':
      return { code: 'not_found' };
    case 'idempotency_conflict': {
      const message =
        'This Idempotency-Key has granted other tokens, or for another reason; use another key.';
      return { code: 'idempotency_conflict', message };
    }
  }
}

function toDeed({ requestId }: AppEnv['Variables'], reason: string | null): Deed {
  return { actor: 'admin', requestId, reason };
}
