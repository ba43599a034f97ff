import { runDurableObjectAlarm } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ChatAddress } from '#schema/chat.ts';
import type { JobRecord } from '#schema/record.ts';
import { asCreated } from '../../account/order.ts';
import { stubOutside } from '../../test/outside.ts';
import { bindings, eventually, newOrder } from '../../test/world.ts';

interface Call {
  readonly method: string;
  readonly path: string;
  readonly body: Record<string, unknown>;
  readonly byBot: boolean;
}

const MINUTE_MS = 60_000;
let bots = 0;
let calls: Call[];
/** What a call answers; 200 with an id where it says nothing. */
let answers: (call: Call) => { status: number; body: object } | null;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
  calls = [];
  answers = () => null;
  stubOutside(async (request) => {
    const path = new URL(request.url).pathname.replace(/^\/api\/v10/, '');
    const body = await readBody(request);
    const byBot = request.headers.get('authorization')?.startsWith('Bot ') === true;
    const call = { method: request.method, path, body, byBot };
    calls.push(call);
    const { status, body: answer } = answers(call) ?? { status: 200, body: { id: '900' } };
    return Response.json(answer, { status });
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** The JSON of a call, with files or without. */
async function readBody(request: Request): Promise<Record<string, unknown>> {
  const isForm = request.headers.get('content-type')?.startsWith('multipart/form-data') === true;
  const field = isForm ? (await request.formData()).get('payload_json') : await request.text();
  return typeof field === 'string' && field !== '' ? JSON.parse(field) : {};
}

function newBot() {
  const number = (bots += 1);
  const courier = bindings.BOT_COURIER.getByName(`courier-discord-${number}`);
  return { id: `courier-discord-${number}`, application: `77${number}`, courier };
}

function newRecord(courier: string, more: Partial<JobRecord> = {}): JobRecord {
  const chat: ChatAddress = {
    platform: 'discord',
    chatId: '555',
    userId: '42',
    replyTo: null,
    threadId: null,
    interactionToken: `token-${courier}`,
    interactionExpiresAt: Date.now() + 15 * MINUTE_MS,
    attachmentBytesMax: null,
  };
  const notices = [{ kind: 'chat', courier, chat } as const];
  const created = asCreated(newOrder('main', 'acc_x', { notices })).record;
  return { ...created, status: 'running', startedAt: created.createdAt, attempt: 1, ...more };
}

function failedJob(record: JobRecord): JobRecord {
  const error = { code: 'job_failed', message: 'It broke.' } as const;
  const finishedAt = Date.now();
  return { ...record, status: 'failed', sequence: record.sequence + 1, finishedAt, error };
}

/** Lets time pass and the alarm come until something holds. */
async function until(courier: object, probe: () => boolean): Promise<void> {
  await eventually(async () => {
    if (probe()) return true;
    vi.setSystemTime(Date.now() + 500);
    await runDurableObjectAlarm(courier as DurableObjectStub);
    return false;
  });
}

const waysOf = () => calls.map(({ method, path, byBot }) => `${method} ${path} ${byBot}`);

describe('while the interaction lives', () => {
  it('its answer is edited by its token alone', async () => {
    const { id, application, courier } = newBot();
    const record = newRecord(id);
    await courier.publish([record]);
    await until(courier, () => calls.length === 1);
    await courier.publish([failedJob(record)]);
    await until(courier, () => calls.length === 2);
    const hook = `/webhooks/${application}/token-${id}/messages`;
    expect(waysOf()).toEqual([`PATCH ${hook}/@original false`, `PATCH ${hook}/900 false`]);
  });

  it('an interaction that Discord does not know yet is tried again', async () => {
    const { id, courier } = newBot();
    answers = () =>
      calls.length < 3 ? { status: 404, body: { code: 10_015, message: 'Unknown Webhook' } } : null;
    await courier.publish([newRecord(id)]);
    await until(courier, () => calls.length === 3);
    expect(new Set(waysOf()).size).toBe(1);
  });
});

describe('a text', () => {
  async function completed(record: JobRecord, text: string): Promise<JobRecord> {
    const key = `result/test/${crypto.randomUUID()}`;
    await bindings.ARTIFACTS.put(key, text);
    const artifact = {
      index: 0,
      key,
      contentType: 'text/plain',
      bytes: text.length,
      sha256: '0'.repeat(64),
      width: null,
      height: null,
      durationS: null,
      thumbnailKey: null,
    } as const;
    const finishedAt = Date.now();
    const end = { status: 'completed', finishedAt, settledMillitokens: 10 } as const;
    return { ...record, ...end, sequence: record.sequence + 1, artifacts: [artifact] };
  }

  it.each([
    ['stands there itself', 'A lighthouse shines.', 0],
    ['comes as a file where a message of Discord would cut it', 'word '.repeat(390), 1],
    ['comes as a file where its marks would cut it', '*'.repeat(900), 1],
  ])('%s', async (_, text, files) => {
    const { id, courier } = newBot();
    await courier.publish([await completed(newRecord(id), text)]);
    await until(courier, () => calls.length === 1);
    const [{ body }] = calls as [Call];
    expect(body['attachments']).toHaveLength(files);
    expect(String(body['content']).includes(text.trim())).toBe(files === 0);
    expect(body['content']).not.toContain('…');
  });
});

describe('after 14 minutes', () => {
  it('the end comes as a message of the bot, the same however often it is sent', async () => {
    const { id, courier } = newBot();
    const record = newRecord(id);
    await courier.publish([record]);
    await until(courier, () => calls.length === 1);
    vi.setSystemTime(Date.now() + 14.5 * MINUTE_MS);
    answers = () => (calls.length < 3 ? { status: 502, body: { code: 0, message: 'bad' } } : null);
    await courier.publish([failedJob(record)]);
    await until(courier, () => calls.length === 3);
    const [, first, second] = calls;
    expect(first).toMatchObject({ method: 'POST', path: '/channels/555/messages', byBot: true });
    expect(first?.body).toMatchObject({ enforce_nonce: true });
    expect(second?.body['nonce']).toBe(first?.body['nonce']);
  });

  it('it comes directly where the bot may not speak, and else not at all', async () => {
    const { id, courier } = newBot();
    const record = newRecord(id);
    await courier.publish([record]);
    await until(courier, () => calls.length === 1);
    vi.setSystemTime(Date.now() + 14.5 * MINUTE_MS);
    answers = ({ path }) => {
      if (path === '/channels/555/messages') {
        return { status: 403, body: { code: 50_001, message: 'Missing Access' } };
      }
      if (path === '/users/@me/channels') return { status: 200, body: { id: '31' } };
      return { status: 403, body: { code: 50_007, message: 'Cannot send messages to this user' } };
    };
    await courier.publish([failedJob(record)]);
    await until(courier, () => calls.length === 4);
    expect(waysOf().slice(1)).toEqual([
      'POST /channels/555/messages true',
      'POST /users/@me/channels true',
      'POST /channels/31/messages true',
    ]);
    await eventually(async () => (await courier.health()).waiting === 0);
    expect((await courier.health()).given_up).toBe(0);
  });
});

describe('a message that is to go', () => {
  it('stays without a fault where the bot may take nothing away', async () => {
    const { id, courier } = newBot();
    answers = () => ({ status: 403, body: { code: 50_001, message: 'Missing Access' } });
    const [notice] = newRecord(id).notices;
    if (notice?.kind !== 'chat') throw new Error('no chat');
    const chat = { ...notice.chat, interactionToken: null, interactionExpiresAt: null };
    await courier.send({ kind: 'delete', key: 'd', chat, messageId: '9', jobId: null }, null);
    await until(courier, () => calls.length > 0);
    await eventually(async () => (await courier.health()).waiting === 0);
    expect(waysOf()).toEqual(['DELETE /channels/555/messages/9 true']);
    expect((await courier.health()).given_up).toBe(0);
  });
});
