/** Makes ids: a kind, then a ULID in lower case, so that they sort by time. See schema/id.ts. */
import { ulid } from 'ulid';
import type { AccountId, AgentId, ApiKeyId, JobId, PoolId } from '#schema/id.ts';

/** Random numbers drawn at once: a call for each of an id's characters costs more than the id. */
const drawn = new Uint32Array(256);
let left = 0;

function random(): number {
  if (left === 0) {
    crypto.getRandomValues(drawn);
    left = drawn.length;
  }
  left -= 1;
  return drawn[left]! / 2 ** 32;
}

function makeUlid(now: number): string {
  return ulid(now, random).toLowerCase();
}

export function makeJobId(pool: PoolId, now: number): JobId {
  return `job_${makeUlid(now)}_${pool}`;
}

export function makeAccountId(now: number): AccountId {
  return `acc_${makeUlid(now)}`;
}

export function makeApiKeyId(now: number): ApiKeyId {
  return `key_${makeUlid(now)}`;
}

export function makeAgentId(now: number): AgentId {
  return `agt_${makeUlid(now)}`;
}

export function makeFileId(now: number): string {
  return `file_${makeUlid(now)}`;
}

export function makeWebhookId(now: number): string {
  return `wh_${makeUlid(now)}`;
}

/** Names a request in logs, audit and error answers. */
export function makeRequestId(now: number): string {
  return `req_${makeUlid(now)}`;
}
