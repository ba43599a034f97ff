/**
 * WebSocket-to-TCP bridge: lets the Worker's Neon driver talk to a plain Postgres.
 *
 * Listens on 127.0.0.1 only and dials only the Postgres it was made for: the address in the
 * request's query is ignored. Each socket is one Postgres connection; bytes pass unchanged,
 * a slow side pauses the other, and the end of one side ends both. Single statements come by
 * HTTP instead (database-statement.ts).
 */
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import { StatementServer } from './database-statement.ts';

const BUFFERED_BYTES_MAX = 1024 * 1024;
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

export type Bridge = { port: number; close: () => Promise<void> };

/** Starts a bridge on `port` (0: any) to one Postgres. */
export async function startBridge(
  port: number,
  target: { host: string; port: number },
): Promise<Bridge> {
  const statements = new StatementServer(target);
  const server = createServer((request, response) => void statements.answer(request, response));
  const sockets = new WebSocketServer({ server, path: '/v1', maxPayload: MESSAGE_BYTES_MAX });
  sockets.on('connection', (socket) => join(socket, connect(target.port, target.host)));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: async () => {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await statements.close();
    },
  };
}

function join(socket: WebSocket, tcp: Socket): void {
  tcp.setNoDelay(true);
  socket.on('message', (data: Buffer) => {
    if (!tcp.write(data)) socket.pause();
  });
  tcp.on('drain', () => socket.resume());
  tcp.on('data', (chunk) => {
    socket.send(chunk, () => {
      if (tcp.isPaused() && socket.bufferedAmount < BUFFERED_BYTES_MAX) tcp.resume();
    });
    if (socket.bufferedAmount >= BUFFERED_BYTES_MAX) tcp.pause();
  });
  tcp.on('close', () => socket.close());
  tcp.on('error', () => {}); // 'close' follows
  socket.on('close', () => tcp.end());
  socket.on('error', () => tcp.destroy());
}
