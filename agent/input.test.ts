/** Input files over real HTTP on loopback; pauses between tries end at once and are counted. */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errorBody, TOKEN } from './doubles/edge-server.ts';
import { EdgeClient } from './edge-client.ts';
import { EngineError } from './engines/engine.ts';
import { Inputs } from './input.ts';
import { INPUT_TRIES_MAX } from './limits.ts';

const BYTES = Buffer.alloc(200_000, 'sound');
const FILE = 'file_01k00000000000000000000000';
const INPUT = {
  fileId: FILE,
  contentType: 'audio/wav',
  bytes: BYTES.length,
  sha256: createHash('sha256').update(BYTES).digest('hex'),
  url: `/media/input/${FILE}/acc?expires=1&signature=s`,
} as const;

let server: Server;
let edge: EdgeClient;
let directory: string;
let requests: IncomingMessage[];
let pauses: number[];
let abort: AbortController;
/** What is answered, one after the other; the last one from then on. */
let answers: ((response: ServerResponse) => void)[];

const whole = (response: ServerResponse) => response.end(BYTES);
const cut = (response: ServerResponse) => {
  response.writeHead(200, { 'content-length': BYTES.length });
  response.write(BYTES.subarray(0, 1000), () => response.destroy());
};
const says =
  (status: number, code: 'not_found' | 'media_expired' | 'unavailable') =>
  (response: ServerResponse) =>
    response.writeHead(status).end(errorBody(code));

beforeEach(async () => {
  [requests, pauses, answers] = [[], [], [whole]];
  abort = new AbortController();
  directory = await mkdtemp(join(tmpdir(), 'input-'));
  server = createServer((request, response) => {
    requests.push(request);
    const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  edge = new EdgeClient({ url, token: TOKEN, version: '1' });
});
afterEach(async () => {
  await edge.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true });
});

function open(inputs: readonly (typeof INPUT)[] = [INPUT]) {
  const after = (ms: number, act: () => void) => {
    pauses.push(ms);
    queueMicrotask(act);
    return () => {};
  };
  const all = new Inputs({ edge, clock: { after }, inputs, directory, signal: abort.signal });
  return (fileId: string) => all.open(fileId);
}

async function failureOf(run: Promise<unknown>) {
  const error: unknown = await run.then(
    () => expect.unreachable('it was to fail'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EngineError);
  const { code, retryable } = error as EngineError;
  return { code, retryable };
}

describe('a file of a job', () => {
  it('is fetched once, at its signed URL and without the token', async () => {
    const openInput = open();
    const [path, again] = await Promise.all([openInput(FILE), openInput(FILE)]);
    expect(again).toBe(path);
    expect(path).toBe(join(directory, `${FILE}.wav`));
    expect((await readFile(path)).equals(BYTES)).toBe(true);
    expect(requests).toHaveLength(1);
    expect(requests[0]?.url).toBe(INPUT.url);
    expect(requests[0]?.headers.authorization).toBeUndefined();
  });

  it('is fetched again when its transfer was cut or the edge was away', async () => {
    answers = [cut, says(503, 'unavailable'), whole];
    expect((await readFile(await open()(FILE))).equals(BYTES)).toBe(true);
    expect(pauses).toHaveLength(2);
  });

  it.each([
    ['larger than announced', Buffer.alloc(BYTES.length + 1)],
    ['not what was announced', Buffer.alloc(BYTES.length)],
    ['cut short', BYTES.subarray(1)],
  ])('fails the attempt, not the job, when it is %s every time', async (_, bytes) => {
    answers = [(response) => response.end(bytes)];
    expect(await failureOf(open()(FILE))).toEqual({ code: 'job_failed', retryable: true });
    expect(requests).toHaveLength(INPUT_TRIES_MAX);
  });

  it('is left to the next lease when its URL is too old', async () => {
    answers = [says(410, 'media_expired')];
    expect(await failureOf(open()(FILE))).toEqual({ code: 'job_failed', retryable: true });
    expect(requests).toHaveLength(1);
  });

  it('that was deleted fails the job', async () => {
    answers = [says(404, 'not_found')];
    const failure = { code: 'input_unreadable', retryable: false };
    expect(await failureOf(open()(FILE))).toEqual(failure);
    expect(requests).toHaveLength(1);
    expect(await failureOf(open([])(FILE))).toEqual(failure);
    expect(requests).toHaveLength(1);
    expect(await readdir(directory)).toEqual([]);
  });

  it('is given up with the lease', async () => {
    answers = [
      (response) => {
        response.write('a part');
        abort.abort(new Error('over'));
      },
    ];
    await expect(open()(FILE)).rejects.toThrow('over');
    expect(requests).toHaveLength(1);
  });
});
