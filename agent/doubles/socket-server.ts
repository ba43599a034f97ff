/**
 * The edge's end of an agent's socket on loopback, for tests: checks the token, keeps what comes
 * and answers as a test says.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
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
  /** Whether a socket opens and passes nothing on, as by a proxy in the way. */
  swallows = false;
  /** Connections of those that are still there. */
  swallowing = 0;
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
      // The agent may cut a connection whose answer it has not read.
      stream.on('error', () => {});
      const known = request.headers.authorization === `Bearer ${TOKEN}`;
      if (!this.opens || !known || request.url !== SOCKET_PATH) {
        stream.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n');
        return;
      }
      if (this.swallows) {
        this.#swallow(request, stream);
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

  #swallow(request: IncomingMessage, stream: Duplex): void {
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(key).digest('base64');
    stream.write(
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n' +
        `sec-websocket-accept: ${accept}\r\n\r\n`,
    );
    this.swallowing += 1;
    stream.on('close', () => (this.swallowing -= 1));
    stream.on('end', () => stream.destroy());
    stream.resume();
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
