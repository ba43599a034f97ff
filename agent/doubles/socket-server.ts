/**
 * The edge's end of an agent's socket on loopback, for tests: checks the token, keeps what comes
 * and answers as a test says.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import { PING, PONG, SOCKET_PATH, SocketCall } from '#schema/agent-socket.ts';
import { TOKEN } from './edge-server.ts';

export class SocketServer {
  /** Calls in the order of their arrival. */
  readonly calls: SocketCall[] = [];
  /** Requests that were not upgrades, by path. */
  readonly requests: string[] = [];
  /** The answer to a call, or null for none. */
  answer: (call: SocketCall) => object | string | null = ({ id }) => ({ id, answer: {} });
  /** Whether sockets are opened. */
  opens = true;
  isDeaf = false;
  upgrades = 0;
  readonly #http = createServer((request, response) => {
    this.requests.push(request.url ?? '');
    response.writeHead(200, { 'content-type': 'application/json' }).end(this.reply);
  });
  /** What a request is answered. */
  reply = '{}';
  readonly #sockets = new WebSocketServer({ noServer: true });
  readonly #open = new Set<WebSocket>();

  async start(): Promise<URL> {
    this.#http.on('upgrade', (request, stream: Duplex, head) => {
      this.upgrades += 1;
      const known = request.headers.authorization === `Bearer ${TOKEN}`;
      if (!this.opens || !known || request.url !== SOCKET_PATH) {
        stream.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n');
        return;
      }
      this.#sockets.handleUpgrade(request, stream, head, (socket) => this.#serve(socket));
    });
    await new Promise<void>((resolve) => this.#http.listen(0, '127.0.0.1', resolve));
    return new URL(`http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`);
  }

  /** Cuts every socket, as a deploy does. */
  cut(): void {
    for (const socket of this.#open) socket.terminate();
  }

  send(message: object | string): void {
    for (const socket of this.#open) socket.send(text(message));
  }

  async stop(): Promise<void> {
    this.cut();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  #serve(socket: WebSocket): void {
    this.#open.add(socket);
    socket.on('close', () => this.#open.delete(socket));
    socket.on('error', () => {});
    socket.on('message', (data: Buffer) => {
      if (this.isDeaf) return;
      const message = data.toString('utf8');
      if (message === PING) {
        socket.send(PONG);
        return;
      }
      const call = SocketCall.parse(JSON.parse(message));
      this.calls.push(call);
      const answer = this.answer(call);
      if (answer !== null) socket.send(text(answer));
    });
  }
}

function text(message: object | string): string {
  return typeof message === 'string' ? message : JSON.stringify(message);
}
