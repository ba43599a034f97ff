import { describe, expect, it } from 'vitest';
import { UPLOAD_HEADERS } from '#schema/agent-protocol.ts';
import { artifactKey } from '#schema/artifact.ts';
import { ARTIFACT_BYTES_MAX, THUMBNAIL_BYTES_MAX, UPLOAD_TICKET_MS } from '#schema/limits.ts';
import { picture } from '../core/fixture.ts';
import { makeJobId } from '../io/id.ts';
import { checkTicket } from '../services/upload-ticket.ts';
import { hashSha256 } from '../io/token.ts';
import {
  expectAuthRefusals,
  expectError,
  firstField,
  hashBytes,
  HttpAgent,
  HttpWorld,
  PAINTING,
  PICTURE,
} from '../test/http.ts';
import { eventually } from '../test/world.ts';

async function open() {
  const world = new HttpWorld();
  const [{ api_key: key }, agent] = await Promise.all([world.newAccount(), world.newAgent()]);
  return { world, key, agent };
}

async function openLease() {
  const opened = await open();
  await opened.world.newJob(opened.key);
  return { ...opened, lease: await opened.agent.take() };
}

const SESSION = { sessionId: crypto.randomUUID() };
const VERBS: [string, object][] = [
  ['leave', SESSION],
  ['register', { ...SESSION, version: '1', capabilities: { gpu: null, engines: [] }, holding: [] }],
  ['acquire', { ...SESSION, resident: [], holding: [], waitMs: 0 }],
  ['control', { ...SESSION, holding: [], waitMs: 0 }],
  [
    'renew',
    {
      ...SESSION,
      leases: [],
      resident: [],
      health: { status: 'ok', message: null, vramFreeMib: null },
    },
  ],
];

describe('the verbs', () => {
  it.each(VERBS)(
    '%s opens to no credential but an agent token of this pool',
    async (verb, body) => {
      const world = new HttpWorld();
      const caller = 'agent';
      await expectAuthRefusals(world, ['POST', `/agent/v1/${verb}`], { caller, json: body });
      const elsewhere = await new HttpWorld().newAgent();
      await expectError(
        await world.post(`/agent/v1/${verb}`, elsewhere.token, body),
        'unauthorized',
      );
    },
  );

  it.each(['complete', 'fail', 'return', 'acquire', 'renew', 'control', 'stream'])(
    '%s refuses a body that is not the protocol and names the field',
    async (verb) => {
      const { agent } = await open();
      const error = await expectError(await agent.call(verb, {}), 'invalid_request');
      expect(error.message).toMatch(/ is missing/);
    },
  );

  it('refuse a session that did not register', async () => {
    const { world, agent } = await open();
    const stranger = new HttpAgent(world, agent);
    const { sessionId } = SESSION;
    const acquire = { sessionId, resident: [], holding: [], waitMs: 0 };
    await expectError(await stranger.call('acquire', acquire), 'not_registered');
  });

  it('refuse a revoked token at its next call', async () => {
    const { world, agent } = await open();
    await world.admin('DELETE', `/admin/v1/agents/${agent.id}`);
    const { sessionId } = SESSION;
    const acquire = { sessionId, resident: [], holding: [], waitMs: 0 };
    await expectError(await agent.call('acquire', acquire), 'unauthorized');
  });

  it('park a poll until a job is there', async () => {
    const { world, key, agent } = await open();
    const polling = agent.acquire(10_000);
    const { id } = await world.newJob(key);
    expect((await polling).job).toMatchObject({ jobId: id });
  });

  it('end a parked poll with nothing when its time is over', async () => {
    const { agent } = await open();
    expect(await agent.acquire(1)).toEqual({ job: null, batch: [], drain: false });
  });

  it('tell a parked control poll of a cancelled job at once', async () => {
    const { world, key, agent, lease } = await openLease();
    const { jobId, fencingToken } = lease;
    const ref = { jobId, fencingToken };
    const parked = agent.order([ref], 10_000);
    await world.call('POST', `/v1/jobs/${jobId}/cancel`, { bearer: key });
    expect(await (await parked).json()).toEqual({ lost: [], cancel: [ref], drain: false });
  });

  it('give the next job with the end of one, and a ticket that works for it', async () => {
    const { world, key, agent, lease } = await openLease();
    await world.newJob(key);
    const { next } = await agent.complete(lease, { next: { resident: [], holding: [] } });
    expect(next?.job).toMatchObject({ attempt: 1 });
    await agent.finish(next!.job!);
  });

  it('refuse a result that the attempt did not upload', async () => {
    const { agent, lease } = await openLease();
    const other = { ...lease, fencingToken: lease.fencingToken + 1 };
    const [own, foreign] = [lease, other].map(({ jobId, fencingToken }) =>
      artifactKey({ jobId, fencingToken, index: 0, role: 'result', contentType: 'image/png' }),
    );
    const artifact = picture({ key: own! });
    for (const [wrong, field] of [
      [{ ...artifact, key: foreign! }, 'artifacts[0].key'],
      [{ ...artifact, thumbnailKey: own! }, 'artifacts[0].thumbnailKey'],
      [{ ...artifact, thumbnailKey: 'result/x/1/0-thumbnail.webp' }, 'artifacts[0].thumbnailKey'],
    ] as const) {
      const response = await agent.tryComplete(lease, [wrong]);
      expect(firstField(await expectError(response, 'invalid_request'))).toMatchObject({ field });
    }
  });

  it('refuse the end of an attempt by a stale fencing token', async () => {
    const { agent, lease } = await openLease();
    await agent.giveBack(lease);
    const second = await eventually(async () => (await agent.acquire()).job);
    const stale = await agent.tryComplete(lease);
    const error = await expectError(stale, 'lease_lost');
    expect(error.details).toEqual({ jobId: lease.jobId, fencingToken: lease.fencingToken });
    await agent.finish(second);
  });
});

