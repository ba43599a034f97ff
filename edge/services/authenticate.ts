/**
 * Who calls: reads the three kinds of bearer credentials. A malformed one is refused here and
 * reaches no Durable Object; an API key's own account verifies and counts it.
 */
import { parseAgentToken, parseApiKey } from '#schema/id.ts';
import type { AccountId, PoolId } from '#schema/id.ts';
import type { Scope } from '#schema/scope.ts';
import type { Result } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { AccessRefusal, Caller, Principal } from '../rpc/account.ts';
import type { AgentCredential } from '../rpc/scheduler.ts';
import { equalSecret, hashSha256 } from '../io/token.ts';

/** Whose account is called, and by whom; not yet verified. */
export interface Credential {
  readonly accountId: AccountId;
  readonly caller: Caller;
}

/** The API key in an `authorization` header, or null. */
export async function readApiKey(header: string | undefined): Promise<Credential | null> {
  const token = readBearer(header);
  const key = token === null ? null : parseApiKey(token);
  if (!key) return null;
  const secretHash = await hashSha256(key.secret);
  return { accountId: key.accountId, caller: { kind: 'key', secretHash } };
}

/** Verifies who calls and that its key may do this; counts one request of the account. */
export async function authenticate(
  env: Env,
  credential: Credential,
  scope: Scope,
): Promise<Result<Principal, AccessRefusal>> {
  return env.accounts.getByName(credential.accountId).authenticate(credential.caller, scope);
}

/** An agent whose token is well-formed; the Scheduler of its pool verifies it with each call. */
export interface AgentCaller {
  readonly pool: PoolId;
  readonly agent: AgentCredential;
}

/** The agent token in an `authorization` header, or null. */
export async function readAgentToken(
  env: Env,
  header: string | undefined,
): Promise<AgentCaller | null> {
  const text = readBearer(header);
  const token = text === null ? null : parseAgentToken(text);
  if (!token || !env.pools.includes(token.pool)) return null;
  const secretHash = await hashSha256(token.secret);
  return { pool: token.pool, agent: { agentId: token.agentId, secretHash } };
}

/** Whether an `authorization` header carries the operator's key. */
export async function isAdmin(env: Env, header: string | undefined): Promise<boolean> {
  const token = readBearer(header);
  return token !== null && (await equalSecret(token, env.adminKey));
}

function readBearer(header: string | undefined): string | null {
  return /^Bearer +(\S{1,512})$/i.exec(header ?? '')?.[1] ?? null;
}
