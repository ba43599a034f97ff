/** An agent that calls by its socket, for tests: sends what it is told and keeps what comes. */
import { expect } from 'vitest';
import type { AcquireAnswer, EndAnswer } from '#schema/agent-protocol.ts';
import { SOCKET_PATH, SocketAnswer } from '#schema/agent-socket.ts';
import type { HttpAgent, HttpWorld } from './http.ts';
import { eventually } from './world.ts';

/** Asks for an upgrade. */
export function upgrade(world: HttpWorld, token: string): Promise<Response> {
  return world.get(SOCKET_PATH, token, { upgrade: 'websocket' });
}

export class SocketAgent {
  readonly answers: SocketAnswer[] = [];
  /** Why the edge closed it, or null. */
  closed: { readonly code: number; readonly reason: string } | null = null;
  readonly sessionId: string;
  readonly #socket: WebSocket;
  #lastId = 0;

  constructor(socket: WebSocket, sessionId: string) {
    this.#socket = socket;
    this.sessionId = sessionId;
    socket.addEventListener('message', ({ data }) => {
      this.answers.push(SocketAnswer.parse(JSON.parse(data as string)));
    });
    socket.addEventListener('close', ({ code, reason }) => {
      this.closed = { code, reason };
    });
    socket.accept();
  }

  /** Opens the socket of a registered agent. */
  static async open(world: HttpWorld, { token, sessionId }: HttpAgent): Promise<SocketAgent> {
    const { status, webSocket } = await upgrade(world, token);
    expect(status).toBe(101);
    return new SocketAgent(webSocket!, sessionId);
  }

  /** Sends a call without its session, which is added; answers its id. */
  send(verb: string, body: object = {}): number {
    const id = ++this.#lastId;
    this.sendRaw(JSON.stringify({ id, verb, body: { sessionId: this.sessionId, ...body } }));
    return id;
  }

  sendRaw(text: string): void {
    this.#socket.send(text);
  }

  end(id: number): void {
    this.sendRaw(JSON.stringify({ id, verb: 'end' }));
  }

  close(): void {
    this.#socket.close(1000);
  }

  /** The answer of a call, when it has come. */
  async answerOf<T>(id: number): Promise<T> {
    const found = await this.#find(id);
    expect(found).toHaveProperty('answer');
    return (found as { answer: T }).answer;
  }

  async codeOf(id: number): Promise<string> {
    const found = await this.#find(id);
    expect(found).toHaveProperty('error');
    return (found as { error: { code: string } }).error.code;
  }

  acquire(waitMs = 0): number {
    return this.send('acquire', { resident: [], holding: [], waitMs });
  }

  /** Completes a job and asks for the next. */
  async complete(lease: { jobId: string; fencingToken: number }): Promise<EndAnswer> {
    const id = this.send('complete', {
      lease: { jobId: lease.jobId, fencingToken: lease.fencingToken },
      artifacts: [],
      usage: { steps: 20 },
      timings: { loadMs: 0, serviceMs: 1000, uploadMs: 10 },
      next: { resident: [], holding: [] },
    });
    return this.answerOf(id);
  }

  async take() {
    const { job } = await this.answerOf<AcquireAnswer>(this.acquire());
    expect(job).not.toBeNull();
    return job!;
  }

  #find(id: number): Promise<SocketAnswer> {
    return eventually(async () => this.answers.find((answer) => answer.id === id));
  }
}
