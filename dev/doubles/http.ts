/** The HTTP side that the doubles share: a listener, bodies in JSON or as forms, dropped lines. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A file that was uploaded. */
export interface Upload {
  readonly name: string;
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

/** A request as a double reads it. */
export interface Incoming {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  /** JSON as it came; a form's texts by name. */
  readonly body: unknown;
  readonly files: ReadonlyMap<string, Upload>;
  /** What the body was sent as. */
  readonly bodyKind: 'none' | 'json' | 'form' | 'broken';
}

/** An answer, or null to drop the connection. */
export type Outgoing = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
} | null;

/** A listener on 127.0.0.1. */
export interface Listener {
  readonly url: string;
  stop(): Promise<void>;
}

/** Largest body that a double reads: more than any platform takes. */
const BODY_BYTES_MAX = 64 * 1024 * 1024;

/** Starts a server that answers by `handle`. */
export async function listen(
  port: number,
  handle: (incoming: Incoming) => Promise<Outgoing>,
): Promise<Listener> {
  const server = createServer((request, response) => {
    void answer(request, handle).then((outgoing) => {
      if (outgoing === null) {
        request.socket.destroy();
        return;
      }
      const { status, headers, body } = outgoing;
      const isBytes = body instanceof Uint8Array;
      const content = isBytes ? body : body === null ? '' : JSON.stringify(body);
      response.writeHead(status, {
        ...(isBytes || body === null ? {} : { 'content-type': 'application/json' }),
        ...headers,
      });
      response.end(content);
    });
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${bound}`, stop: () => close(server) };
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

async function answer(
  request: IncomingMessage,
  handle: (incoming: Incoming) => Promise<Outgoing>,
): Promise<Outgoing> {
  try {
    return await handle(await read(request));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') return null; // the caller is gone
    // A double that fails must be seen, not answered for.
    console.error('double:', error);
    return { status: 599, body: { error: String(error) } };
  }
}

async function read(request: IncomingMessage): Promise<Incoming> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_BYTES_MAX) throw new Error('a body larger than any platform takes');
    chunks.push(chunk);
  }
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (typeof value === 'string') headers.set(name, value);
  }
  const parsed = await parse(Buffer.concat(chunks), headers.get('content-type') ?? '');
  const { method = 'GET' } = request;
  return { method, path: url.pathname, query: url.searchParams, headers, ...parsed };
}

async function parse(
  bytes: Buffer,
  contentType: string,
): Promise<Pick<Incoming, 'body' | 'files' | 'bodyKind'>> {
  const files = new Map<string, Upload>();
  if (bytes.length === 0) return { body: {}, files, bodyKind: 'none' };
  if (contentType.startsWith('application/json')) {
    try {
      return { body: JSON.parse(bytes.toString('utf8')), files, bodyKind: 'json' };
    } catch {
      return { body: {}, files, bodyKind: 'broken' }; // the double says so to its caller
    }
  }
  if (!contentType.startsWith('multipart/form-data'))
    return { body: {}, files, bodyKind: 'broken' };
  const body: Record<string, string> = {};
  const form = await new Response(new Uint8Array(bytes), {
    headers: { 'content-type': contentType },
  }).formData();
  for (const [name, value] of form) {
    if (typeof value === 'string') body[name] = value;
    else {
      const content = new Uint8Array(await value.arrayBuffer());
      files.set(name, { name: value.name, contentType: value.type, bytes: content });
    }
  }
  return { body, files, bodyKind: 'form' };
}
