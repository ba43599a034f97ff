/**
 * A server on 127.0.0.1 that a test scripts: keeps what it was asked, answers by method and path,
 * can refuse connections as a process that restarts does. The doubles of engines build on it.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { assert } from '#schema/assert.ts';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly key: string | null;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  readonly json: Record<string, unknown>;
  /** Settles when the client has closed the connection, or has its answer. */
  readonly closed: Promise<void>;
}

export abstract class HttpDouble {
  readonly asked: Asked[] = [];
  /** Connections that are still to be refused. */
  refusals = 0;
  readonly #server: Server;
  readonly #waiters: (() => void)[] = [];

  constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
    // Every request makes a connection of its own, as with KoboldCPP's HTTP/1.0.
    this.#server.keepAliveTimeout = 1;
    this.#server.on('connection', (socket) => {
      socket.on('error', () => {});
    });
  }

  /** Listens, by default on any free port. */
  async start(port = 0): Promise<URL> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    return new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`);
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /** Resolves when `fact` holds; looked at after every request and every `changed`. */
  async until(fact: () => boolean): Promise<void> {
    while (!fact()) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** What was asked of a path. */
  of(path: string): Asked[] {
    return this.asked.filter((asked) => asked.path === path);
  }

  protected changed(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  protected abstract answer(asked: Asked, response: ServerResponse): void | Promise<void>;

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.refusals > 0) {
      this.refusals--;
      request.socket.destroy();
      return;
    }
    assert(request.headers.origin === undefined, 'the client sends no Origin');
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    const isJson = request.headers['content-type'] === 'application/json';
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    const asked: Asked = {
      method: request.method!,
      path: new URL(request.url!, 'http://double').pathname,
      key: /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? null,
      headers: request.headers,
      body,
      json: isJson ? (JSON.parse(body.toString()) as Record<string, unknown>) : {},
      closed,
    };
    response.on('close', () => {
      resolve();
      this.changed();
    });
    response.on('error', () => {});
    this.asked.push(asked);
    this.changed();
    await this.answer(asked, response);
  }
}

/** Answers JSON. */
export function reply(response: ServerResponse, json: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
}

/** Answers anything else. */
export function replyText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain' }).end(text);
}

/** Words of a text: what the doubles count as tokens. */
export function countWords(text: string): number {
  return text.split(/\s+/).filter((word) => word !== '').length;
}
