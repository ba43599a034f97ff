/** Announces a session of an agent to its Scheduler. */
import type { RegisterAnswer, RegisterBody } from '#schema/agent-protocol.ts';
import type { Result } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { AgentRefusal } from '../rpc/scheduler.ts';
import type { AgentCaller } from './authenticate.ts';

export async function registerAgent(
  env: Env,
  { pool, agent }: AgentCaller,
  body: RegisterBody,
): Promise<Result<RegisterAnswer, AgentRefusal>> {
  return env.schedulers.getByName(pool).register(agent, body);
}
