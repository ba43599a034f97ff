import { evictDurableObject } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CHAT, chat, completed, newBot, newRecord, say, until } from '../../test/courier.ts';
import { FakeTelegram } from '../../test/telegram.ts';

let telegram: FakeTelegram;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
  telegram = new FakeTelegram();
  telegram.install();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('an album', () => {
  it('goes as a whole when its result is taken away, though the object died meanwhile', async () => {
    const { id, courier, stub, token } = newBot();
    const record = newRecord(id, CHAT);
    await courier.publish([record]);
    await until(stub, () => telegram.chat('77').length === 1);
    await courier.publish([await completed(record, ['one', 'two', 'three'])]);
    await until(stub, async () => (await courier.health()).delivered === 1);
    expect(telegram.chat('77')).toHaveLength(4);
    await evictDurableObject(stub);
    const away = { kind: 'delete', messageId: '1', jobId: record.id } as const;
    await courier.send({ ...away, key: 'd', chat: CHAT }, null);
    await until(stub, () => telegram.callsOf(token).includes('deleteMessages'));
    expect(telegram.chat('77')).toEqual([]);
  });

  it('of another chat stays, whichever job is named', async () => {
    const { id, courier, stub, token } = newBot();
    const record = newRecord(id, CHAT);
    await courier.publish([record]);
    await until(stub, () => telegram.chat('77').length === 1);
    await courier.publish([await completed(record, ['one', 'two'])]);
    await until(stub, async () => (await courier.health()).delivered === 1);
    const away = { kind: 'delete', messageId: '1', jobId: record.id } as const;
    await courier.send({ ...away, key: 'd', chat: chat('-88') }, null);
    await until(stub, () => telegram.callsOf(token).includes('deleteMessage'));
    expect(telegram.chat('77')).toHaveLength(3);
  });
});

describe('a group that got another id', () => {
  it('gets there what was still to be said, and the result of what was under way', async () => {
    const { id, courier, stub } = newBot();
    const moved = {
      status: 400,
      description: 'Bad Request: group chat was upgraded',
      movedTo: -99,
    };
    const record = newRecord(id, chat('-9'));
    await courier.publish([record]);
    await until(stub, () => telegram.chat('-9').length === 1);
    // There is a message of that number in the new chat, and it is another one.
    telegram.messages.set('-99:1', { text: 'Welcome', file: null, replyTo: null });
    telegram.fail('editMessageMedia', moved);
    await courier.publish([await completed(record, ['the picture'])]);
    await until(stub, () => telegram.chat('-99').some(({ file }) => file === 'the picture'));
    expect(telegram.chat('-99')[0]).toEqual({ text: 'Welcome', file: null });
    telegram.fail('sendMessage', moved);
    const message = { kind: 'message', key: 'm', jobId: null, reply: say('hello') } as const;
    await courier.send({ ...message, chat: chat('-9') }, null);
    await until(stub, () => telegram.chat('-99').some(({ text }) => text === 'hello'));
    const sent = telegram.calls.findLast(({ method }) => method === 'sendMessage')!;
    expect(sent.params).not.toHaveProperty('reply_parameters');
  });
});

describe('the figures of a bot', () => {
  it('count what was sent, refused as too much, waited for, delivered and given up', async () => {
    const { id, courier, stub } = newBot();
    const record = newRecord(id, CHAT);
    const tooMany = { status: 429, description: 'Too Many Requests', retryAfterS: 3 };
    telegram.fail('sendMessage', tooMany);
    telegram.fail('sendMessage', { status: 502, description: 'Bad Gateway' });
    await courier.publish([record]);
    await until(stub, () => telegram.chat('77').length === 1);
    const done = await completed(record, ['the picture']);
    await courier.publish([{ ...done, finishedAt: Date.now() - 1500 }]);
    await until(stub, async () => (await courier.health()).delivered === 1);
    const refused = { status: 400, description: "Bad Request: can't parse entities" };
    telegram.fail('sendMessage', refused);
    const outbound = { kind: 'message', key: 'a', jobId: null, chat: CHAT } as const;
    await courier.send({ ...outbound, reply: say('one') }, null);
    await until(stub, async () => (await courier.health()).given_up === 1);
    const { health, sends, toldToWaitMs, delay, waiting } = await courier.figures();
    expect(health).toMatchObject({ rate_limited: 1, failures: 1, given_up: 1, delivered: 1 });
    expect(sends).toBe(2);
    expect(toldToWaitMs).toBe(3000);
    expect(delay.sumMs).toBeGreaterThanOrEqual(1500);
    expect(delay.counts.reduce((sum, count) => sum + count, 0)).toBe(1);
    expect(delay.counts.slice(0, delay.boundsS.indexOf(2))).toEqual([0, 0, 0]);
    expect(waiting).toEqual({ answer: 0, state: 0, progress: 0 });
  });

  it('tell what waits, by how pressing it is', async () => {
    const { courier, stub } = newBot();
    const release = telegram.hold();
    const message = { kind: 'message', jobId: null, chat: CHAT } as const;
    for (const key of ['a', 'b', 'c']) {
      await courier.send({ ...message, key, reply: say(key) }, null);
    }
    // One is under way.
    expect((await courier.figures()).waiting).toEqual({ answer: 2, state: 0, progress: 0 });
    release();
    await until(stub, () => telegram.chat('77').length === 3);
  });
});
