/** Issues an agent and its token, for the operator. The Scheduler audits it. */
import type { CreateAgent, CreatedAgent } from '#schema/api.ts';
import { assert } from '#schema/assert.ts';
import { formatAgentToken } from '#schema/id.ts';
import type { PoolId } from '#schema/id.ts';
import type { Env } from '../env.ts';
import { makeAgentId } from '../io/id.ts';
import { hashSha256, makeSecret } from '../io/token.ts';

/** The token is in this answer and nowhere else. The agent joins the pool with the fewest. */
export async function issueAgent(
  env: Env,
  { name }: CreateAgent,
  { requestId, now }: { requestId: string; now: number },
): Promise<CreatedAgent> {
  const pool = await pickPool(env);
  const agentId = makeAgentId(now);
  const secret = makeSecret();
  const secretHash = await hashSha256(secret);
  await env.schedulers.getByName(pool).issueAgent({ agentId, name, secretHash, requestId });
  return { id: agentId, token: formatAgentToken(pool, agentId, secret) };
}

async function pickPool(env: Env): Promise<PoolId> {
  const [only, ...others] = env.pools;
  assert(only, 'there is a pool');
  if (others.length === 0) return only;
  const known = await Promise.all(
    env.pools.map(async (pool) => ({
      pool,
      agents: (await env.schedulers.getByName(pool).survey()).agentsKnown,
    })),
  );
  return known.reduce((least, next) => (next.agents < least.agents ? next : least)).pool;
}
