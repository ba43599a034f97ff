import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import type { AcquireAnswer, ControlAnswer, RenewAnswer } from '#schema/agent-protocol.ts';
import { SOCKET_PATH } from '#schema/agent-socket.ts';
import {
  AGENT_MODELS_MAX,
  JSON_BODY_BYTES_MAX,
  LEASES_PER_AGENT_MAX,
  SPOOL_JOBS_MAX,
} from '#schema/limits.ts';
import { expectAuthRefusals, expectError, HttpWorld, PICTURE } from '../test/http.ts';
import { SocketAgent, upgrade } from '../test/socket.ts';
import { eventually, schedulerOf, stubOf } from '../test/world.ts';

const POLL = { resident: [], holding: [], waitMs: 20_000 };

async function open() {
  const world = new HttpWorld();
  const [{ api_key: key }, agent] = await Promise.all([world.newAccount(), world.newAgent()]);
  const socket = await SocketAgent.open(world, agent);
  const statusOf = async (id: string) =>
    (await (await world.get(`/v1/jobs/${id}`, key)).json<{ status: string }>()).status;
  return { world, key, agent, socket, statusOf };
}

/** Its poll is parked: the edge has worked off all that was sent before. */
async function parked(socket: SocketAgent, verb: 'acquire' | 'control', body = {}) {
  const id = socket.send(
    verb,
    verb === 'acquire' ? POLL : { holding: [], waitMs: 20_000, ...body },
  );
  await socket.answerOf(socket.send('renew', RENEWAL));
  return id;
}

function pollOf(sessionId: string) {
  return { ...POLL, sessionId };
}

/** What the pool's sockets keep for its sleep. */
function keptPolls({ pool }: HttpWorld) {
  return runInDurableObject(stubOf(schedulerOf(pool)), (_, state) =>
    state.getWebSockets().flatMap((socket) => {
      const kept = socket.deserializeAttachment() as { polls: KeptPoll[] } | null;
      return kept?.polls ?? [];
    }),
  );
}
interface KeptPoll {
  readonly body: { readonly holding: readonly unknown[] };
}

const RENEWAL = {
  leases: [],
  resident: [],
  health: { status: 'ok', message: null, vramFreeMib: null },
};

describe('a job over the socket', () => {
  it('goes from acquire to complete, and its ticket opens the upload', async () => {
    const { world, key, agent, socket, statusOf } = await open();
    const [first, second] = [await world.newJob(key), await world.newJob(key)];
    const lease = await socket.take();
    expect(lease.jobId).toBe(first.id);
    expect((await agent.upload(lease, { bytes: PICTURE })).status).toBe(200);
    const { status, next } = await socket.complete(lease);
    expect(status).toBe('completed');
    expect(next?.job?.jobId).toBe(second.id);
    expect(next?.job?.uploadTicket).not.toBe('');
    expect(await statusOf(first.id)).toBe('completed');
    expect(await statusOf(second.id)).toBe('running');
  });

  it('is pushed to a parked poll', async () => {
    const { world, key, socket } = await open();
    const poll = await parked(socket, 'acquire');
    expect(socket.answers.map(({ id }) => id)).not.toContain(poll);
    const job = await world.newJob(key);
    const answer = await socket.answerOf<AcquireAnswer>(poll);
    expect(answer.job).toMatchObject({ jobId: job.id, attempt: 1 });
    expect(answer.job?.uploadTicket).not.toBe('');
  });

  it('is cancelled by a push beside it', async () => {
    const { world, key, socket } = await open();
    const job = await world.newJob(key);
    const { jobId, fencingToken } = await socket.take();
    const holding = [{ jobId, fencingToken }];
    const order = await parked(socket, 'control', { holding });
    await world.post(`/v1/jobs/${job.id}/cancel`, key, {});
    expect((await socket.answerOf<ControlAnswer>(order)).cancel).toEqual(holding);
  });

  it('is extended by a heartbeat', async () => {
    const { world, key, socket } = await open();
    await world.newJob(key);
    const { jobId, fencingToken } = await socket.take();
    const leases = [{ jobId, fencingToken, progress: null, preview: null }];
    const id = socket.send('renew', { ...RENEWAL, leases });
    expect((await socket.answerOf<RenewAnswer>(id)).held).toEqual([{ jobId, fencingToken }]);
  });
});

