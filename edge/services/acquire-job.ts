/** An agent's long poll for a job. The Scheduler decides; here the job is made complete. */
import type { AcquireAnswer, AcquireBody } from '#schema/agent-protocol.ts';
import type { Result } from '../core/result.ts';
import { ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { AgentRefusal } from '../rpc/scheduler.ts';
import type { AgentCaller } from './authenticate.ts';
import { completeLeases } from './complete-leases.ts';
import { endPoll } from './end-poll.ts';

/** Parks for `body.waitMs` at most, and a margin for an answer under way. */
export async function acquireJob(
  env: Env,
  { pool, agent }: AgentCaller,
  body: AcquireBody,
): Promise<Result<AcquireAnswer, AgentRefusal>> {
  const poll = await env.schedulers.getByName(pool).acquire(agent, body);
  if (!poll.ok) return poll;
  const nothing = { job: null, batch: [], drain: false };
  const answer = await endPoll(poll.value, { waitMs: body.waitMs, nothing });
  return ok(await completeLeases(env, { agent, answer }, Date.now()));
}
