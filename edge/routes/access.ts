/** Middleware for the three kinds of callers, and what a request that does not parse answers. */
import { createMiddleware } from 'hono/factory';
import type { Hook } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Scope } from '#schema/scope.ts';
import type { AppEnv, Env } from '../env.ts';
import type { Principal } from '../rpc/account.ts';
import { authenticate, isAdmin, readAgentToken, readApiKey } from '../services/authenticate.ts';
import type { AgentCaller, Credential } from '../services/authenticate.ts';
import { toAccessWire } from './error.ts';
import { toInvalidWire } from './invalid.ts';
import { refuse, toRateHeaders } from './wire.ts';

/** What the middleware below leaves for a route. */
export interface KeyedEnv extends AppEnv {
  Variables: AppEnv['Variables'] & { credential: Credential; principal?: Principal };
}
export interface PrincipalEnv extends AppEnv {
  Variables: AppEnv['Variables'] & { credential: Credential; principal: Principal };
}
export interface AgentEnv extends AppEnv {
  Variables: AppEnv['Variables'] & { caller: AgentCaller };
}

/** A well-formed API key; the verb that follows verifies it, in one call with its own work. */
export const keyed = createMiddleware<KeyedEnv>(async (c, next) => {
  const credential = await readApiKey(c.req.header('authorization'));
  if (!credential) refuse({ code: 'unauthorized' });
  c.set('credential', credential);
  await next();
});

/** A valid API key with this scope: verified, and the request counted. */
export const authenticated = (scope: Scope) =>
  createMiddleware<PrincipalEnv>(async (c, next) => {
    const credential = await readApiKey(c.req.header('authorization'));
    if (!credential) refuse({ code: 'unauthorized' });
    c.set('credential', credential);
    const principal = await verify(c.get('env'), credential, scope);
    c.set('principal', principal);
    showRate(c, principal);
    await next();
  });

/** A well-formed agent token of a pool of ours; the Scheduler verifies it. */
export const fromAgent = createMiddleware<AgentEnv>(async (c, next) => {
  const caller = await readAgentToken(c.get('env'), c.req.header('authorization'));
  if (!caller) refuse({ code: 'unauthorized' });
  c.set('caller', caller);
  await next();
});

/** The operator's key. */
export const fromAdmin = createMiddleware<AppEnv>(async (c, next) => {
  if (!(await isAdmin(c.get('env'), c.req.header('authorization'))))
    refuse({ code: 'unauthorized' });
  await next();
});

/** Tells the client how its rate limit stands. */
export function showRate(c: Context, { rate }: Principal): void {
  for (const [name, value] of Object.entries(toRateHeaders(rate))) c.header(name, value);
}

/**
 * For every route: a path that does not parse names nothing; anything else is `invalid_request`,
 * but only to those who may call at all, and at the price of a request.
 */
export const onInvalid: Hook<unknown, AppEnv, string, Promise<void>> = async (result, c) => {
  if (result.success) return;
  const { credential, principal } = c.var as Partial<KeyedEnv['Variables']>;
  if (credential && !principal) showRate(c, await verify(c.get('env'), credential, 'jobs:write'));
  if (result.target === 'param') refuse({ code: 'not_found' });
  refuse(toInvalidWire(result.error, (result as { data?: unknown }).data));
};

async function verify(env: Env, credential: Credential, scope: Scope): Promise<Principal> {
  const access = await authenticate(env, credential, scope);
  if (!access.ok) refuse(toAccessWire(access.error));
  return access.value;
}
