/** Lists the agents of all pools, for the operator. */
import type { AgentView } from '#schema/api.ts';
import type { Env } from '../env.ts';

export async function listAgents(env: Env): Promise<AgentView[]> {
  const lists = await Promise.all(env.pools.map((pool) => env.schedulers.getByName(pool).agents()));
  return lists.flat();
}
