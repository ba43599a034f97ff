import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { POLL_MARGIN_MS } from '#schema/limits.ts';
import { TestClock } from './doubles/clock.ts';
import { TOKEN } from './doubles/edge-server.ts';
import { SocketServer } from './doubles/socket-server.ts';
import { EdgeClient } from './edge-client.ts';
import type { SocketNews } from './edge-socket.ts';
import { CALL_MS_MAX, SOCKET_PING_MS, SOCKET_RETRY_MS_MAX } from './limits.ts';

const NEVER = new AbortController().signal;
const NO_JOB = { job: null, batch: [], drain: false };
const ACQUIRE = {
  sessionId: '00000000-0000-4000-8000-000000000001',
  resident: [],
  busyMs: 0,
  holding: [],
  waitMs: 20_000,
};

let server: SocketServer;
let clock: TestClock;
let client: EdgeClient;
let changes: string[];

beforeEach(async () => {
  server = new SocketServer();
  clock = new TestClock();
  const url = await server.start();
  server.reply = JSON.stringify(NO_JOB);
  server.answer = ({ id, verb }) => (verb === 'end' ? { id, answer: NO_JOB } : null);
  changes = [];
  const onSocket = (news: SocketNews, detail: string) =>
    changes.push(detail === '' ? news : `${news}: ${detail}`);
  client = new EdgeClient({ url, token: TOKEN, version: '1', clock, onSocket });
});
afterEach(async () => {
  await client.close();
  await server.stop();
});

function acquire(signal = NEVER) {
  return client.call('acquire', ACQUIRE, { timeoutMs: 60_000, signal });
}