describe('a parked poll', () => {
  it('that its agent ends is answered nothing and given nothing', async () => {
    const { world, key, socket, statusOf } = await open();
    const poll = await parked(socket, 'acquire');
    socket.end(poll);
    expect(await socket.answerOf(poll)).toMatchObject({ job: null, drain: false });
    const job = await world.newJob(key);
    expect(await statusOf(job.id)).toBe('queued');
  });

  it('that is ended before it is parked is answered nothing, and not parked', async () => {
    const { world, key } = await open();
    // While a job waits, calls gather for one commit: the end overtakes its poll.
    const other = await world.newAgent(['sdxl']);
    await world.newJob(key);
    const socket = await SocketAgent.open(world, other);
    socket.acquire();
    const poll = socket.send('acquire', POLL);
    socket.end(poll);
    expect(await socket.answerOf(poll)).toMatchObject({ job: null, drain: false });
    expect(await keptPolls(world)).toEqual([]);
  });

  it('of an agent that has more than any other is parked, and is there after a sleep', async () => {
    const { world, key, socket } = await open();
    const ref = (place: number) => ({
      jobId: `job_${String(place).padStart(26, '0')}_${world.pool.padEnd(16, 'x')}`,
      fencingToken: Number.MAX_SAFE_INTEGER,
    });
    const holding = Array.from({ length: LEASES_PER_AGENT_MAX + SPOOL_JOBS_MAX }, (_, n) => ref(n));
    const resident = Array.from({ length: AGENT_MODELS_MAX }, (_, n) =>
      String(n).padStart(64, 'm'),
    );
    const poll = socket.send('acquire', { ...POLL, holding, resident });
    await parked(socket, 'control');
    await evictDurableObject(stubOf(schedulerOf(world.pool)), { webSockets: 'hibernate' });
    const [kept] = await keptPolls(world);
    expect(kept?.body.holding).toEqual(holding);
    const job = await world.newJob(key);
    expect((await socket.answerOf<AcquireAnswer>(poll)).job?.jobId).toBe(job.id);
  });

  it('of a socket that lingers after its end is not there after a sleep', async () => {
    const { world, key, agent } = await open();
    const { webSocket: first } = await upgrade(world, agent.token);
    // As one whose other side is gone: it never confirms that it is closed.
    first!.accept({ allowHalfOpen: true });
    first!.send(JSON.stringify({ id: 1, verb: 'acquire', body: pollOf(agent.sessionId) }));
    await eventually(async () => (await keptPolls(world)).length === 1);
    const later = await SocketAgent.open(world, agent);
    const poll = await parked(later, 'acquire');
    await evictDurableObject(stubOf(schedulerOf(world.pool)), { webSockets: 'hibernate' });
    const job = await world.newJob(key);
    expect((await later.answerOf<AcquireAnswer>(poll)).job?.jobId).toBe(job.id);
  });

  it('that has its answer already is not answered again by its end', async () => {
    const { world, key, socket } = await open();
    const poll = await parked(socket, 'acquire');
    await world.newJob(key);
    await socket.answerOf(poll);
    socket.end(poll);
    await socket.answerOf(socket.send('renew', RENEWAL));
    expect(socket.answers.filter(({ id }) => id === poll)).toHaveLength(1);
  });

  it('is still there after the object slept', async () => {
    const { world, key, socket } = await open();
    const poll = await parked(socket, 'acquire');
    await evictDurableObject(stubOf(schedulerOf(world.pool)), { webSockets: 'hibernate' });
    const job = await world.newJob(key);
    expect((await socket.answerOf<AcquireAnswer>(poll)).job?.jobId).toBe(job.id);
  });

  it('that was answered before the object slept gets nothing more', async () => {
    const { world, key, socket, statusOf } = await open();
    const poll = await parked(socket, 'acquire');
    await world.newJob(key);
    await socket.answerOf(poll);
    await evictDurableObject(stubOf(schedulerOf(world.pool)), { webSockets: 'hibernate' });
    const second = await world.newJob(key);
    expect(await statusOf(second.id)).toBe('queued');
  });

  it('goes with its socket', async () => {
    const { world, key, socket, statusOf } = await open();
    await parked(socket, 'acquire');
    socket.close();
    await eventually(async () => socket.closed);
    const job = await world.newJob(key);
    expect(await statusOf(job.id)).toBe('queued');
  });

  it('is answered nothing by a later one of the same agent', async () => {
    const { socket } = await open();
    const first = await parked(socket, 'acquire');
    await parked(socket, 'acquire');
    expect(await socket.answerOf(first)).toMatchObject({ job: null });
  });

  it('is told of a drain', async () => {
    const { world, agent, socket } = await open();
    const poll = await parked(socket, 'acquire');
    await world.admin('POST', `/admin/v1/agents/${agent.id}/drain`, { reason: 'test' });
    expect(await socket.answerOf(poll)).toMatchObject({ job: null, drain: true });
  });
});

