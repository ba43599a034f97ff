import { describe, expect, it } from 'vitest';
import type { FileView } from '#schema/file.ts';
import {
  DAY_MS,
  FILE_AUDIO_BYTES_MAX,
  FILE_KEEP_MS,
  FILES_KEPT_BYTES_MAX,
  FILES_KEPT_MAX,
  FILE_MARGIN_MS,
  JSON_BODY_BYTES_MAX,
} from '#schema/limits.ts';
import { makeFileId, makeJobId } from '../io/id.ts';
import { inputKey, shelfKey, storeFile } from '../services/store-file.ts';
import { expectAuthRefusals, expectError, hashBytes, HttpWorld } from '../test/http.ts';
import { makePng, makeWav } from '../test/media.ts';

const NOBODYS = `file_${'0'.repeat(26)}`;
const world = new HttpWorld();

/** Sends a file as a body of its own. */
function send(apiKey: string, bytes: Uint8Array<ArrayBuffer>, query = '', headers = {}) {
  return world.call('POST', `/v1/files${query}`, {
    bearer: apiKey,
    body: bytes,
    headers: { 'content-length': String(bytes.length), ...headers },
  });
}

async function keep(apiKey: string, bytes: Uint8Array<ArrayBuffer>): Promise<FileView> {
  const response = await send(apiKey, bytes);
  expect(response.status, await response.clone().text()).toBe(201);
  return response.json();
}

async function sendForm(apiKey: string, form: FormData) {
  const { body, headers } = new Response(form);
  const bytes = new Uint8Array(await new Response(body).arrayBuffer());
  const contentType = headers.get('content-type')!;
  return send(apiKey, bytes, '', { 'content-type': contentType });
}

describe('a file that is sent', () => {
  it('is kept for a day with what its content tells, and shown again', async () => {
    const { api_key } = await world.newAccount();
    const bytes = makePng(640, 480);
    const response = await send(api_key, bytes, '?purpose=image&name=lake.png');
    expect(response.status).toBe(201);
    expect(response.headers.get('ratelimit-limit')).not.toBeNull();
    const file = await response.json<FileView>();
    expect(file).toMatchObject({
      purpose: 'image',
      name: 'lake.png',
      content_type: 'image/png',
      bytes: bytes.length,
      sha256: await hashBytes(bytes),
      width: 640,
      height: 480,
      duration_s: null,
    });
    expect(Date.parse(file.expires_at) - Date.parse(file.created_at)).toBe(DAY_MS);
    const shown = await world.get(`/v1/files/${file.id}`, api_key);
    expect(await shown.json()).toMatchObject({ id: file.id, sha256: file.sha256 });
  });

  it('comes as a form too, and keeps its name', async () => {
    const { api_key } = await world.newAccount();
    const form = new FormData();
    form.set('file', new File([makeWav(2)], 'réunion.wav', { type: 'application/pdf' }));
    form.set('purpose', 'audio');
    const response = await sendForm(api_key, form);
    expect(response.status, await response.clone().text()).toBe(201);
    expect(await response.json()).toMatchObject({
      name: 'réunion.wav',
      content_type: 'audio/wav',
      duration_s: 2,
      width: null,
    });
  });

  it('is streamed when it is long, and whole in the end', async () => {
    const { api_key } = await world.newAccount();
    const bytes = makeWav(300);
    bytes.fill(7, 44);
    const file = await keep(api_key, bytes);
    expect(file).toMatchObject({ duration_s: 300, sha256: await hashBytes(bytes) });
    const fetched = await world.get(new URL(file.url).pathname + new URL(file.url).search);
    expect(await hashBytes(new Uint8Array(await fetched.arrayBuffer()))).toBe(file.sha256);
    const left = await world.env.artifacts.list({ prefix: 'arrival/' });
    expect(left.objects).toEqual([]);
  });

  it('is served as what it is, and never as a page', async () => {
    const { api_key } = await world.newAccount();
    const { id, url } = await keep(api_key, makePng(64, 64));
    const { pathname, search } = new URL(url);
    const { headers } = await world.get(pathname + search);
    expect(headers.get('content-type')).toBe('image/png');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain('sandbox');
    expect(headers.get('content-disposition')).toBe(`inline; filename="${id}.png"`);
  });

  it('is made from a result of the same account', async () => {
    const { api_key } = await world.newAccount();
    const agent = await world.newAgent();
    const job = await world.newJob(api_key);
    const bytes = makePng(512, 512);
    await agent.finish(await agent.take(), bytes);
    const response = await world.post('/v1/files', api_key, { job_id: job.id, index: 0 });
    expect(response.status, await response.clone().text()).toBe(201);
    expect(await response.json()).toMatchObject({ sha256: await hashBytes(bytes), width: 512 });
    const none = await world.post('/v1/files', api_key, { job_id: job.id, index: 3 });
    await expectError(none, 'invalid_request');
  });

  it('is gone when its owner deletes it', async () => {
    const { api_key, id: accountId } = await world.newAccount();
    const { id } = await keep(api_key, makePng(64, 64));
    const deleted = await world.call('DELETE', `/v1/files/${id}`, { bearer: api_key });
    expect(await deleted.json()).toEqual({ id, deleted: true });
    await expectError(await world.get(`/v1/files/${id}`, api_key), 'not_found');
    const { objects } = await world.env.artifacts.list({ prefix: `shelf/${accountId}/` });
    expect(objects).toEqual([]);
    const again = await world.call('DELETE', `/v1/files/${id}`, { bearer: api_key });
    await expectError(again, 'not_found');
  });
});

