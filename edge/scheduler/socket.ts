/**
 * The sockets of a pool's agents: schema/agent-socket.ts over hibernating WebSockets. A message is
 * a call of the desk, with what a Worker adds to a request's answer added here. What is parked is
 * kept with its socket, so that a pool whose agents all wait can sleep and still know them.
 * A socket that goes away takes its parked polls with it; what it was told is safe as ever: a
 * lease lapses, an answer is asked for again.
 */
import type { AcquireAnswer } from '#schema/agent-protocol.ts';
import { PING, PONG, SocketCall, SocketCallId } from '#schema/agent-socket.ts';
import type { SocketAnswer } from '#schema/agent-socket.ts';
import { ERRORS } from '#schema/error.ts';
import type { ErrorCode } from '#schema/error.ts';
import type { PoolId } from '#schema/id.ts';
import { JSON_BODY_BYTES_MAX, POLL_MODELS_KEPT_MAX } from '#schema/limits.ts';
import type { Result } from '../core/result.ts';
import type { Env } from '../env.ts';
import { logError } from '../io/log.ts';
import { SOCKET_HEADERS } from '../rpc/scheduler.ts';
import type { AgentCredential, AgentRefusal, SchedulerObject } from '../rpc/scheduler.ts';
import { completeLeases } from '../services/complete-leases.ts';
import { endAttempt } from '../services/end-attempt.ts';
import type { AttemptEnd, ForeignArtifact } from '../services/end-attempt.ts';
import { renewLeases } from '../services/renew-leases.ts';
import { NO_JOB, NO_ORDER } from './desk.ts';
import type { AgentDesk } from './desk.ts';

/** A poll that waits. */
type KeptPoll = { readonly parkedAt: number } & (Called<'acquire'> | Called<'control'>);
type Called<V extends SocketCall['verb']> = Extract<SocketCall, { verb: V }>;

/** What stays with a socket while the object sleeps. */
interface Kept {
  readonly agent: AgentCredential;
  readonly polls: readonly KeptPoll[];
}

interface Surroundings {
  readonly pool: PoolId;
  readonly env: Env;
  readonly desk: AgentDesk;
  readonly scheduler: SchedulerObject;
}

/** One agent's socket while the object is awake. */
interface Line {
  readonly socket: WebSocket;
  readonly agent: AgentCredential;
  /** With what gives each up. */
  readonly polls: Map<KeptPoll, () => void>;
  /** Calls that ask for a job and are not parked yet, unless they were ended meanwhile. */
  readonly asking: Set<number>;
}

/** See above. */
export class AgentSockets {
  readonly #ctx: DurableObjectState;
  readonly #desk: AgentDesk;
  readonly #env: Env;
  readonly #pool: PoolId;
  readonly #lines = new Map<WebSocket, Line>();

  constructor(ctx: DurableObjectState, { pool, env, desk, scheduler }: Surroundings) {
    this.#ctx = ctx;
    this.#desk = desk;
    this.#pool = pool;
    // The services' calls of this pool need not leave the object.
    this.#env = { ...env, schedulers: { getByName: () => scheduler } };
    for (const socket of ctx.getWebSockets()) {
      const kept = socket.deserializeAttachment() as Kept | null;
      if (!kept) continue;
      const line = this.#add(socket, kept.agent);
      for (const poll of kept.polls) this.#hold(line, poll);
    }
  }

