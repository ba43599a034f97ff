/**
 * What the box tells its operator, over HTTP on loopback only: `/health`, `/capabilities`,
 * `/metrics`. Reads; changes nothing; holds no secret and no prompt.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HealthSource {
  /** Whether the edge knows this agent, and what it does. */
  health(): { readonly status: 'ok' | 'degraded' | 'draining'; readonly [field: string]: unknown };
  capabilities(): unknown;
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
}

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves on 127.0.0.1:`port`, 0 for any free one; rejects when the port is taken. */
export async function serveHealth(source: HealthSource, port: number): Promise<HealthServer> {
  const server = createServer((request, response) => {
    answer(source, request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { port: (server.address() as AddressInfo).port, close };
}

async function answer(
  source: HealthSource,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const json = (status: number, body: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    response.end(`${JSON.stringify(body)}\n`);
  };
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    json(405, { error: 'only GET' });
    return;
  }
  switch ((request.url ?? '').split('?')[0]) {
    case '/health': {
      const health = source.health();
      json(health.status === 'ok' ? 200 : 503, health);
      return;
    }
    case '/capabilities':
      json(200, source.capabilities());
      return;
    case '/metrics': {
      const { contentType, text } = await source.metrics();
      response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store' });
      response.end(text);
      return;
    }
    default:
      json(404, { error: 'one of /health, /capabilities, /metrics' });
  }
}
