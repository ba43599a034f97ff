/**
 * Upload tickets: given with each lease, shown with each upload. One is bound to the attempt and
 * to the agent's token, so that no call to the Scheduler is needed to check it.
 */
import type { AcquireAnswer, LeasedJob } from '#schema/agent-protocol.ts';
import type { Env } from '../env.ts';
import type { AgentCredential } from '../rpc/scheduler.ts';
import { signTicket, verifyTicket } from '../io/token.ts';

/** The answer with a ticket for each of its jobs. */
export async function addTicket(
  env: Env,
  { agent, answer }: { agent: AgentCredential; answer: AcquireAnswer },
  now: number,
): Promise<AcquireAnswer> {
  const { job, batch } = answer;
  if (!job) return answer;
  const signed = async (of: LeasedJob): Promise<LeasedJob> => {
    const { jobId, fencingToken } = of;
    const claim = { jobId, fencingToken, secretHash: agent.secretHash };
    return { ...of, uploadTicket: await signTicket(env.signingKey, claim, now) };
  };
  return { ...answer, job: await signed(job), batch: await Promise.all(batch.map(signed)) };
}

/** Whether the ticket is for this attempt and this agent, and still good. */
export async function checkTicket(
  env: Env,
  shown: { agent: AgentCredential; ticket: string; jobId: string; fencingToken: number },
  now: number,
): Promise<boolean> {
  const { jobId, fencingToken, ticket } = shown;
  const claim = { jobId, fencingToken, secretHash: shown.agent.secretHash };
  return verifyTicket(env.signingKey, { claim, text: ticket }, now);
}
