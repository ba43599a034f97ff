/** Passes generated text to the job's feed, for an agent that shows the attempt's ticket. */
import type { StreamAnswer, StreamBody } from '#schema/agent-protocol.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { AgentCredential } from '../rpc/scheduler.ts';
import { checkTicket } from './upload-ticket.ts';

/** May be repeated: text is recognised by its offset. */
export async function appendText(
  env: Env,
  { agent, body }: { agent: AgentCredential; body: StreamBody },
  now: number,
): Promise<Result<StreamAnswer, { reason: 'bad_ticket' }>> {
  const { jobId, fencingToken, uploadTicket: ticket, offset, text } = body;
  if (!(await checkTicket(env, { agent, ticket, jobId, fencingToken }, now))) {
    return fail({ reason: 'bad_ticket' });
  }
  const appended = await env.feeds.getByName(jobId).text(fencingToken, { offset, text });
  return ok({ appended });
}