describe('a socket', () => {
  it('opens to no credential but an agent token of this pool', async () => {
    const world = new HttpWorld();
    const headers = { upgrade: 'websocket' };
    await expectAuthRefusals(world, ['GET', SOCKET_PATH], { caller: 'agent', headers });
    const elsewhere = await new HttpWorld().newAgent();
    await expectError(await upgrade(world, elsewhere.token), 'unauthorized');
    const { pool } = world;
    const stranger = `tsa_${pool}_01k00000000000000000000000_${'x'.repeat(43)}`;
    await expectError(await upgrade(world, stranger), 'unauthorized');
  });

  it('is not opened by a plain request', async () => {
    const { world, agent } = await open();
    await expectError(await world.get(SOCKET_PATH, agent.token), 'invalid_request');
  });

  it('is closed when its agent opens another', async () => {
    const { world, agent, socket } = await open();
    const later = await SocketAgent.open(world, agent);
    expect(await eventually(async () => socket.closed)).toMatchObject({ code: 1000 });
    await later.answerOf(later.send('renew', RENEWAL));
  });

  it('is closed when its agent is revoked', async () => {
    const { world, agent, socket } = await open();
    await world.admin('DELETE', `/admin/v1/agents/${agent.id}`);
    expect(await eventually(async () => socket.closed)).toMatchObject({ code: 1000 });
    await expectError(await upgrade(world, agent.token), 'unauthorized');
  });

  it.each(['{', '[]', '{"id":0}', '{"verb":"acquire"}'])('is closed at %s', async (text) => {
    const { socket } = await open();
    socket.sendRaw(text);
    expect(await eventually(async () => socket.closed)).toMatchObject({ code: 1007 });
  });

  it('is closed at a message that is too large', async () => {
    const { socket } = await open();
    socket.sendRaw('x'.repeat(JSON_BODY_BYTES_MAX + 1));
    expect(await eventually(async () => socket.closed)).toMatchObject({ code: 1009 });
  });

  it('answers calls that are wrong by their codes, and goes on', async () => {
    const { socket } = await open();
    expect(await socket.codeOf(socket.send('acquire', { holding: [] }))).toBe('invalid_request');
    expect(await socket.codeOf(socket.send('dance'))).toBe('invalid_request');
    const another = { ...POLL, waitMs: 0, sessionId: crypto.randomUUID() };
    expect(await socket.codeOf(socket.send('acquire', another))).toBe('not_registered');
    const lease = { jobId: 'main_01k00000000000000000000000', fencingToken: 1 };
    const end = { lease, reason: 'drain', usage: {}, next: null };
    const timings = { loadMs: 0, serviceMs: 0, uploadMs: 0 };
    const code = await socket.codeOf(socket.send('return', { ...end, timings }));
    expect(['lease_lost', 'invalid_request']).toContain(code);
    expect(await socket.answerOf(socket.acquire())).toMatchObject({ job: null });
  });

  it('answers a ping', async () => {
    const { world, agent } = await open();
    const { webSocket } = await upgrade(world, agent.token);
    const heard = new Promise((resolve) =>
      webSocket!.addEventListener('message', ({ data }) => resolve(data)),
    );
    webSocket!.accept();
    webSocket!.send('ping');
    expect(await heard).toBe('pong');
  });
});
