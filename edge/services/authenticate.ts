/**
 * Who calls: reads the three kinds of bearer credentials. A malformed one is refused here and
 * reaches no Durable Object; an API key's own account verifies and counts it.
 */
import { parseAgentToken, parseApiKey } from '#schema/id.ts';
import type { AccountId, PoolId } from '#schema/id.ts';
import type { Result } from '../core/result.ts';
import type { AccessRefusal, AgentCredential, Env, Principal } from '../env.ts';
import { equalSecret, hashSha256 } from '../io/token.ts';

/** An API key, well-formed and not yet verified. */
export interface Credential {
  readonly accountId: AccountId;
  readonly secretHash: string;
}

/** The API key in an `authorization` header, or null. */
export async function readApiKey(header: string | undefined): Promise<Credential | null> {
  const token = readBearer(header);
  const key = token === null ? null : parseApiKey(token);
  return key && { accountId: key.accountId, secretHash: await hashSha256(key.secret) };
}

/** Verifies a key and counts one request of its account. */
export async function authenticate(
  env: Env,
  credential: Credential,
): Promise<Result<Principal, AccessRefusal>> {
  return env.accounts.getByName(credential.accountId).authenticate(credential.secretHash);
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
