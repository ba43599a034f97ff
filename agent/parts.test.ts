import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bell } from './doubles/clock.ts';
import type { ModelJob } from './doubles/edge-model.ts';
import { EdgeServer, errorBody, TOKEN } from './doubles/edge-server.ts';
import { GRANT, IMAGE_SPEC } from './doubles/spec.ts';
import { EdgeClient } from './edge-client.ts';
import { sendInParts } from './parts.ts';
import { readReceipt, receiptOf } from './receipt.ts';

const PART_BYTES = 100_000;
/** Four parts, the last a small one. */
const BYTES = 3 * PART_BYTES + 777;
const PARTS = [1, 2, 3, 4];

let directory: string;
let server: EdgeServer;
let url: URL;
let edge: EdgeClient;
let content: Buffer;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tessera-parts-'));
  content = Buffer.from(Array.from({ length: BYTES }, (_, at) => (at * 31 + (at >> 8)) % 256));
  await writeFile(pathOf(), content);
  server = new EdgeServer(() => 0, new Bell());
  server.store.partBytes = PART_BYTES;
  const body = { sessionId: '00000000-0000-4000-8000-000000000001', holding: [] };
  server.model.submit(IMAGE_SPEC);
  server.model.sessions.add(body.sessionId);
  const ask = { ...body, resident: [], busyMs: 0, waitMs: 0 };
  server.model.handle({ verb: 'acquire', body: ask }, { now: 0, last: true });
  url = await server.start();
  edge = new EdgeClient({ url, token: TOKEN, version: '1' });
});
afterEach(async () => {
  await edge.close();
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

const pathOf = () => join(directory, '0.mp4');

function send(signal = new AbortController().signal) {
  const [{ id, token }] = [...server.model.jobs.values()] as [ModelJob];
  const uploadTicket = `ticket-${id}-${token}`;
  const grant = { ...GRANT, jobId: id, fencingToken: token, uploadTicket };
  const file = { index: 0, path: pathOf(), contentType: 'video/mp4' } as const;
  return sendInParts({ edge, grant, ...file, signal });
}

/** The agent process is another one: only the disk is left. */
async function restart(): Promise<void> {
  await edge.close();
  edge = new EdgeClient({ url, token: TOKEN, version: '1' });
}

const sent = () => server.store.bodies.reduce((sum, { bytes }) => sum + bytes, 0);

function expectStored(): void {
  const sha256 = createHash('sha256').update(content).digest('hex');
  expect([...server.stored.values()]).toEqual([{ bytes: BYTES, sha256, contentType: 'video/mp4' }]);
  expect(server.store.open).toBe(0);
}

it('sends every byte once and in order', async () => {
  expect(await send()).toMatchObject({ ok: true, value: { bytes: BYTES } });
  expect(server.store.bodies.map(({ name }) => name)).toEqual(PARTS.map((n) => `0/parts/${n}`));
  expect(sent()).toBe(BYTES);
  expectStored();
});

it('sends nothing of a file that the edge has made already', async () => {
  const first = await send();
  await restart();
  // Nor does it ask, which would cost a reading of the whole.
  server.trouble = () => ({ do: 'drop_request' });
  expect(await send()).toEqual(first);
  expect(sent()).toBe(BYTES);
});

describe.each([
  ['the same process', () => Promise.resolve()],
  ['another process', restart],
])('after a broken connection, %s', (_, again) => {
  it.each(PARTS)('sends part %i alone again when it was cut', async (number) => {
    let cut = true;
    server.store.cutAt = (name) => (cut && name === `0/parts/${number}` ? 500 : null);
    expect(await send()).toMatchObject({ ok: false, failure: { reason: 'unreachable' } });
    const before = sent();
    cut = false;
    await again();
    expect(await send()).toMatchObject({ ok: true });
    expect(sent() - before).toBe(BYTES - (number - 1) * PART_BYTES);
    expectStored();
  });

  it.each(PARTS)('sends part %i alone again when its answer was lost', async (number) => {
    let count = 0;
    server.trouble = (name) => {
      return name === 'part' && ++count === number ? { do: 'drop_answer' } : undefined;
    };
    expect(await send()).toMatchObject({ ok: false, failure: { reason: 'unreachable' } });
    await again();
    expect(await send()).toMatchObject({ ok: true });
    const lost = number === 4 ? 777 : PART_BYTES;
    expect(sent()).toBe(BYTES + lost);
    expectStored();
  });

  it.each([
    ['begin', 'drop_request'],
    ['begin', 'drop_answer'],
    ['finish', 'drop_request'],
    ['finish', 'drop_answer'],
  ] as const)('sends no part again for a %s that ended in %s', async (verb, trouble) => {
    let once = true;
    server.trouble = (name) => {
      if (name !== verb || !once) return undefined;
      once = false;
      return { do: trouble };
    };
    expect(await send()).toMatchObject({ ok: false, failure: { reason: 'unreachable' } });
    await again();
    expect(await send()).toMatchObject({ ok: true });
    expect(sent()).toBe(BYTES);
    expectStored();
  });

  it('needs one part more for each cut, and no more, when every part is cut once', async () => {
    const cuts = new Set<string>();
    server.store.cutAt = (name) => {
      if (cuts.has(name)) return null;
      cuts.add(name);
      return 60_000;
    };
    let tries = 1;
    while (!(await send()).ok) {
      tries++;
      await again();
    }
    expect(tries).toBe(PARTS.length);
    expect(sent()).toBeLessThanOrEqual(BYTES + (PARTS.length - 1) * PART_BYTES);
    expectStored();
  });
});

describe('parts that make no file', () => {
  it('are sent anew at once when the edge has forgotten the upload', async () => {
    server.store.cutAt = (name) => (name === '0/parts/3' ? 1 : null);
    expect((await send()).ok).toBe(false);
    server.store.cutAt = () => null;
    server.store.forget();
    expect(await send()).toMatchObject({ ok: true });
    expectStored();
  });

  it('are sent anew at once when the whole has another hash', async () => {
    server.store.cutAt = (name) => (name === '0/parts/3' ? 1 : null);
    expect((await send()).ok).toBe(false);
    server.store.cutAt = () => null;
    // What was hashed as a whole is not what lies there now.
    content = Buffer.from(content).fill(7, 2 * PART_BYTES, 2 * PART_BYTES + 50);
    await writeFile(pathOf(), content);
    expect(await send()).toMatchObject({ ok: true });
    expectStored();
  });

  it('are given up for now when that helps nothing, so that the next try has its pause', async () => {
    const body = errorBody('upload_lost');
    server.trouble = (name) => (name === 'finish' ? { do: 'reply', status: 409, body } : undefined);
    const failed = await send();
    expect(failed).toMatchObject({ ok: false, failure: { reason: 'malformed' } });
    expect(sent()).toBe(BYTES);
    expect(await readReceipt(pathOf())).toBeNull();
  });

  it('are not made up by an edge that stored other bytes', async () => {
    const sha256 = '0'.repeat(64);
    const body = JSON.stringify({ key: 'k', contentType: 'video/mp4', bytes: BYTES, sha256 });
    server.trouble = (name) => (name === 'finish' ? { do: 'reply', status: 200, body } : undefined);
    expect(await send()).toMatchObject({ ok: false, failure: { reason: 'malformed' } });
    expect((await readReceipt(pathOf()))?.answer).toBeNull();
  });
});

describe('the receipt', () => {
  it.each([
    ['cut', (text: string) => text.slice(0, 40)],
    ['empty', () => ''],
    ['of a later version', (text: string) => text.replace('"version":1', '"version":2')],
  ])('is none when it is %s: the upload begins anew', async (_, damage) => {
    server.store.cutAt = (name) => (name === '0/parts/2' ? 1 : null);
    expect((await send()).ok).toBe(false);
    server.store.cutAt = () => null;
    const path = receiptOf(pathOf());
    await writeFile(path, damage(await readFile(path, 'utf8')));
    expect(await send()).toMatchObject({ ok: true });
    expectStored();
  });

  it('is that of the part before when the process died while it was written', async () => {
    server.store.cutAt = (name) => (name === '0/parts/3' ? 1 : null);
    expect((await send()).ok).toBe(false);
    server.store.cutAt = () => null;
    await writeFile(`${receiptOf(pathOf())}.tmp`, '{"version":1,"etags":["half');
    const before = sent();
    await restart();
    expect(await send()).toMatchObject({ ok: true });
    expect(sent() - before).toBe(BYTES - 2 * PART_BYTES);
    expectStored();
    expect(await readdir(directory)).toEqual(['0.mp4', '0.mp4.receipt.json']);
  });

  it('that cannot be written stops no upload', async () => {
    // In the place where it would be written, something that is no file.
    await mkdir(`${receiptOf(pathOf())}.tmp`);
    expect(await send()).toMatchObject({ ok: true });
    expectStored();
  });
});

it('is given up in the middle of a part, as a value', async () => {
  const abort = new AbortController();
  server.store.cutAt = (name) => {
    if (name === '0/parts/2') abort.abort(new Error('cancelled'));
    return null;
  };
  expect(await send(abort.signal)).toMatchObject({ ok: false, failure: { reason: 'aborted' } });
});

it('says what the edge refuses', async () => {
  const id = [...server.model.jobs.keys()][0]!;
  server.model.revoke(id);
  expect(await send()).toMatchObject({ ok: false, failure: { code: 'lease_lost' } });
});
