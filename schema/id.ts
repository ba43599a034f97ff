/**
 * Identifiers and bearer tokens, their shapes and their parsers.
 * A job id sorts by time and names its pool: `job_<ulid>_<pool>`. A key names the object
 * that verifies it: an API key its account, an agent token its pool.
 * Makes no ids: randomness belongs to the caller.
 */
import { z } from 'zod';

/** ULID in lower case: 48 bits of time, 80 of randomness (github.com/ulid/spec). */
const ULID = '[0-7][0-9a-hjkmnp-tv-z]{25}';
const POOL = '[a-z][a-z0-9]{0,15}';
/** 32 random bytes in base64url. */
const SECRET = '[A-Za-z0-9_-]{43}';

export const PoolId = z.string().regex(new RegExp(`^${POOL}$`));
export type PoolId = z.infer<typeof PoolId>;

export const AccountId = z.string().regex(new RegExp(`^acc_${ULID}$`));
export type AccountId = z.infer<typeof AccountId>;

export const JobId = z
  .string()
  .regex(new RegExp(`^job_${ULID}_${POOL}$`), 'a job id looks like job_01k…_main');
export type JobId = z.infer<typeof JobId>;

export const ApiKeyId = z.string().regex(new RegExp(`^key_${ULID}$`));
export type ApiKeyId = z.infer<typeof ApiKeyId>;

/** One agent token stands for one agent; its id is the agent's id. */
export const AgentId = z.string().regex(new RegExp(`^agt_${ULID}$`));
export type AgentId = z.infer<typeof AgentId>;

/** A user as a platform knows them, e.g. `telegram:123`. */
export const Identity = z.string().regex(/^[a-z]{1,16}:[A-Za-z0-9._-]{1,64}$/);
export type Identity = z.infer<typeof Identity>;

/** `tsr_<account ulid>_<secret>`: a user's key. */
export const ApiKey = z.string().regex(new RegExp(`^tsr_${ULID}_${SECRET}$`));
/** `tsa_<pool>_<agent ulid>_<secret>`: an agent's token. */
export const AgentToken = z.string().regex(new RegExp(`^tsa_${POOL}_${ULID}_${SECRET}$`));

const JOB_PARTS = new RegExp(`^job_(${ULID})_(${POOL})$`);
const API_KEY_PARTS = new RegExp(`^tsr_(${ULID})_(${SECRET})$`);
const AGENT_TOKEN_PARTS = new RegExp(`^tsa_(${POOL})_(${ULID})_(${SECRET})$`);

/** The pool that a job id names, or null when the id is malformed. */
export function poolOfJob(id: string): PoolId | null {
  return JOB_PARTS.exec(id)?.[2] ?? null;
}

/** Splits an API key, or null when it is malformed. */
export function parseApiKey(key: string): { accountId: AccountId; secret: string } | null {
  const match = API_KEY_PARTS.exec(key);
  return match ? { accountId: `acc_${match[1]}`, secret: match[2]! } : null;
}

/** Splits an agent token, or null when it is malformed. */
export function parseAgentToken(
  token: string,
): { pool: PoolId; agentId: AgentId; secret: string } | null {
  const match = AGENT_TOKEN_PARTS.exec(token);
  return match ? { pool: match[1]!, agentId: `agt_${match[2]}`, secret: match[3]! } : null;
}

/** The API key of an account for a secret. */
export function formatApiKey(accountId: AccountId, secret: string): string {
  return `tsr_${accountId.slice(4)}_${secret}`;
}

/** The token of an agent for a secret. */
export function formatAgentToken(pool: PoolId, agentId: AgentId, secret: string): string {
  return `tsa_${pool}_${agentId.slice(4)}_${secret}`;
}

/** The provider and the user's id there. */
export function splitIdentity(identity: Identity): { provider: string; subject: string } {
  const at = identity.indexOf(':');
  return { provider: identity.slice(0, at), subject: identity.slice(at + 1) };
}
