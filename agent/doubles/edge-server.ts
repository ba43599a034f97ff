/**
 * The edge's model behind real HTTP on loopback: checks the token, parses every body with the
 * contract's schemas, checks fencing tokens, tickets, lengths and hashes of uploads, and can
 * drop, double, hold back or replace any exchange. Long polls end only when a test says so.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  AcquireBody,
  CompleteBody,
  ControlBody,
  FailBody,
  LeaveBody,
  RegisterBody,
  RenewBody,
  ReturnBody,
  StreamBody,
} from '#schema/agent-protocol.ts';
import { ERRORS } from '#schema/error.ts';
import type { ErrorCode } from '#schema/error.ts';
import type { Request, Verb } from '../session/state.ts';
import { ArtifactStore } from './artifact-store.ts';
import type { StoreReply } from './artifact-store.ts';
import type { Bell } from './clock.ts';
import { EdgeModel } from './edge-model.ts';

/** The token of the one agent of a pool. */
export function tokenOf(pool: string): string {
  return `tsa_${pool}_01k00000000000000000000000_${'s'.repeat(43)}`;
}
export const TOKEN = tokenOf('main');

const BODIES = {
  register: RegisterBody,
  acquire: AcquireBody,
  control: ControlBody,
  renew: RenewBody,
  complete: CompleteBody,
  fail: FailBody,
  return: ReturnBody,
};

/** What is to become of one exchange; nothing: it is answered. */
export type Trouble =
  | { readonly do: 'drop_request' | 'drop_answer' | 'hang' | 'double' }
  | {
      readonly do: 'reply';
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body: string;
    };

/** A verb, or another exchange. */
type Troubled = Verb | 'upload' | 'part' | 'begin' | 'finish' | 'stream';

interface Parked {
  readonly request: Request;
  readonly response: ServerResponse;
}

export class EdgeServer {
  readonly pool: string;
  readonly model: EdgeModel;
  /** Calls in the order of their arrival. */
  readonly calls: { readonly verb: Verb; readonly body: unknown }[] = [];
  readonly store: ArtifactStore;
  readonly texts = new Map<string, string>();
  /** Input files by their URL; null never answers. */
  readonly media = new Map<string, Uint8Array | null>();
  readonly userAgents = new Set<string>();
  /** Sessions that said goodbye. */
  readonly left = new Set<string>();
  /** Decides on trouble; `upload` is of a whole file, `part` of a part. */
  trouble: (name: Troubled) => Trouble | undefined = () => undefined;
  readonly #server: Server;
  readonly #now: () => number;
  readonly #bell: Bell;
  #parked: Parked[] = [];