  /** Answers an upgrade that the Worker passed on; an older socket of the agent is closed. */
  open(request: Request): Response {
    const { headers } = request;
    const agentId = headers.get(SOCKET_HEADERS.agentId) ?? '';
    const agent = { agentId, secretHash: headers.get(SOCKET_HEADERS.secretHash) ?? '' };
    if (!this.#desk.verify(agent)) return new Response(null, { status: 401 });
    this.close(agentId);
    const { 0: theirs, 1: ours } = new WebSocketPair();
    this.#ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
    this.#ctx.acceptWebSocket(ours, [agentId]);
    keep(this.#add(ours, agent));
    return new Response(null, { status: 101, webSocket: theirs });
  }

  /** Ends the sockets of an agent. */
  close(agentId: string): void {
    for (const socket of this.#ctx.getWebSockets(agentId)) {
      this.#drop(socket, { code: 1000, reason: 'replaced or revoked' });
    }
  }

  /** Closes a socket. Its other side may be gone: what lingers must not come back after a sleep. */
  #drop(socket: WebSocket, { code, reason }: { code: number; reason: string }): void {
    this.onGone(socket);
    socket.serializeAttachment(null);
    socket.close(code, reason);
  }

  /** The agent closes it: so do we. */
  onClose(socket: WebSocket): void {
    this.onGone(socket);
    socket.close(1000);
  }

  onGone(socket: WebSocket): void {
    for (const leave of this.#lines.get(socket)?.polls.values() ?? []) leave();
    this.#lines.delete(socket);
  }

  /** Begins what a message asks for; its answer is sent when there is one. */
  onMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    const line = this.#lines.get(socket);
    if (!line) return;
    if (typeof message === 'string' && message.length > JSON_BODY_BYTES_MAX) {
      this.#drop(socket, { code: 1009, reason: 'too large' });
      return;
    }
    const json = parse(message);
    const call = SocketCall.safeParse(json);
    if (call.success) {
      this.#serve(line, call.data).catch((error: unknown) => {
        logError('socket.fail', error, { agentId: line.agent.agentId, verb: call.data.verb });
        refuse(line, call.data.id, 'internal');
      });
      return;
    }
    const named = SocketCallId.safeParse(json);
    if (named.success) refuse(line, named.data.id, 'invalid_request');
    else this.#drop(socket, { code: 1007, reason: 'not a call' });
  }

  #add(socket: WebSocket, agent: AgentCredential): Line {
    const line: Line = { socket, agent, polls: new Map(), asking: new Set() };
    this.#lines.set(socket, line);
    return line;
  }

  async #serve(line: Line, call: SocketCall): Promise<void> {
    const { agent } = line;
    const caller = { pool: this.#pool, agent };
    switch (call.verb) {
      case 'acquire': {
        line.asking.add(call.id);
        const asked = await this.#desk
          .acquire(agent, call.body, (now) => this.#park(line, call, now))
          .finally(() => line.asking.delete(call.id));
        if (!asked.ok) return respond(line, call.id, asked);
        return 'answer' in asked.value ? this.#give(line, call.id, asked.value.answer) : undefined;
      }
      case 'control': {
        const asked = this.#desk.control(agent, call.body, (now) => this.#park(line, call, now));
        if (!asked.ok) return respond(line, call.id, asked);
        return 'answer' in asked.value ? send(line, { id: call.id, ...asked.value }) : undefined;
      }
      case 'renew': {
        const renewed = await renewLeases(this.#env, caller, call.body);
        this.#ctx.waitUntil(renewed.passedOn);
        return respond(line, call.id, renewed.answer);
      }
      case 'complete':
      case 'fail':
      case 'return': {
        const end = { how: call.verb, body: call.body } as AttemptEnd;
        return respond(line, call.id, await endAttempt(this.#env, caller, end));
      }
      case 'end':
        return this.#end(line, call.id);
    }
  }

  #park(line: Line, call: Called<'acquire'> | Called<'control'>, now: number): void {
    // It waited for its commit: it may be over by now, or its socket may.
    if (this.#lines.get(line.socket) !== line) return;
    if (call.verb === 'acquire' && !line.asking.has(call.id)) {
      send(line, { id: call.id, answer: NO_JOB });
      return;
    }
    this.#hold(line, { ...call, parkedAt: now });
    keep(line);
  }

  #hold(line: Line, poll: KeptPoll): void {
    const { agentId } = line.agent;
    const { id, body, parkedAt: now } = poll;
    const span = { now, waitMs: body.waitMs };
    const { polls, controls } = this.#desk;
    const leave =
      poll.verb === 'acquire'
        ? polls.hold(agentId, { question: poll.body, ...span }, (job) => {
            forget(line, poll);
            void this.#give(line, id, job);
          })
        : controls.hold(agentId, { question: poll.body, ...span }, (order) => {
            forget(line, poll);
            send(line, { id, answer: order });
          });
    line.polls.set(poll, leave);
  }

  /** The agent waits no longer: it is answered nothing, unless it has its answer already. */
  #end(line: Line, id: number): void {
    line.asking.delete(id);
    for (const [poll, leave] of line.polls) {
      if (poll.id !== id) continue;
      leave();
      forget(line, poll);
      send(line, { id, answer: poll.verb === 'acquire' ? NO_JOB : NO_ORDER });
    }
  }

  async #give(line: Line, id: number, job: AcquireAnswer): Promise<void> {
    try {
      const { agent } = line;
      const answer = await completeLeases(this.#env, { agent, answer: job }, Date.now());
      send(line, { id, answer });
    } catch (error) {
      logError('socket.fail', error, { agentId: line.agent.agentId, verb: 'acquire' });
      refuse(line, id, 'internal');
    }
  }
}

function parse(message: string | ArrayBuffer): unknown {
  if (typeof message !== 'string') return null;
  try {
    return JSON.parse(message);
  } catch {
    // The schema refuses it.
    return null;
  }
}

/** Keeps with the socket what must be known when the object wakes again. */
function keep({ socket, agent, polls }: Line): void {
  const kept: Kept = { agent, polls: [...polls.keys()].map(bounded) };
  socket.serializeAttachment(kept);
}

/** A poll as a socket has room for it: of very many loaded models the first, which tell the most. */
function bounded(poll: KeptPoll): KeptPoll {
  if (poll.verb === 'control') return poll;
  const resident = poll.body.resident.slice(0, POLL_MODELS_KEPT_MAX);
  return { ...poll, body: { ...poll.body, resident } };
}

function forget(line: Line, poll: KeptPoll): void {
  if (line.polls.delete(poll)) keep(line);
}

function respond(
  line: Line,
  id: number,
  result: Result<unknown, AgentRefusal | ForeignArtifact>,
): void {
  if (result.ok) send(line, { id, answer: result.value });
  else refuse(line, id, toCode(result.error.reason));
}

function toCode(reason: AgentRefusal['reason'] | ForeignArtifact['reason']): ErrorCode {
  return reason === 'foreign_artifact' ? 'invalid_request' : reason;
}

function refuse(line: Line, id: number, code: ErrorCode): void {
  send(line, { id, error: { code, message: ERRORS[code].help } });
}

/** Leaves once all that was written so far is on disk. */
function send({ socket }: Line, answer: SocketAnswer): void {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(answer));
}
