/** An agent's long poll beside a running job: cancel and drain reach it at once. */
import type { ControlAnswer, ControlBody } from '#schema/agent-protocol.ts';
import type { Result } from '../core/result.ts';
import { ok } from '../core/result.ts';
import type { AgentRefusal, Env } from '../env.ts';
import type { AgentCaller } from './authenticate.ts';
import { endPoll } from './end-poll.ts';

/** Parks for `body.waitMs` at most, and a margin for an answer under way. */
export async function awaitControl(
  env: Env,
  { pool, agent }: AgentCaller,
  body: ControlBody,
): Promise<Result<ControlAnswer, AgentRefusal>> {
  const asked = env.schedulers.getByName(pool).control(agent, body);
  const nothing = ok({ lost: [], cancel: [], drain: false });
  return endPoll(asked, { waitMs: body.waitMs, nothing });
}
