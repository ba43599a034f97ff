import { describe, expect, it } from 'vitest';
import type { BeginUploadAnswer, LeasedJob } from '#schema/agent-protocol.ts';
import { UPLOAD_HEADERS } from '#schema/agent-protocol.ts';
import type { JobView } from '#schema/api.ts';
import {
  ARTIFACT_BYTES_MAX,
  UPLOAD_PART_BYTES,
  UPLOAD_PARTS_MAX,
  UPLOAD_TICKET_MS,
} from '#schema/limits.ts';
import { makeJobId } from '../io/id.ts';
import { sweep } from '../services/sweep.ts';
import { expectAuthRefusals, expectError, hashBytes, HttpWorld, PICTURE } from '../test/http.ts';
import { makeBytes, PartedUpload } from '../test/uploads.ts';

/** The least that R2 takes of every part but the last. */
const PART_BYTES = 5 * 1024 * 1024;

async function open(length = PART_BYTES + 1000) {
  const world = new HttpWorld();
  const [{ api_key: key }, agent] = await Promise.all([world.newAccount(), world.newAgent()]);
  await world.newJob(key);
  const job = await agent.take();
  const file = { bytes: makeBytes(length), partBytes: PART_BYTES };
  const upload = new PartedUpload({ world, agent, job }, file);
  return { world, key, agent, job, upload };
}

async function keysOf({ env }: HttpWorld, { jobId }: LeasedJob): Promise<string[]> {
  const { objects } = await env.artifacts.list();
  return objects.map((object) => object.key).filter((key) => key.includes(jobId));
}

const keyOf = ({ jobId, fencingToken }: LeasedJob) => `result/${jobId}/${fencingToken}/0.mp4`;

describe('a result in parts', () => {
  it('is the result of its job: bytes, type, hash and ranges as of any other', async () => {
    const { world, key, agent, job } = await open();
    const file = { bytes: makeBytes(UPLOAD_PART_BYTES + 5), partBytes: UPLOAD_PART_BYTES };
    const upload = new PartedUpload({ world, agent, job }, file);
    const begun = await (await upload.begin()).json<BeginUploadAnswer>();
    expect(begun.partBytes).toBe(UPLOAD_PART_BYTES);
    const etags = await upload.storedAll(begun.uploadId);
    const stored = await upload.finished(begun.uploadId, etags);
    const sha256 = await hashBytes(upload.bytes);
    const facts = { contentType: 'video/mp4', bytes: upload.bytes.length, sha256 } as const;
    expect(stored).toEqual({ key: keyOf(job), ...facts });
    const measures = { width: 1280, height: 720, durationS: 10, thumbnailKey: null };
    await agent.complete(job, { artifacts: [{ index: 0, ...stored, ...measures }] });

    const view = await (await world.get(`/v1/jobs/${job.jobId}`, key)).json<JobView>();
    expect(view).toMatchObject({
      status: 'completed',
      artifacts: [{ sha256, bytes: file.bytes.length }],
    });
    const url = new URL(view.artifacts[0]!.url);
    const whole = await world.get(url.pathname + url.search);
    expect(whole.headers.get('content-type')).toBe('video/mp4');
    expect(await hashBytes(new Uint8Array(await whole.arrayBuffer()))).toBe(sha256);
    const [from, to] = [UPLOAD_PART_BYTES - 3, UPLOAD_PART_BYTES + 2];
    const range = { range: `bytes=${from}-${to}` };
    const across = await world.get(url.pathname + url.search, undefined, range);
    expect(across.status).toBe(206);
    expect(new Uint8Array(await across.arrayBuffer())).toEqual(upload.bytes.slice(from, to + 1));
    const same = { 'if-none-match': whole.headers.get('etag')! };
    expect((await world.get(url.pathname + url.search, undefined, same)).status).toBe(304);
  });

  it('is absent until it is finished, and leaves nothing else behind', async () => {
    const { world, job, upload } = await open();
    const uploadId = await upload.begun();
    const etags = await upload.storedAll(uploadId);
    expect(await keysOf(world, job)).toEqual([`upload/${keyOf(job)}`]);
    await upload.finished(uploadId, etags);
    expect(await keysOf(world, job)).toEqual([keyOf(job)]);
  });

  it('may have every step repeated', async () => {
    const { upload } = await open();
    const uploadId = await upload.begun();
    await upload.stored(uploadId, 1);
    const etags = await upload.storedAll(uploadId);
    const first = await upload.finished(uploadId, etags);
    expect(await upload.finished(uploadId, etags)).toEqual(first);
  });

  it('is looked at again when the finishing broke off after R2 had made it', async () => {
    const { world, job, upload } = await open();
    const uploadId = await upload.begun();
    const etags = await upload.storedAll(uploadId);
    const parts = etags.map((etag, index) => ({ partNumber: index + 1, etag }));
    await world.env.artifacts.resumeMultipartUpload(keyOf(job), uploadId).complete(parts);
    await upload.finished(uploadId, etags);
    expect(await keysOf(world, job)).toEqual([keyOf(job)]);
  });

  it('begins empty when it is begun again, and parts of before do not count', async () => {
    const { upload } = await open();
    const old = await upload.begun();
    const etags = await upload.storedAll(old);
    const uploadId = await upload.begun();
    await expectError(await upload.put(old, 1), 'upload_lost');
    await expectError(await upload.finish(old, etags), 'upload_lost');
    await expectError(await upload.finish(uploadId, etags), 'upload_lost');
    await upload.finished(uploadId, await upload.storedAll(uploadId));
  });
});