  constructor(now: () => number, bell: Bell, pool = 'main') {
    this.pool = pool;
    this.model = new EdgeModel(pool);
    this.store = new ArtifactStore((ref) => this.model.holdsLease(ref));
    this.#now = now;
    this.#bell = bell;
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : undefined);
      });
    });
  }

  /** Results that are there whole, by their keys. */
  get stored(): ArtifactStore['stored'] {
    return this.store.stored;
  }

  async start(): Promise<URL> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`);
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /** Parked polls now, by verb. */
  parked(verb: Verb): number {
    return this.#parked.filter(({ request }) => request.verb === verb).length;
  }

  count(verb: Verb): number {
    return this.calls.filter((call) => call.verb === verb).length;
  }

  last(verb: Verb): unknown {
    return this.calls.findLast((call) => call.verb === verb)?.body;
  }

  /** Looks at parked polls anew; `last` ends them all. */
  wake(last = false): void {
    const parked = this.#parked;
    this.#parked = [];
    for (const { request, response } of parked) this.#answer(request, response, last);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url?.startsWith('/media/')) {
      const bytes = this.media.get(request.url);
      if (bytes) response.end(bytes);
      else if (bytes === undefined) refuse(response, 'not_found');
      this.#bell.ring();
      return;
    }
    if (request.url === '/health') {
      response.end(JSON.stringify({ status: 'ok', version: '0.0.0' }));
      return;
    }
    this.userAgents.add(request.headers['user-agent'] ?? '');
    if (request.headers.authorization !== `Bearer ${tokenOf(this.pool)}`) {
      refuse(response, 'unauthorized');
      return;
    }
    const path = /^\/agent\/v1\/(.+)$/.exec(request.url ?? '')?.[1] ?? '';
    if (request.method === 'PUT') {
      await this.#upload(path, request, response);
      return;
    }
    const body = JSON.parse((await readAll(request)).toString('utf8')) as unknown;
    if (path === 'stream') {
      this.#meddle('stream', response, () => this.#stream(StreamBody.parse(body), response));
      return;
    }
    if (path === 'uploads/begin' || path === 'uploads/finish') {
      const verb = path === 'uploads/begin' ? 'begin' : 'finish';
      this.#exchange(verb, response, () => this.store[verb](body));
      return;
    }
    if (path === 'leave') {
      this.left.add(LeaveBody.parse(body).sessionId);
      json(response, 200, { left: true });
      return;
    }
    const verb = path as Verb;
    const parsed = BODIES[verb].safeParse(body);
    if (!parsed.success) {
      refuse(response, 'invalid_request');
      return;
    }
    const call = { verb, body: parsed.data } as Request;
    this.calls.push(call);
    const quietly = () => void this.model.handle(call, { now: this.#now(), last: true });
    this.#meddle(verb, response, () => this.#answer(call, response, false), quietly);
    this.#bell.ring();
  }

  #meddle(
    name: Troubled,
    response: ServerResponse,
    ...[act, quietly]: [act: () => void, quietly?: () => void]
  ): void {
    const trouble = this.trouble(name);
    switch (trouble?.do) {
      case undefined:
        act();
        return;
      case 'drop_request':
        response.destroy();
        return;
      case 'hang':
        return;
      case 'drop_answer':
        quietly?.();
        response.destroy();
        return;
      case 'double':
        quietly?.();
        act();
        return;
      case 'reply':
        response.writeHead(trouble.status, trouble.headers).end(trouble.body);
    }
  }

  #answer(request: Request, response: ServerResponse, last: boolean): void {
    if (response.destroyed) return;
    const reply = this.model.handle(request, { now: this.#now(), last });
    if (reply.kind === 'park') {
      const parked = { request, response };
      this.#parked.push(parked);
      if (response.listenerCount('close') === 0) {
        response.once('close', () => {
          this.#parked = this.#parked.filter((other) => other.response !== response);
          this.#bell.ring();
        });
      }
    } else if (reply.kind === 'refusal') refuse(response, reply.code);
    else json(response, 200, reply.answer);
  }

  #stream(body: StreamBody, response: ServerResponse): void {
    if (!this.model.holdsLease(body)) {
      refuse(response, 'lease_lost');
      return;
    }
    const text = this.texts.get(body.jobId) ?? '';
    this.texts.set(body.jobId, text.slice(0, body.offset) + body.text);
    json(response, 200, { appended: text.length >= body.offset });
    this.#bell.ring();
  }

  async #upload(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const bytes = await this.store.receive(path, request);
    const name = path.includes('/parts/') ? 'part' : 'upload';
    if (bytes) this.#exchange(name, response, () => this.store.put(path, request.headers, bytes));
    else response.destroy();
    this.#bell.ring();
  }

  #exchange(name: Troubled, response: ServerResponse, act: () => StoreReply): void {
    const answer = () => {
      const reply = act();
      if ('code' in reply) refuse(response, reply.code);
      else json(response, 200, reply.answer);
    };
    this.#meddle(name, response, answer, act);
  }
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** The error body for a code, as text. */
export function errorBody(code: ErrorCode): string {
  return JSON.stringify({ error: { code, message: ERRORS[code].help, request_id: 'req_test' } });
}

function refuse(response: ServerResponse, code: ErrorCode): void {
  const { status } = ERRORS[code];
  response.writeHead(status, { 'content-type': 'application/json' }).end(errorBody(code));
}
