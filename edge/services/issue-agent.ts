/** Issues an agent and its token, for the operator. The Scheduler audits it. */
import type { CreateAgent, CreatedAgent } from '#schema/api.ts';
import { assert } from '#schema/assert.ts';
import { formatAgentToken } from '#schema/id.ts';
import type { PoolId } from '#schema/id.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import type { Env } from '../env.ts';
import { makeAgentId } from '../io/id.ts';
import { hashSha256, makeSecret } from '../io/token.ts';

/** The token is in this answer and nowhere else. The agent joins the pool with the fewest. */
export async function issueAgent(
  env: Env,
  { name, reason }: CreateAgent,
  { requestId, now }: { requestId: string; now: number },
): Promise<Result<CreatedAgent, { readonly reason: 'too_many_agents' }>> {
  const pool = await pickPool(env);
  const agentId = makeAgentId(now);
  const secret = makeSecret();
  const secretHash = await hashSha256(secret);
  const scheduler = env.schedulers.getByName(pool);
  const isIssued = await scheduler.issueAgent({ agentId, name, secretHash, requestId, reason });
  if (!isIssued) return fail({ reason: 'too_many_agents' });
  return ok({ id: agentId, token: formatAgentToken(pool, agentId, secret) });
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
