/** Tells an agent to finish or return what it runs and take no more, for the operator. */
import type { AgentId } from '#schema/id.ts';
import type { Env } from '../env.ts';

/** False when no pool knows the agent. */
export async function drainAgent(
  env: Env,
  agentId: AgentId,
  { requestId, reason }: { requestId: string; reason?: string | undefined },
): Promise<boolean> {
  const answers = await Promise.all(
    env.pools.map((pool) => env.schedulers.getByName(pool).drainAgent(agentId, requestId, reason)),
  );
  return answers.includes(true);
}
