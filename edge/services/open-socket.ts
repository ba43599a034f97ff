/** Passes an agent's request for a socket on to its Scheduler, which keeps the socket. */
import type { Env } from '../env.ts';
import { SOCKET_HEADERS } from '../rpc/scheduler.ts';
import type { AgentCaller } from './authenticate.ts';

/** The answer to the upgrade, or null when the agent's token is not valid. */
export async function openSocket(env: Env, { pool, agent }: AgentCaller): Promise<Response | null> {
  const headers = {
    upgrade: 'websocket',
    [SOCKET_HEADERS.agentId]: agent.agentId,
    [SOCKET_HEADERS.secretHash]: agent.secretHash,
  };
  const request = new Request('https://scheduler/', { headers });
  const { webSocket } = await env.schedulers.getByName(pool).fetch(request);
  // A copy, since the headers of a fetched answer cannot be changed.
  return webSocket ? new Response(null, { status: 101, webSocket }) : null;
}
