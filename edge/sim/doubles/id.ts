/** Stands in for edge/io/id, which keeps random numbers in stock: here a world's ids are its own. */
import { ulid } from 'ulid';
import type * as real from '../../io/id.ts';

export const makeJobId: typeof real.makeJobId = (pool, now) => `job_${makeUlid(now)}_${pool}`;

export const makeAccountId: typeof real.makeAccountId = (now) => `acc_${makeUlid(now)}`;

export const makeApiKeyId: typeof real.makeApiKeyId = (now) => `key_${makeUlid(now)}`;

export const makeAgentId: typeof real.makeAgentId = (now) => `agt_${makeUlid(now)}`;

export const makeFileId: typeof real.makeFileId = (now) => `file_${makeUlid(now)}`;

export const makeRequestId: typeof real.makeRequestId = (now) => `req_${makeUlid(now)}`;

function makeUlid(now: number): string {
  return ulid(now, () => Math.random()).toLowerCase();
}
