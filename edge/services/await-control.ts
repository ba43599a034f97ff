/** An agent's long poll beside a running job: cancel and drain reach it at once. */
import type { ControlAnswer, ControlBody } from '#schema/agent-protocol.ts';
import type { Result } from '../core/result.ts';
import { ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { AgentRefusal } from '../rpc/scheduler.ts';
import type { AgentCaller } from './authenticate.ts';
import { endPoll } from './end-poll.ts';

/** Parks for `body.waitMs` at most, and a margin for an answer under way. */
export async function awaitControl(
  env: Env,
  { pool, agent }: AgentCaller,
  body: ControlBody,
): Promise<Result<ControlAnswer, AgentRefusal>> {
  const poll = await env.schedulers.getByName(pool).control(agent, body);
  if (!poll.ok) return poll;
  const nothing = { lost: [], cancel: [], drain: false };
  return ok(await endPoll(poll.value, { waitMs: body.waitMs, nothing }));
}