describe('a file that is refused', () => {
  const text = (value: string) => Uint8Array.from(value, (char) => char.charCodeAt(0));

  it.each([
    ['is none of the types', text('<svg onload="alert(1)"/>'), '', 'unsupported_file'],
    ['is for another purpose', makePng(64, 64), '?purpose=audio', 'unsupported_file'],
    ['is empty', new Uint8Array(), '', 'unsupported_file'],
    ['is huge when decoded', makePng(11_000, 11_000), '', 'file_out_of_bounds'],
    ['is one long line', makePng(60_000, 16), '', 'file_out_of_bounds'],
    ['is a point', makePng(1, 1), '', 'file_out_of_bounds'],
    ['is damaged', makePng(64, 64).subarray(0, 20), '', 'file_unreadable'],
    ['is a sound without length', makeWav(0), '', 'file_unreadable'],
    ['is asked for oddly', makePng(64, 64), '?purpose=vision', 'invalid_request'],
  ] as const)('because it %s', async (_, bytes, query, code) => {
    const { api_key } = await world.newAccount();
    await expectError(await send(api_key, Uint8Array.from(bytes), query), code);
    const { objects } = await world.env.artifacts.list({ prefix: 'arrival/' });
    expect(objects).toEqual([]);
  });

  it('because it plays for longer than a job may', async () => {
    const { api_key } = await world.newAccount();
    // A header of 8 kbit/s: five hours in a few megabytes.
    const bytes = makeWav(160);
    new DataView(bytes.buffer).setUint32(28, 250, true);
    const error = await expectError(await send(api_key, bytes), 'file_out_of_bounds');
    expect(error.details).toMatchObject({ field: 'duration_s', limit: 7200, value: 20_480 });
  });

  it('because of its size, before a byte of it is read', async () => {
    const { api_key } = await world.newAccount();
    const headers = { 'content-length': String(FILE_AUDIO_BYTES_MAX + 1) };
    const error = await expectError(await send(api_key, makeWav(1), '', headers), 'file_too_large');
    expect(error.details).toMatchObject({ limit: FILE_AUDIO_BYTES_MAX });
  });

  it('because its size is not told', async () => {
    const { api_key } = await world.newAccount();
    const response = await world.call('POST', '/v1/files', { bearer: api_key, body: makeWav(1) });
    await expectError(response, 'length_required');
  });

  it.each([
    ['shorter', -1000],
    ['longer', 1000],
  ])('because a long one is %s than it says', async (_, by) => {
    const { api_key } = await world.newAccount();
    const bytes = makeWav(150);
    const headers = { 'content-length': String(bytes.length + by) };
    await expectError(await send(api_key, bytes, '', headers), 'file_unreadable');
    const { objects } = await world.env.artifacts.list({ prefix: 'arrival/' });
    expect(objects).toEqual([]);
  });

  it.each([
    ['files', FILES_KEPT_MAX, 1],
    ['bytes', 8, FILES_KEPT_BYTES_MAX / 8],
  ])('because the account keeps too many %s', async (unit, count, each) => {
    const { api_key, id } = await world.newAccount();
    const put = async (_: unknown, index: number) => {
      const file = { id: makeFileId(Date.now() - index), bytes: each };
      await world.env.artifacts.put(shelfKey(file, id), '');
    };
    await Promise.all(Array.from({ length: count }, put));
    for (const bytes of [makePng(64, 64), makeWav(150)]) {
      const response = await send(api_key, bytes);
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(23 * 3600);
      expect((await expectError(response, 'too_many_files')).details).toMatchObject({ unit });
    }
  });

  it('because the account keeps too many files, however many marks of old ones are left', async () => {
    const { api_key, id } = await world.newAccount();
    const put = async (at: number, count: number) => {
      const ids = Array.from({ length: count }, () => makeFileId(at));
      await Promise.all(
        ids.map((one) => world.env.artifacts.put(shelfKey({ id: one, bytes: 1 }, id), '')),
      );
    };
    await put(Date.now() - 2 * FILE_KEEP_MS, FILES_KEPT_MAX * 2);
    await put(Date.now(), FILES_KEPT_MAX);
    await expectError(await send(api_key, makePng(64, 64)), 'too_many_files');
  });

  it('beyond what the account may keep, also when they come at once', async () => {
    const { api_key, id } = await world.newAccount();
    const put = async (_: unknown, index: number) => {
      const file = { id: makeFileId(Date.now() - index), bytes: 1 };
      await world.env.artifacts.put(shelfKey(file, id), '');
    };
    await Promise.all(Array.from({ length: FILES_KEPT_MAX - 3 }, put));
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => send(api_key, makePng(64, 64))),
    );
    const taken = answers.filter(({ status }) => status === 201).length;
    expect(taken).toBeLessThanOrEqual(3);
    const { objects } = await world.env.artifacts.list({ prefix: `shelf/${id}/` });
    expect(objects).toHaveLength(FILES_KEPT_MAX - 3 + taken);
  });

  it('because it cannot be kept, and is not counted then', async () => {
    const { id: accountId } = await world.newAccount();
    const bucket = world.env.artifacts;
    const artifacts = {
      list: bucket.list.bind(bucket),
      delete: bucket.delete.bind(bucket),
      put: async (key: string, value: string) => {
        if (key.startsWith('input/')) throw new Error('R2 is away');
        return bucket.put(key, value);
      },
    };
    const env = { ...world.env, artifacts: artifacts as unknown as R2Bucket };
    const offer = { accountId, body: makePng(64, 64), purpose: null, name: null };
    await expect(storeFile(env, offer, Date.now())).rejects.toThrow('R2 is away');
    const { objects } = await bucket.list({ prefix: `shelf/${accountId}/` });
    expect(objects).toEqual([]);
  });

  it('because the form has no file', async () => {
    const { api_key } = await world.newAccount();
    const form = new FormData();
    form.set('purpose', 'image');
    await expectError(await sendForm(api_key, form), 'invalid_request');
  });

  it.each([
    ['is no JSON', '{', 'invalid_json'],
    ['names no job', '{"index":0}', 'invalid_request'],
    [
      'names a result that cannot be',
      `{"job_id":"${makeJobId('main', 1)}","index":9}`,
      'invalid_request',
    ],
    ['is larger than any JSON', `"${'x'.repeat(JSON_BODY_BYTES_MAX)}"`, 'body_too_large'],
  ] as const)('because the body that asks for a result %s', async (_, body, code) => {
    const { api_key } = await world.newAccount();
    const headers = { 'content-type': 'application/json' };
    const asked = world.call('POST', '/v1/files', { bearer: api_key, body, headers });
    await expectError(await asked, code);
  });

  it('because its form is none', async () => {
    const { api_key } = await world.newAccount();
    const headers = { 'content-type': 'multipart/form-data; boundary=x' };
    const response = await send(api_key, makePng(64, 64), '', headers);
    await expectError(response, 'file_unreadable');
  });

  it('because the job is none of its sender', async () => {
    const [owner, other] = [await world.newAccount(), await world.newAccount()];
    const job = await world.newJob(owner.api_key);
    const response = await world.post('/v1/files', other.api_key, { job_id: job.id });
    await expectError(response, 'not_found');
  });
});

