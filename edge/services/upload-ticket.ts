/**
 * Checks an upload ticket, which was given with its lease. It is bound to the attempt and to the
 * agent's token, so that no call to the Scheduler is needed.
 */
import type { Env } from '../env.ts';
import type { AgentCredential } from '../rpc/scheduler.ts';
import { verifyTicket } from '../io/token.ts';

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