describe('PUT artifacts', () => {
  it('stores the bytes under the key of the attempt, as often as they are sent', async () => {
    const { world, agent, lease } = await openLease();
    for (let count = 0; count < 2; count += 1) {
      const response = await agent.upload(lease, { bytes: PICTURE });
      const { jobId, fencingToken } = lease;
      const file = {
        jobId,
        fencingToken,
        index: 0,
        role: 'result',
        contentType: 'image/png',
      } as const;
      const key = artifactKey(file);
      expect(await response.json()).toEqual({
        key,
        contentType: 'image/png',
        bytes: PICTURE.length,
        sha256: await hashBytes(PICTURE),
      });
      const object = await world.env.artifacts.get(key);
      expect(new Uint8Array(await object!.arrayBuffer())).toEqual(PICTURE);
      expect(object!.httpMetadata?.contentType).toBe('image/png');
    }
  });

  it('refuses bytes that do not have the announced hash, and stores none of them', async () => {
    const { world, agent, lease } = await openLease();
    const headers = { [UPLOAD_HEADERS.sha256]: '0'.repeat(64) };
    await expectError(await agent.upload(lease, { bytes: PICTURE }, headers), 'hash_mismatch');
    const { objects } = await world.env.artifacts.list({ prefix: `result/${lease.jobId}` });
    expect(objects).toEqual([]);
  });

  it('refuses a ticket of another job, attempt or agent, and one that is no ticket', async () => {
    const { world, key, agent, lease } = await openLease();
    const file = { bytes: PICTURE };
    const wrong = [
      { ...lease, jobId: makeJobId(world.pool, Date.now()) },
      { ...lease, fencingToken: lease.fencingToken + 1 },
      { ...lease, uploadTicket: 'x' },
      {
        ...lease,
        uploadTicket: lease.uploadTicket.replace(/.$/, (char) => (char === 'A' ? 'B' : 'A')),
      },
      { ...lease, uploadTicket: lease.uploadTicket.replace(/^\d/, '9') },
    ];
    for (const other of wrong) {
      await expectError(await agent.upload(other, file), 'unauthorized');
    }
    const thief = await world.newAgent();
    await expectError(await thief.upload(lease, file), 'unauthorized');
    await expectError(await thief.stream(lease, 0, 'mine'), 'unauthorized');
    await expectError(
      await new HttpAgent(world, { id: '', token: key }).upload(lease, file),
      'unauthorized',
    );
    const path = `/agent/v1/jobs/${lease.jobId}/artifacts/0/result`;
    const response = await world.call('PUT', path, { body: PICTURE });
    await expectError(response, 'unauthorized');
  });

  it('takes a ticket until it expires', async () => {
    const { world, agent, lease } = await openLease();
    const secretHash = await hashSha256(agent.token.slice(-43));
    const { jobId, fencingToken, uploadTicket: ticket } = lease;
    const shown = { agent: { agentId: agent.id, secretHash }, ticket, jobId, fencingToken };
    expect(await checkTicket(world.env, shown, Date.now())).toBe(true);
    expect(await checkTicket(world.env, shown, Date.now() + UPLOAD_TICKET_MS)).toBe(false);
  });

  it.each([
    [{ 'content-length': String(ARTIFACT_BYTES_MAX + 1) }, 'artifact_too_large', 'limit'],
    [{ 'content-length': '0' }, 'invalid_request', 'content-length'],
    [{ 'content-type': 'text/html' }, 'invalid_request', 'content-type'],
    [{ [UPLOAD_HEADERS.sha256]: 'ABC' }, 'invalid_request', 'x-sha256'],
    [{ [UPLOAD_HEADERS.fencingToken]: '0' }, 'invalid_request', 'x-fencing-token'],
  ] as const)('refuses %j as %s', async (headers, code, mentions) => {
    const { agent, lease } = await openLease();
    const response = await agent.upload(lease, { bytes: PICTURE }, headers);
    expect(JSON.stringify(await expectError(response, code))).toContain(mentions);
  });

  it('refuses a thumbnail that is large or no picture, and names that are no outputs', async () => {
    const { world, agent, lease } = await openLease();
    const role = 'thumbnail';
    const large = { 'content-length': String(THUMBNAIL_BYTES_MAX + 1) };
    const file = { bytes: PICTURE, role } as const;
    await expectError(await agent.upload(lease, file, large), 'artifact_too_large');
    const song = { ...file, contentType: 'audio/wav' } as const;
    await expectError(await agent.upload(lease, song), 'invalid_request');
    expect((await agent.upload(lease, file)).status).toBe(200);
    for (const path of ['0/poster', '8/result', '-1/result', 'x/result']) {
      const response = await world.call('PUT', `/agent/v1/jobs/${lease.jobId}/artifacts/${path}`, {
        bearer: agent.token,
        body: PICTURE,
      });
      await expectError(response, 'not_found');
    }
  });

  it('needs a length', async () => {
    const { world, agent, lease } = await openLease();
    const path = `/agent/v1/jobs/${lease.jobId}/artifacts/0/result`;
    const headers = {
      'content-type': 'image/png',
      [UPLOAD_HEADERS.fencingToken]: '1',
      [UPLOAD_HEADERS.sha256]: '0'.repeat(64),
      [UPLOAD_HEADERS.ticket]: lease.uploadTicket,
    };
    const body = new Blob([PICTURE]).stream();
    const response = await world.call('PUT', path, { bearer: agent.token, body, headers });
    const error = await expectError(response, 'invalid_request');
    expect(error.message).toContain('content-length is missing');
  });
});

it('a completed job shows what was uploaded, thumbnail and all', async () => {
  const { world, key, agent, lease } = await openLease();
  const stored = await Promise.all([
    agent.upload(lease, { bytes: PICTURE }),
    agent.upload(lease, { bytes: PICTURE, role: 'thumbnail', contentType: 'image/webp' }),
  ]);
  const [result, thumbnail] = await Promise.all(
    stored.map((response) => response.json<{ key: string; sha256: string }>()),
  );
  const measures = { width: 512, height: 512, durationS: null };
  const artifact = {
    index: 0,
    contentType: 'image/png',
    bytes: PICTURE.length,
    ...measures,
  } as const;
  await agent.complete(lease, {
    artifacts: [{ ...artifact, ...result!, thumbnailKey: thumbnail!.key }],
  });
  const job = await (await world.get(`/v1/jobs/${lease.jobId}`, key)).json();
  expect(job).toMatchObject({
    status: 'completed',
    parameters: { prompt: PAINTING.prompt },
    artifacts: [{ sha256: result!.sha256, width: 512, content_type: 'image/png' }],
  });
  expect(JSON.stringify(job)).toContain(thumbnail!.key);
});
