/**
 * Checks an upload ticket, which was given with its lease. It is bound to the attempt and to the
 * agent's token, so that no call to the Scheduler is needed.
 */
import type { Env } from '../env.ts';
import type { AgentCredential } from '../rpc/scheduler.ts';
import { verifyTicket } from '../io/token.ts';

/** A ticket, and what its bearer says it is for. */
export interface TicketShown {
  readonly agent: AgentCredential;
  readonly ticket: string;
  readonly jobId: string;
  readonly fencingToken: number;
}

/** Whether the ticket is for this attempt and this agent, and still good. */
export async function checkTicket(env: Env, shown: TicketShown, now: number): Promise<boolean> {
  const { jobId, fencingToken, ticket } = shown;
  const claim = { jobId, fencingToken, secretHash: shown.agent.secretHash };
  return verifyTicket(env.signingKey, { claim, text: ticket }, now);
}
