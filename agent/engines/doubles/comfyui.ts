/**
 * A ComfyUI for tests: a real HTTP and WebSocket server on 127.0.0.1 that answers, queues, runs,
 * caches, fails and dies as the real one was seen to. Its nodes compute nothing; the files it
 * gives are real ones of a real server. What goes wrong is decided by the test, through `script`.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { check, readRules } from './comfyui/rules.ts';
import type { Prompt } from './comfyui/rules.ts';
import { Worker } from './comfyui/worker.ts';
import type { Script } from './comfyui/worker.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly bytes?: Uint8Array;
}

export class ComfyDouble {
  readonly script: Script = {};
  /** Schemas of its nodes: a test may take nodes and files away. */
  readonly rules = readRules();
  /** Every call: method and path. */
  readonly calls: string[] = [];
  /** Files that were uploaded, by name. */
  readonly uploads = new Map<string, Uint8Array>();
  /** Answers a call in the server's place; undefined leaves it to the server. */
  intercept: (method: string, path: string) => Answer | 'hang' | 'cut' | undefined = () =>
    undefined;
  vramFree = 4e9;
  freed = 0;
  prompts: { prompt: Prompt; promptId: string }[] = [];
  worker!: Worker;
  #server: Server | null = null;
  #port = 0;
  #number = 0;
  readonly #clients = new Map<string, WebSocket>();
  readonly #connections = new Set<Socket>();

  static async start(): Promise<ComfyDouble> {
    const double = new ComfyDouble();
    await double.listen();
    return double;
  }

  get url(): URL {
    return new URL(`http://127.0.0.1:${this.#port}`);
  }

  /** Starts the process: an empty queue, an empty history, no cache; files are still on disk. */
  async listen(): Promise<void> {
    const files = this.worker?.files;
    this.worker = new Worker({
      script: this.script,
      uploads: this.uploads,
      send: (clientId, type, data) => this.#send(clientId, JSON.stringify({ type, data })),
      sendPreview: (clientId, promptId, jpeg) => {
        const metadata = Buffer.from(
          JSON.stringify({ prompt_id: promptId, image_type: 'image/jpeg' }),
        );
        const head = Buffer.alloc(8);
        head.writeUInt32BE(4, 0);
        head.writeUInt32BE(metadata.length, 4);
        this.#send(clientId, Buffer.concat([head, metadata, jpeg]));
      },
      changed: () => this.#sendStatus(null),
    });
    for (const [name, bytes] of files ?? []) this.worker.files.set(name, bytes);
    const server = createServer((request, response) => void this.#serve(request, response));
    server.on('connection', (socket) => {
      this.#connections.add(socket);
      socket.on('close', () => this.#connections.delete(socket));
    });
    const sockets = new WebSocketServer({ server, path: '/ws' });
    sockets.on('connection', (socket, request) => this.#welcome(socket, request));
    const up = Promise.withResolvers<void>();
    server.listen(this.#port, '127.0.0.1', up.resolve);
    await up.promise;
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Kills the process: connections end, nothing listens. */
  async crash(): Promise<void> {
    this.worker.die();
    const server = this.#server;
    this.#server = null;
    if (!server) return;
    const closed = Promise.withResolvers<void>();
    server.close(() => closed.resolve());
    for (const socket of this.#connections) socket.destroy();
    await closed.promise;
    this.#clients.clear();
  }

  /** Cuts every WebSocket; what runs goes on. */
  dropSockets(): void {
    for (const socket of this.#clients.values()) socket.terminate();
    this.#clients.clear();
  }

  /** A raw frame to every client. */
  shout(frame: string | Uint8Array): void {
    for (const socket of this.#clients.values()) socket.send(frame);
  }

  get sockets(): number {
    return this.#clients.size;
  }

  #send(clientId: string | null, frame: string | Uint8Array): void {
    if (clientId === null) this.shout(frame);
    else this.#clients.get(clientId)?.send(frame);
  }

  #sendStatus(clientId: string | null): void {
    const queue_remaining = this.worker.pending.length + (this.worker.running ? 1 : 0);
    const data = { status: { exec_info: { queue_remaining } }, sid: clientId ?? undefined };
    this.#send(clientId, JSON.stringify({ type: 'status', data }));
  }

  #welcome(socket: WebSocket, request: IncomingMessage): void {
    const id = new URL(request.url!, this.url).searchParams.get('clientId')!;
    this.#clients.set(id, socket);
    this.#sendStatus(id);
    if (this.worker.running?.clientId === id) {
      this.#send(id, JSON.stringify({ type: 'executing', data: { node: 'sampler' } }));
    }
    socket.on('message', (data) => {
      if (!(data as Buffer).toString().includes('feature_flags')) return;
      const flags = { supports_preview_metadata: true };
      this.#send(id, JSON.stringify({ type: 'feature_flags', data: flags }));
    });
    socket.on('close', () => {
      if (this.#clients.get(id) === socket) this.#clients.delete(id);
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url!, this.url);
    this.calls.push(`${request.method} ${pathname}`);
    const body = await readBody(request);
    const taken = this.intercept(request.method!, pathname);
    if (taken === 'hang') return;
    if (taken === 'cut') {
      // Done, but the answer is lost.
      this.#answer(request, { pathname, searchParams, body });
      request.socket.destroy();
      return;
    }
    const answer = taken ?? this.#answer(request, { pathname, searchParams, body });
    response.writeHead(answer.status, {
      'content-type': answer.bytes ? 'application/octet-stream' : 'application/json',
    });
    const { bytes } = answer;
    response.end(bytes ?? (answer.body === undefined ? '' : JSON.stringify(answer.body)));
  }

  #answer(
    request: IncomingMessage,
    {
      pathname,
      searchParams,
      body,
    }: { pathname: string; searchParams: URLSearchParams; body: Buffer },
  ): Answer {
    const { origin, host } = request.headers;
    if (origin !== undefined && new URL(origin).host !== host) return { status: 403 };
    const [, first, second] = pathname.split('/');
    const key = `${request.method} /${first}`;
    if (key === 'POST /upload') return this.#upload(body);
    if (key === 'GET /view') return this.#view(searchParams);
    if (request.method === 'POST') return this.#post(first!, parse(body));
    switch (first) {
      case 'object_info': {
        const rule = this.rules[second!];
        return { status: 200, body: rule ? { [second!]: rule } : {} };
      }
      case 'history': {
        const entry = this.worker.history.get(second!);
        return { status: 200, body: entry ? { [second!]: entry } : {} };
      }
      case 'queue': {
        const { running, pending } = this.worker;
        const item = (job: { number: number; id: string }) => [job.number, job.id, {}, {}, []];
        const queue_running = running ? [item(running)] : [];
        return { status: 200, body: { queue_running, queue_pending: pending.map(item) } };
      }
      case 'system_stats': {
        const system = { os: 'linux', comfyui_version: '0.8.0' };
        const device = { name: 'cuda:0', type: 'cuda', index: 0, vram_total: 24e9 };
        return {
          status: 200,
          body: { system, devices: [{ ...device, vram_free: this.vramFree }] },
        };
      }
      default:
        return { status: 404 };
    }
  }

  #post(path: string, body: Record<string, unknown> | null): Answer {
    if (body === null) return { status: 500 };
    const { worker } = this;
    const doomed = (body['delete'] ?? []) as string[];
    switch (path) {
      case 'prompt':
        return this.#prompt(body);
      case 'queue':
        for (const id of doomed) {
          const at = worker.pending.findIndex((job) => job.id === id);
          if (at >= 0) worker.pending.splice(at, 1);
        }
        return { status: 200 };
      case 'history':
        for (const id of doomed) worker.history.delete(id);
        return { status: 200 };
      case 'interrupt':
        // On one that does not run, nothing happens, and the answer is the same.
        if (!body['prompt_id'] || worker.running?.id === body['prompt_id']) {
          worker.interrupted = true;
        }
        return { status: 200 };
      case 'free':
        this.freed++;
        worker.cache.clear();
        this.vramFree = 20e9;
        return { status: 200 };
      default:
        return { status: 404 };
    }
  }

  #prompt(body: Record<string, unknown>): Answer {
    const id = String(body['prompt_id']);
    if (!UUID.test(id)) {
      const error = {
        type: 'invalid_prompt_id',
        message: 'not a UUID',
        details: '',
        extra_info: {},
      };
      return { status: 400, body: { error, node_errors: {} } };
    }
    const prompt = body['prompt'] as Prompt;
    const { error, node_errors, outputs } = check(prompt, this.rules);
    if (error) return { status: 400, body: { error, node_errors } };
    this.prompts.push({ prompt, promptId: id });
    const number = this.#number++;
    const clientId = (body['client_id'] as string | undefined) ?? null;
    this.worker.put({ number, id, prompt, clientId, outputs });
    return { status: 200, body: { prompt_id: id, number, node_errors } };
  }

  #view(query: URLSearchParams): Answer {
    const name = query.get('filename')!;
    if (name.includes('..')) return { status: 400 };
    const bytes = this.worker.files.get(`${query.get('subfolder')}/${name}`);
    return bytes ? { status: 200, bytes } : { status: 404 };
  }

  /** Keeps the file under a name that is not quite the one that was sent. */
  #upload(body: Buffer): Answer {
    const text = body.toString('latin1');
    const sent = /filename="([^"]+)"/.exec(text)![1]!;
    const start = text.indexOf('\r\n\r\n', text.indexOf('filename=')) + 4;
    const name = sent.replace('.png', ' (1).png');
    this.uploads.set(name, body.subarray(start, text.indexOf('\r\n--', start)));
    return { status: 200, body: { name, subfolder: '', type: 'input' } };
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function parse(body: Buffer): Record<string, unknown> | null {
  try {
    return JSON.parse(body.toString()) as Record<string, unknown>;
  } catch {
    return null;
  }
}
