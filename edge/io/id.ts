/** Makes ids: a kind, then a ULID in lower case, so that they sort by time. See schema/id.ts. */
import { ulid } from 'ulid';
import type { AccountId, AgentId, ApiKeyId, JobId, PoolId } from '#schema/id.ts';

export function makeJobId(pool: PoolId, now: number): JobId {
  return `job_${ulid(now).toLowerCase()}_${pool}`;
}

export function makeAccountId(now: number): AccountId {
  return `acc_${ulid(now).toLowerCase()}`;
}

export function makeApiKeyId(now: number): ApiKeyId {
  return `key_${ulid(now).toLowerCase()}`;
}

export function makeAgentId(now: number): AgentId {
  return `agt_${ulid(now).toLowerCase()}`;
}

/** Names a request in logs, audit and error answers. */
export function makeRequestId(now: number): string {
  return `req_${ulid(now).toLowerCase()}`;
}
