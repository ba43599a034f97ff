/** The goodbye of an agent's session: nothing is granted to it any more. */
import type { LeaveAnswer, LeaveBody } from '#schema/agent-protocol.ts';
import type { Result } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { AgentRefusal } from '../rpc/scheduler.ts';
import type { AgentCaller } from './authenticate.ts';

export async function leavePool(
  env: Env,
  { pool, agent }: AgentCaller,
  body: LeaveBody,
): Promise<Result<LeaveAnswer, AgentRefusal>> {
  return env.schedulers.getByName(pool).leave(agent, body);
}