describe('what is not what was announced', () => {
  it('as a part, is refused, and the part that was there stays', async () => {
    const { upload } = await open();
    const uploadId = await upload.begun();
    const etags = await upload.storedAll(uploadId);
    const other = makeBytes(PART_BYTES, 7);
    await expectError(await upload.put(uploadId, 1, { body: other }), 'hash_mismatch');
    await upload.finished(uploadId, etags);
  });

  it('as a part that is cut, stores nothing', async () => {
    const { upload } = await open();
    const uploadId = await upload.begun();
    const etags = await upload.storedAll(uploadId);
    const { readable, writable } = new IdentityTransformStream();
    const writer = writable.getWriter();
    const answer = upload.put(uploadId, 1, { body: readable });
    await writer.write(upload.part(1).slice(0, 1000));
    await writer.abort(new Error('the connection broke'));
    expect((await answer).status).toBe(500);
    await upload.finished(uploadId, etags);
  });

  it.each([
    ['hash', { sha256: '0'.repeat(64) }],
    ['length', { bytes: PART_BYTES }],
  ])('as the whole by its %s, is refused, and is no object', async (_, changes) => {
    const { world, job, upload } = await open();
    const uploadId = await upload.begun();
    const etags = await upload.storedAll(uploadId);
    await expectError(await upload.finish(uploadId, etags, changes), 'hash_mismatch');
    expect(await keysOf(world, job)).toEqual([]);
    await expectError(await upload.finish(uploadId, etags), 'upload_lost');
    const again = await upload.begun();
    await upload.finished(again, await upload.storedAll(again));
  });

  it.each([
    ['without its last', (etags: string[]) => etags.slice(0, -1), 'hash_mismatch'],
    ['in another order', (etags: string[]) => etags.toReversed(), 'upload_lost'],
    ['of which one was never put', (etags: string[]) => [...etags, 'x'], 'upload_lost'],
  ] as const)('as parts %s, makes no result', async (_, change, code) => {
    const { upload } = await open();
    const uploadId = await upload.begun();
    const etags = await upload.storedAll(uploadId);
    await expectError(await upload.finish(uploadId, change(etags)), code);
  });
});

describe('who may not', () => {
  it('is anybody without an agent token', async () => {
    const { world, job, upload } = await open();
    const path = `/agent/v1/jobs/${job.jobId}/artifacts/0/parts/1`;
    const { jobId, fencingToken, uploadTicket } = job;
    const facts = { index: 0, contentType: 'video/mp4', bytes: 1, sha256: '0'.repeat(64) };
    const file = { jobId, fencingToken, uploadTicket, ...facts };
    const finish = { ...file, uploadId: 'x', etags: ['x'] };
    for (const [verb, json] of Object.entries({ begin: file, finish })) {
      const request = { caller: 'agent', json } as const;
      await expectAuthRefusals(world, ['POST', `/agent/v1/uploads/${verb}`], request);
    }
    const nobody = await world.call('PUT', path, { body: PICTURE });
    await expectError(nobody, 'unauthorized');
    const uploadId = await upload.begun();
    const bearer = `tsa_${world.pool}_01k00000000000000000000000_${'x'.repeat(43)}`;
    await expectError(await upload.put(uploadId, 1, { bearer }), 'unauthorized');
  });

  it('is another agent, or the agent for another attempt or job', async () => {
    const { world, agent, job, upload } = await open();
    const uploadId = await upload.begun();
    const etags = await upload.storedAll(uploadId);
    const thief = await world.newAgent();
    const file = { bytes: upload.bytes, partBytes: PART_BYTES };
    const others = [
      new PartedUpload({ world, agent: thief, job }, file),
      ...[
        { ...job, fencingToken: job.fencingToken + 1 },
        { ...job, jobId: makeJobId(world.pool, Date.now()) },
        { ...job, uploadTicket: 'x' },
      ].map((lease) => new PartedUpload({ world, agent, job: lease }, file)),
    ];
    for (const other of others) {
      await expectError(await other.begin(), 'unauthorized');
      await expectError(await other.put(uploadId, 1), 'unauthorized');
      await expectError(await other.finish(uploadId, etags), 'unauthorized');
    }
    await upload.finished(uploadId, etags);
  });

  it('is a stale attempt: its parts become no result of the next one', async () => {
    const { world, agent, job, upload } = await open();
    const uploadId = await upload.begun();
    const etags = await upload.storedAll(uploadId);
    await agent.giveBack(job);
    const next = await agent.take();
    const file = { bytes: upload.bytes, partBytes: PART_BYTES };
    const mine = new PartedUpload({ world, agent, job: next }, file);
    // With a good ticket, but an id of the attempt before: R2 knows it under another key only.
    await expectError(await mine.put(uploadId, 1), 'upload_lost');
    await expectError(await mine.finish(uploadId, etags), 'unavailable');
    const { key } = await upload.finished(uploadId, etags);
    expect(key).toBe(keyOf(job));
    const measures = { width: null, height: null, durationS: null, thumbnailKey: null };
    const facts = { bytes: upload.bytes.length, sha256: await hashBytes(upload.bytes) };
    const artifact = { index: 0, key, contentType: 'video/mp4', ...facts, ...measures } as const;
    await expectError(await agent.tryComplete(next, [artifact]), 'invalid_request');
    await expectError(await agent.tryComplete(job, [artifact]), 'lease_lost');
  });
});