describe('a file in a job', () => {
  const TRANSCRIPTION = { type: 'transcription', model: 'whisper' } as const;

  it('is lent to the agent that runs it, and prices it by its length', async () => {
    const { api_key } = await world.newAccount();
    const bytes = makeWav(90);
    const file = await keep(api_key, bytes);
    const agent = await world.newAgent(['whisper']);
    const job = await world.newJob(api_key, { ...TRANSCRIPTION, file: file.id });
    expect(job.cost.held).toBe(0.15);
    const leased = await agent.take();
    expect(leased.spec).toMatchObject({ file: file.id, duration_s: 90 });
    const [input] = leased.inputs;
    expect(input).toMatchObject({ fileId: file.id, bytes: bytes.length, sha256: file.sha256 });
    const fetched = await world.get(input!.url);
    expect(await hashBytes(new Uint8Array(await fetched.arrayBuffer()))).toBe(file.sha256);
  });

  it('that was deleted meanwhile is left out of the lease', async () => {
    const { api_key } = await world.newAccount();
    const file = await keep(api_key, makeWav(2));
    const agent = await world.newAgent(['whisper']);
    await world.newJob(api_key, { ...TRANSCRIPTION, file: file.id });
    await world.call('DELETE', `/v1/files/${file.id}`, { bearer: api_key });
    expect((await agent.take()).inputs).toEqual([]);
  });

  it.each([
    ['there is none', () => Promise.resolve(NOBODYS)],
    ['it is of another kind', async (key: string) => (await keep(key, makePng(64, 64))).id],
    [
      "it is another account's",
      async () => (await keep((await world.newAccount()).api_key, makeWav(1))).id,
    ],
  ])('is unknown when %s', async (_, make) => {
    const { api_key } = await world.newAccount();
    const request = { ...TRANSCRIPTION, file: await make(api_key) };
    const error = await expectError(await world.post('/v1/jobs', api_key, request), 'unknown_file');
    expect(error.details).toEqual({ field: 'file', value: request.file });
  });

  it.each([
    ['a mask', (file: string) => ({ type: 'image', model: 'painter', mask: file })],
    ['a model that brings pictures to life', () => ({ type: 'video', model: 'svd' })],
  ])('is missed where it is needed: %s', async (_, make) => {
    const { api_key } = await world.newAccount();
    const { id } = await keep(api_key, makePng(64, 64));
    const request = { prompt: 'x', ...make(id) };
    const error = await expectError(await world.post('/v1/jobs', api_key, request), 'unknown_file');
    expect(error.message).toBe('input_image is needed for this; upload it with POST /v1/files.');
    const whole = { ...request, input_image: id };
    const accepted = await world.post('/v1/jobs?dry_run=1', api_key, whole);
    expect(accepted.status, await accepted.text()).toBe(200);
  });

  it('is unknown in its last hour, and gone after its day', async () => {
    const { api_key, id: accountId } = await world.newAccount();
    const stored = async (age: number) => {
      const offer = { accountId, purpose: null, name: null, body: makeWav(1) };
      const file = await storeFile(world.env, offer, Date.now() - age);
      expect(file.ok).toBe(true);
      return file.ok ? file.value.id : '';
    };
    const old = await stored(FILE_KEEP_MS - FILE_MARGIN_MS + 1000);
    const request = { ...TRANSCRIPTION, file: old };
    await expectError(await world.post('/v1/jobs', api_key, request), 'unknown_file');
    expect((await world.get(`/v1/files/${old}`, api_key)).status).toBe(200);
    const gone = await stored(FILE_KEEP_MS);
    await expectError(await world.get(`/v1/files/${gone}`, api_key), 'not_found');
  });
});

describe('the files of an account', () => {
  it('are nobody else’s', async () => {
    const [owner, other] = [await world.newAccount(), await world.newAccount()];
    const { id } = await keep(owner.api_key, makePng(64, 64));
    await expectError(await world.get(`/v1/files/${id}`, other.api_key), 'not_found');
    const deleted = await world.call('DELETE', `/v1/files/${id}`, { bearer: other.api_key });
    await expectError(deleted, 'not_found');
    expect(await world.env.artifacts.head(inputKey(id, owner.id))).not.toBeNull();
  });

  it('are not reached by an id that is none', async () => {
    const { api_key } = await world.newAccount();
    await expectError(await world.get('/v1/files/..%2Fsecret', api_key), 'not_found');
  });

  it.each([
    ['POST', '/v1/files'],
    ['GET', `/v1/files/${NOBODYS}`],
    ['DELETE', `/v1/files/${NOBODYS}`],
  ] as const)('need a key: %s %s', async (method, path) => {
    await expectAuthRefusals(world, [method, path], { caller: 'account' });
  });
});
