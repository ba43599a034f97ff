import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SOCKET_PATH } from '#schema/agent-socket.ts';
import { LEASE_MS } from '#schema/limits.ts';
import { TestClock } from './doubles/clock.ts';
import { errorBody, TOKEN } from './doubles/edge-server.ts';
import { EdgeClient } from './edge-client.ts';
import { ANSWER_BYTES_MAX, CALL_MS_MAX, RETRY_AFTER_MS_MAX } from './limits.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const NEVER = new AbortController().signal;
const ACQUIRE = {
  sessionId: '00000000-0000-4000-8000-000000000001',
  resident: [],
  busyMs: 0,
  holding: [],
  waitMs: 0,
};
const GRANT = {
  jobId: 'job_01000000000000000000000001_main',
  fencingToken: 3,
  attempt: 1,
  leaseMs: LEASE_MS,
  expiresAt: 0,
  runMsMax: 1000,
  uploadTicket: 'ticket',
  inputs: [],
};

let server: Server;
let handle: Handler;
let client: EdgeClient;
const clock = new TestClock();
const sockets = new Set<Socket>();

beforeEach(async () => {
  sockets.clear();
  server = createServer((request, response) => {
    // This edge has no sockets.
    if (request.url === SOCKET_PATH) response.writeHead(404).end();
    else handle(request, response);
  });
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const timeout = (ms: number) => clock.timeout(ms);
  client = new EdgeClient({ url, token: TOKEN, version: '1.2.3', timeout, clock });
});
afterEach(async () => {
  await client.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function replies(status: number, body: string, headers: Record<string, string> = {}): Handler {
  return (request, response) => {
    request.resume();
    response.writeHead(status, headers).end(body);
  };
}

function acquire(signal = NEVER) {
  return client.call('acquire', ACQUIRE, { timeoutMs: CALL_MS_MAX, signal });
}

describe('a call', () => {
  it('sends the token and the body, and gives the parsed answer', async () => {
    let seen: IncomingMessage | undefined;
    let body = '';
    handle = (request, response) => {
      seen = request;
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => response.end('{"job":null,"drain":false,"later":1}'));
    };
    expect(await acquire()).toEqual({ ok: true, value: { job: null, batch: [], drain: false } });
    expect(seen?.method).toBe('POST');
    expect(seen?.url).toBe('/agent/v1/acquire');
    expect(seen?.headers).toMatchObject({
      authorization: `Bearer ${TOKEN}`,
      'content-type': 'application/json',
      'user-agent': 'tessera-agent/1.2.3',
    });
    expect(JSON.parse(body)).toEqual(ACQUIRE);
  });

  it('keeps its connection for the next one', async () => {
    handle = replies(200, '{"job":null,"drain":false}');
    for (let n = 0; n < 10; n++) await acquire();
    // A second one is opened when the first is not yet known to be free.
    // A third asked for a WebSocket.
    expect(sockets.size).toBeLessThanOrEqual(3);
  });

  it.each([
    ['no JSON', '<html>'],
    ['another shape', '{"jobs":[]}'],
    ['nothing', ''],
  ])('that is answered with %s is malformed', async (_, body) => {
    handle = replies(200, body);
    expect(await acquire()).toMatchObject({ ok: false, failure: { reason: 'malformed' } });
  });

  it.each([
    ['7', 7000],
    ['999999999', RETRY_AFTER_MS_MAX],
    ['Wed, 21 Oct 2026 07:28:00 GMT', null],
  ])('that is refused gives the code, and Retry-After %s as %s ms', async (value, retryAfterMs) => {
    handle = replies(429, errorBody('rate_limited'), { 'retry-after': value });
    const failure = { reason: 'refused', code: 'rate_limited', retryAfterMs };
    expect(await acquire()).toMatchObject({ ok: false, failure });
  });

  it('that a proxy answered counts as unreachable, and its Retry-After is kept', async () => {
    handle = replies(503, '<html>down</html>', { 'retry-after': '9' });
    const failure = { reason: 'unreachable', retryAfterMs: 9000 };
    expect(await acquire()).toMatchObject({ ok: false, failure });
  });

  it('with an unknown code of a newer edge counts as unreachable, not as a fault', async () => {
    const body = '{"error":{"code":"brand_new","message":"","request_id":"r"}}';
    handle = replies(418, body);
    expect(await acquire()).toMatchObject({ ok: false, failure: { reason: 'unreachable' } });
  });

  it('never takes the token to where a redirect points', async () => {
    let seen = 0;
    handle = (request, response) => {
      seen++;
      replies(302, '', { location: '/elsewhere' })(request, response);
    };
    expect(await acquire()).toMatchObject({ ok: false, failure: { reason: 'unreachable' } });
    expect(seen).toBe(1);
  });

  it('ends when its time is over', async () => {
    handle = () => clock.advance(CALL_MS_MAX);
    const failure = { reason: 'unreachable', detail: `no answer within ${CALL_MS_MAX} ms` };
    expect(await acquire()).toMatchObject({ ok: false, failure });
  });

  it('ends when it is given up', async () => {
    const abort = new AbortController();
    handle = () => abort.abort();
    expect(await acquire(abort.signal)).toMatchObject({ failure: { reason: 'aborted' } });
  });

  it.each([
    ['cut', (response: ServerResponse) => response.destroy()],
    [
      'cut in its middle',
      (response: ServerResponse) => {
        response.writeHead(200, { 'content-length': '100' }).write('{"job"');
        response.destroy();
      },
    ],
    ['endless', (response: ServerResponse) => void response.end('x'.repeat(ANSWER_BYTES_MAX + 1))],
  ])('whose answer is %s is unreachable', async (_, spoil) => {
    handle = (request, response) => {
      request.resume();
      spoil(response);
    };
    expect(await acquire()).toMatchObject({ ok: false, failure: { reason: 'unreachable' } });
  });

  it('to nobody is unreachable and says why', async () => {
    const url = new URL('http://127.0.0.1:9');
    const lonely = new EdgeClient({ url, token: TOKEN, version: '1' });
    const limits = { timeoutMs: CALL_MS_MAX, signal: NEVER };
    const result = await lonely.call('acquire', ACQUIRE, limits);
    expect(result).toMatchObject({ ok: false, failure: { reason: 'unreachable' } });
    expect(JSON.stringify(result)).toMatch(/ECONNREFUSED|bad port/);
    await lonely.close();
  });
});

describe('an upload', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tessera-upload-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('streams the file with its length, hash, token and ticket', async () => {
    const path = join(directory, 'a.png');
    await writeFile(path, Buffer.alloc(300_000, 5));
    let seen: IncomingMessage | undefined;
    let bytes = 0;
    const sha256 = 'a'.repeat(64);
    handle = (request, response) => {
      seen = request;
      request.on('data', (chunk: Buffer) => (bytes += chunk.length));
      request.on('end', () =>
        response.end(JSON.stringify({ key: 'k', contentType: 'image/png', bytes, sha256 })),
      );
    };
    const open = () => createReadStream(path);
    const file = { index: 2, role: 'thumbnail', contentType: 'image/png' } as const;
    const upload = { grant: GRANT, ...file, bytes: 300_000, sha256, open };
    expect(await client.upload(upload, NEVER)).toMatchObject({ ok: true, value: { key: 'k' } });
    expect(seen?.method).toBe('PUT');
    expect(seen?.url).toBe(`/agent/v1/jobs/${GRANT.jobId}/artifacts/2/thumbnail`);
    expect(seen?.headers).toMatchObject({
      'content-length': '300000',
      'content-type': 'image/png',
      'x-fencing-token': '3',
      'x-sha256': sha256,
      'x-upload-ticket': 'ticket',
    });
    expect(seen?.headers['transfer-encoding']).toBeUndefined();
  });

  it('that is refused before its end gives the refusal', async () => {
    const path = join(directory, 'b.png');
    await writeFile(path, Buffer.alloc(50_000, 5));
    handle = replies(409, errorBody('lease_lost'));
    const open = () => createReadStream(path);
    const file = { index: 0, role: 'result', contentType: 'image/png' } as const;
    const upload = { grant: GRANT, ...file, bytes: 50_000, sha256: 'b'.repeat(64), open };
    const failure = { reason: 'refused', code: 'lease_lost' };
    expect(await client.upload(upload, NEVER)).toMatchObject({ ok: false, failure });
  });

  it('of a file that is gone fails as a value', async () => {
    handle = replies(200, '{}');
    const open = () => createReadStream(join(directory, 'missing'));
    const file = { index: 0, role: 'result', contentType: 'image/png' } as const;
    const upload = { grant: GRANT, ...file, bytes: 1, sha256: 'c'.repeat(64), open };
    expect(await client.upload(upload, NEVER)).toMatchObject({ ok: false });
  });
});