describe('bounds', () => {
  it('refuses a result over its bound when it begins, and a part over its own', async () => {
    const { upload } = await open();
    const large = await expectError(
      await upload.begin({ bytes: ARTIFACT_BYTES_MAX + 1 }),
      'artifact_too_large',
    );
    expect(large.details).toMatchObject({ limit: ARTIFACT_BYTES_MAX });
    const headers = { 'content-length': String(UPLOAD_PART_BYTES + 1) };
    await expectError(await upload.put(await upload.begun(), 1, { headers }), 'artifact_too_large');
  });

  it('of a result, once it is over, end the job at once: it says why and costs nothing', async () => {
    const { world, key, agent, job } = await open(1000);
    await agent.fail(job, { code: 'result_too_large', retryable: false });
    const view = await (await world.get(`/v1/jobs/${job.jobId}`, key)).json<JobView>();
    expect(view).toMatchObject({ status: 'failed', error: { code: 'result_too_large' } });
    expect(view.error?.message).toContain(`${ARTIFACT_BYTES_MAX / 1024 / 1024} MiB`);
    expect(view.cost.settled).toBe(0);
  });

  it.each([
    ['begin', { index: 8 }, 'index'],
    ['begin', { contentType: 'text/html' }, 'contentType'],
    ['begin', { sha256: 'ABC' }, 'sha256'],
    ['begin', { bytes: 0 }, 'bytes'],
    ['begin', { more: 1 }, 'more'],
    ['finish', { etags: [] }, 'etags'],
    ['finish', { etags: Array.from({ length: UPLOAD_PARTS_MAX + 1 }, () => 'x') }, 'etags'],
    ['finish', { uploadId: '' }, 'uploadId'],
  ] as const)('%s refuses %j', async (verb, changes, mentions) => {
    const { upload } = await open(1000);
    const answer =
      verb === 'begin' ? await upload.begin(changes) : await upload.finish('x', ['x'], changes);
    expect(JSON.stringify(await expectError(answer, 'invalid_request'))).toContain(mentions);
  });

  it('knows no part 0, none beyond the last, and no upload that R2 does not know', async () => {
    const { world, job, upload } = await open(1000);
    for (const number of [0, UPLOAD_PARTS_MAX + 1]) {
      await expectError(await upload.put('x', number), 'not_found');
    }
    await expectError(await upload.put('no-such-upload', 1), 'upload_lost');
    await expectError(await upload.finish('no-such-upload', ['x']), 'unavailable');
    const headers = { [UPLOAD_HEADERS.uploadId]: '' };
    await expectError(await upload.put('x', 1, { headers }), 'invalid_request');
    expect(await keysOf(world, job)).toEqual([]);
  });

  it('reads no larger JSON than any other call', async () => {
    const { upload } = await open(1000);
    await expectError(await upload.begin({ more: 'x'.repeat(300_000) }), 'body_too_large');
  });
});

describe('an upload that is left', () => {
  it('is aborted by the sweep once its ticket is no longer good, and not before', async () => {
    const { world, job, upload } = await open();
    const uploadId = await upload.begun();
    await upload.stored(uploadId, 1);
    const now = Date.now();
    expect(await sweep(world.env, now + UPLOAD_TICKET_MS)).toMatchObject({ uploads: 0 });
    await upload.stored(uploadId, 1);
    const { uploads } = await sweep(world.env, now + UPLOAD_TICKET_MS + 15 * 60_000);
    expect(uploads).toBeGreaterThanOrEqual(1);
    expect(await keysOf(world, job)).toEqual([]);
    await expectError(await upload.put(uploadId, 1), 'upload_lost');
  });

  it('holds up no sweep when R2 cannot abort it', async () => {
    const { world, job, upload } = await open();
    const { artifacts } = world.env;
    const abort = () => Promise.reject(new Error('abort: try later (10099)'));
    const stubborn = new Proxy(artifacts, {
      get: (bucket, name) => {
        if (name === 'resumeMultipartUpload') return () => ({ abort });
        const value: unknown = Reflect.get(bucket, name);
        return typeof value === 'function' ? value.bind(bucket) : value;
      },
    });
    await upload.begun();
    await sweep({ ...world.env, artifacts: stubborn }, Date.now() + UPLOAD_TICKET_MS + 15 * 60_000);
    expect(await keysOf(world, job)).toEqual([]);
  });
});