/** Waits, without a clock, until something of the network has happened. */
async function until(holds: () => boolean): Promise<void> {
  for (let looks = 0; looks < 5000 && !holds(); looks++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(holds(), String(holds)).toBe(true);
}

/** Calls by HTTPS until the socket is open; how many calls that took. */
async function openSocket(): Promise<void> {
  for (let calls = 0; calls < 5000; calls++) {
    const before = server.requests.length;
    const call = acquire();
    await until(() => server.calls.length > 0 || server.requests.length > before);
    if (server.calls.length > 0) {
      clock.advance(ACQUIRE.waitMs + POLL_MARGIN_MS);
      await call;
      server.calls.length = 0;
      return;
    }
    await call;
  }
  throw new Error('no socket was opened');
}

describe('a call', () => {
  it('goes by HTTPS until the socket is open, then by the socket', async () => {
    expect(await acquire()).toEqual({ ok: true, value: NO_JOB });
    expect(server.requests).toEqual(['/agent/v1/acquire']);
    await openSocket();
    const before = server.requests.length;
    server.answer = ({ id }) => ({ id, answer: { ...NO_JOB, drain: true } });
    expect(await acquire()).toEqual({ ok: true, value: { ...NO_JOB, drain: true } });
    expect(server.calls).toMatchObject([{ verb: 'acquire', body: ACQUIRE }]);
    expect(server.requests).toHaveLength(before);
    expect(server.upgrades).toBe(1);
  });

  it('goes by HTTPS where no socket is to be had, and asks again ever more rarely', async () => {
    server.opens = false;
    await acquire();
    await until(() => server.upgrades === 1);
    for (let times = 0; times < 20; times++) expect((await acquire()).ok).toBe(true);
    expect(server.upgrades).toBe(1);
    clock.advance(SOCKET_RETRY_MS_MAX);
    await acquire();
    await until(() => server.upgrades === 2);
  });

  it('that is refused is a value, with its code', async () => {
    await openSocket();
    const error = { code: 'not_registered', message: 'Register first.' };
    server.answer = ({ id }) => ({ id, error });
    const failure = { reason: 'refused', code: 'not_registered', retryAfterMs: null };
    expect(await acquire()).toMatchObject({ ok: false, failure });
  });

  it('whose answer is not what the contract says is malformed', async () => {
    await openSocket();
    server.answer = ({ id }) => ({ id, answer: { job: 7 } });
    expect(await acquire()).toMatchObject({ ok: false, failure: { reason: 'malformed' } });
  });

  it('finds its answer among those of others, in any order', async () => {
    await openSocket();
    const one = acquire();
    const other = acquire();
    await until(() => server.calls.length === 2);
    const [first, second] = server.calls;
    server.send({ id: second!.id, answer: { ...NO_JOB, drain: true } });
    expect(await other).toMatchObject({ ok: true, value: { drain: true } });
    server.send({ id: first!.id, answer: NO_JOB });
    expect(await one).toMatchObject({ ok: true, value: { drain: false } });
  });
});

describe('a poll', () => {
  it('is ended by the agent when its time is over, and has the answer of the edge', async () => {
    await openSocket();
    const poll = acquire();
    await until(() => server.calls.length === 1);
    clock.advance(ACQUIRE.waitMs + POLL_MARGIN_MS - 1);
    expect(server.calls.map(({ verb }) => verb)).toEqual(['acquire']);
    clock.advance(1);
    expect(await poll).toEqual({ ok: true, value: NO_JOB });
    expect(server.calls[1]).toEqual({ id: server.calls[0]!.id, verb: 'end' });
  });

  it('that is given up ends at the edge too', async () => {
    await openSocket();
    const abort = new AbortController();
    const poll = acquire(abort.signal);
    await until(() => server.calls.length === 1);
    abort.abort();
    expect(await poll).toMatchObject({ ok: false, failure: { reason: 'aborted' } });
    await until(() => server.calls.length === 2);
    expect(server.calls[1]!.verb).toBe('end');
    // Its late answer is nobody's.
    server.send({ id: server.calls[0]!.id, answer: NO_JOB });
    server.answer = ({ id }) => ({ id, answer: NO_JOB });
    expect(await acquire()).toMatchObject({ ok: true });
  });
});

describe('a socket', () => {
  it('that is cut leaves its calls unanswered, and HTTPS carries the next', async () => {
    await openSocket();
    const poll = acquire();
    await until(() => server.calls.length === 1);
    const before = server.requests.length;
    server.cut();
    expect(await poll).toMatchObject({ ok: false, failure: { reason: 'unreachable' } });
    expect(await acquire()).toEqual({ ok: true, value: NO_JOB });
    expect(server.requests.length).toBe(before + 1);
    clock.advance(SOCKET_RETRY_MS_MAX);
    server.calls.length = 0;
    await openSocket();
    expect(changes).toHaveLength(3);
    expect([changes[0], changes[2]]).toEqual(['open', 'open']);
  });

  it.each([['{'], ['{"id":"one"}'], ['{"id":1}']])('that brings %s is given up', async (text) => {
    await openSocket();
    const poll = acquire();
    await until(() => server.calls.length === 1);
    server.send(text);
    const answer = await poll;
    // An answer without a value is one that does not fit its call.
    expect(answer.ok).toBe(false);
  });

  it('that is silent is given up within a ping and a call', async () => {
    await openSocket();
    const poll = acquire();
    await until(() => server.calls.length === 1);
    server.isDeaf = true;
    server.answer = () => null;
    clock.advance(SOCKET_PING_MS);
    clock.advance(SOCKET_PING_MS + CALL_MS_MAX);
    expect(await poll).toMatchObject({ ok: false, failure: { detail: 'the socket is silent' } });
  });

  it('that opens but passes nothing on carries no call, and leaves nothing open', async () => {
    server.swallows = true;
    await acquire();
    await until(() => server.swallowing === 1);
    const before = server.requests.length;
    for (let times = 0; times < 20; times++) expect((await acquire()).ok).toBe(true);
    expect(server.requests.length).toBe(before + 20);
    expect(server.upgrades).toBe(1);
    // The ping may be on its way yet.
    await until(() => {
      clock.advance(CALL_MS_MAX);
      return server.swallowing === 0;
    });
    // Told once, however often it is tried.
    expect(changes).toEqual(['mute: the socket is silent']);
    clock.advance(SOCKET_RETRY_MS_MAX);
    await acquire();
    await until(() => server.upgrades === 2 && server.swallowing === 1);
    await until(() => {
      clock.advance(CALL_MS_MAX);
      return server.swallowing === 0;
    });
    expect(changes).toHaveLength(1);
  });

  it('does not come back once it was closed', async () => {
    await openSocket();
    await client.close();
    clock.advance(SOCKET_RETRY_MS_MAX);
    expect((await acquire()).ok).toBe(false);
    expect(server.upgrades).toBe(1);
  });
});
