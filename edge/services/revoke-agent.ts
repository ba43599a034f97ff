/** Revokes an agent's token, for the operator: its next call is refused. */
import type { AgentId } from '#schema/id.ts';
import type { Env } from '../env.ts';

/** False when no pool knows the agent. */
export async function revokeAgent(
  env: Env,
  agentId: AgentId,
  { requestId, reason }: { requestId: string; reason?: string | undefined },
): Promise<boolean> {
  const answers = await Promise.all(
    env.pools.map((pool) => env.schedulers.getByName(pool).revokeAgent(agentId, requestId, reason)),
  );
  return answers.includes(true);
}
