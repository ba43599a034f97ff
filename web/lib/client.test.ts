import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { call } from './client.ts';

const JOB_ID = 'job_01kc5y8f3m7w2q9r4t6v8x0z1b_main';

interface Seen {
  readonly line: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

let server: Server;
let baseUrl: string;
let seen: Seen | null = null;
let reply: { status: number; body: string; headers?: Record<string, string> };

beforeAll(async () => {
  server = createServer((request, response) => {
    void text(request).then((body) => {
      seen = { line: `${request.method} ${request.url}`, headers: request.headers, body };
      response.writeHead(reply.status, reply.headers).end(reply.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());
beforeEach(() => {
  seen = null;
  reply = { status: 200, body: '{}' };
});

describe('a call', () => {
  it('sends its parameters where they go, and the key', async () => {
    reply.body = '{"result":"cancelled"}';
    const options = { baseUrl, key: 'tsr_a' };
    const answer = await call('cancelJob', { path: { id: `${JOB_ID}/../x` } }, options);
    expect(answer).toEqual({ ok: true, value: { result: 'cancelled' } });
    expect(seen?.line).toBe(`POST /v1/jobs/${JOB_ID}%2F..%2Fx/cancel`);
    expect(seen?.headers.authorization).toBe('Bearer tsr_a');
    expect(seen?.headers['content-type']).toBeUndefined();
  });

  it('sends a query without what is left out, and a body as JSON', async () => {
    reply.body = '{"data":[],"next_cursor":null}';
    await call('listGallery', { query: { limit: 5, type: 'image' } }, { baseUrl });
    expect(seen?.line).toBe('GET /v1/gallery?limit=5&type=image');
    expect(seen?.headers.authorization).toBeUndefined();
    await call('publishJob', { path: { id: JOB_ID }, body: { public: true } }, { baseUrl });
    expect(seen?.line).toBe(`PUT /v1/jobs/${JOB_ID}/gallery`);
    expect(seen?.body).toBe('{"public":true}');
  });

  it('has no value where there is none', async () => {
    reply = { status: 204, body: '' };
    const answer = await call('withdrawJob', { path: { id: JOB_ID } }, { baseUrl, key: 'tsr_a' });
    expect(answer).toEqual({ ok: true, value: null });
  });

  it('tells a refusal with its code and how long to wait', async () => {
    const error = { code: 'rate_limited', message: 'Too many.', request_id: 'req_1' };
    reply = { status: 429, body: JSON.stringify({ error }), headers: { 'retry-after': '7' } };
    expect(await call('listKeys', {}, { baseUrl })).toEqual({
      ok: false,
      problem: {
        reason: 'refused',
        code: 'rate_limited',
        message: 'Too many.',
        status: 429,
        requestId: 'req_1',
        retryAfterMs: 7000,
      },
    });
  });

  it.each(['{"data":', '[]', '<html>'])('cannot read %s', async (body) => {
    reply = { status: 200, body };
    const problem = { reason: 'unreadable', status: 200 };
    expect(await call('listKeys', {}, { baseUrl })).toEqual({ ok: false, problem });
  });

  it('says when nobody is there, and throws only when it was given up', async () => {
    const options = { baseUrl: 'http://127.0.0.1:1' };
    expect(await call('listKeys', {}, options)).toEqual({
      ok: false,
      problem: { reason: 'unreachable' },
    });
    const signal = AbortSignal.abort();
    await expect(call('listKeys', {}, { baseUrl, signal })).rejects.toThrow('abort');
  });
});
