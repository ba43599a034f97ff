import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BOT_CHAT_PENDING_MAX } from '#schema/limits.ts';
import { CHAT, chat, completed, newBot, newRecord, say, until } from '../test/courier.ts';
import { FakeTelegram } from '../test/telegram.ts';
import { eventually } from '../test/world.ts';
import type { BotCourier } from './bot.ts';

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

describe('a job', () => {
  it('has one message, which becomes its result in reply to the command', async () => {
    const { id, courier, stub, token } = newBot();
    const record = newRecord(id, CHAT);
    await courier.publish([record]);
    await until(stub, () => telegram.chat('77').length === 1);
    await courier.publish([await completed(record, ['the picture'])]);
    await until(stub, () => telegram.chat('77')[0]?.file === 'the picture');
    expect(telegram.chat('77')).toHaveLength(1);
    expect(telegram.callsOf(token)).toEqual(['sendMessage', 'editMessageMedia']);
    const [first] = telegram.calls;
    expect(first?.params['reply_parameters']).toMatchObject({ message_id: 5 });
  });

  it('shows its result once however often the same news comes', async () => {
    const { id, courier, stub } = newBot();
    const record = newRecord(id, CHAT);
    const done = await completed(record, ['the picture']);
    for (const news of [record, record, done, record, done]) await courier.publish([news]);
    await until(stub, () => telegram.chat('77')[0]?.file === 'the picture');
    await courier.publish([done]);
    await runDurableObjectAlarm(stub);
    expect(telegram.chat('77')).toHaveLength(1);
    expect(telegram.calls.filter(({ method }) => method === 'editMessageMedia')).toHaveLength(1);
  });

  it('is never overtaken at its end by progress that was on its way', async () => {
    const { id, courier, stub } = newBot();
    const record = newRecord(id, CHAT);
    await courier.publish([record]);
    await until(stub, () => telegram.chat('77').length === 1);
    const release = telegram.hold();
    const progress = { fraction: 0.5, stage: 'running', step: 5, steps: 10 } as const;
    await courier.progress(record.id, progress, null);
    await courier.publish([await completed(record, ['the picture'])]);
    await courier.progress(record.id, { ...progress, fraction: 0.9 }, null);
    release();
    await until(stub, () => telegram.chat('77')[0]?.file === 'the picture');
    await runDurableObjectAlarm(stub);
    expect(telegram.calls.at(-1)?.method).toBe('editMessageMedia');
  });

  it('goes on after the death of the object where it was', async () => {
    const { id, courier, stub } = newBot();
    const record = newRecord(id, CHAT);
    await courier.publish([record]);
    await until(stub, () => telegram.chat('77').length === 1);
    telegram.fail('editMessageMedia', 'lost_before');
    await courier.publish([await completed(record, ['the picture'])]);
    await evictDurableObject(stub);
    await until(stub, () => telegram.chat('77')[0]?.file === 'the picture');
    expect(telegram.chat('77')).toHaveLength(1);
  });

  it('has no second copy of its result when the answer to the delivery is lost', async () => {
    const { id, courier, stub } = newBot();
    const record = newRecord(id, CHAT);
    await courier.publish([record]);
    await until(stub, () => telegram.chat('77').length === 1);
    telegram.fail('editMessageMedia', 'lost_after');
    await courier.publish([await completed(record, ['the picture'])]);
    const twice = () => telegram.calls.filter(({ method }) => method === 'editMessageMedia');
    await until(stub, () => twice().length === 2);
    await until(stub, async () => (await courier.health()).delivered === 1);
    expect(telegram.chat('77')).toEqual([{ text: expect.any(String), file: 'the picture' }]);
  });

  it('sends an album once, and links to it when its answer is lost', async () => {
    const { id, courier, stub } = newBot();
    const record = newRecord(id, CHAT);
    await courier.publish([record]);
    await until(stub, () => telegram.chat('77').length === 1);
    telegram.fail('sendMediaGroup', 'lost_after');
    await courier.publish([await completed(record, ['one', 'two', 'three'])]);
    await until(
      stub,
      () => telegram.chat('77')[0]?.text.includes('In case they did not arrive') === true,
    );
    expect(telegram.chat('77').map(({ file }) => file)).toEqual([null, 'one', 'two', 'three']);
  });

  it('comes as a new message when it took long, and takes the old one away', async () => {
    const { id, courier, stub, token } = newBot();
    const record = newRecord(id, CHAT);
    await courier.publish([record]);
    await until(stub, () => telegram.chat('77').length === 1);
    const done = await completed(record, ['the picture']);
    await courier.publish([{ ...done, finishedAt: done.createdAt + 120_000 }]);
    await until(stub, () => telegram.callsOf(token).includes('deleteMessage'));
    await until(stub, async () => (await courier.health()).delivered === 1);
    expect(telegram.chat('77')).toEqual([{ text: expect.any(String), file: 'the picture' }]);
    expect(telegram.messages.has('77:1')).toBe(false);
  });

  it('gets to what can wait though the object is started anew for each alarm', async () => {
    const { id, courier, stub, token } = newBot();
    const record = newRecord(id, chat('-100'));
    await courier.publish([record]);
    await until(stub, () => telegram.chat('-100').length === 1);
    const done = await completed(record, ['the picture']);
    await courier.publish([{ ...done, finishedAt: done.createdAt + 120_000 }]);
    await eventually(async () => {
      if (telegram.callsOf(token).includes('deleteMessage')) return true;
      await evictDurableObject(stub);
      vi.setSystemTime(Date.now() + 2000);
      await runDurableObjectAlarm(stub);
      return false;
    });
  });

  it('is delivered anew when its message was deleted', async () => {
    const { id, courier, stub } = newBot();
    const record = newRecord(id, CHAT);
    await courier.publish([record]);
    await until(stub, () => telegram.chat('77').length === 1);
    telegram.messages.clear();
    await courier.publish([await completed(record, ['the picture'])]);
    await until(stub, () => telegram.chat('77')[0]?.file === 'the picture');
  });
});

describe('a fault', () => {
  it('of a chat that is gone ends quietly, and the others go on', async () => {
    const { courier, stub } = newBot();
    const forbidden = 'Forbidden: bot was blocked by the user';
    telegram.fail('sendMessage', { status: 403, description: forbidden });
    const message = { kind: 'message', jobId: null } as const;
    await courier.send({ ...message, key: 'a', chat: chat('1'), reply: say('one') }, null);
    await courier.send({ ...message, key: 'b', chat: chat('2'), reply: say('two') }, null);
    await until(stub, () => telegram.chat('2').length === 1);
    await until(stub, async () => (await courier.health()).waiting === 0);
    expect((await courier.health()).given_up).toBe(0);
    expect(telegram.chat('1')).toEqual([]);
  });

  it('that repeating cannot change is given up on record', async () => {
    const { courier, stub } = newBot();
    telegram.fail('sendMessage', { status: 400, description: "Bad Request: can't parse entities" });
    const outbound = { kind: 'message', key: 'a', jobId: null, chat: CHAT } as const;
    await courier.send({ ...outbound, reply: say('one') }, null);
    await until(stub, async () => (await courier.health()).given_up === 1);
    const { last_given_up } = await courier.health();
    expect(last_given_up[0]).toMatchObject({ slot: 'send:a' });
  });
});

describe('a chat', () => {
  it('that asks for too much is refused, and the others are served', async () => {
    const { courier, stub } = newBot();
    const send = (chatId: string, key: string) =>
      courier.send(
        { kind: 'message', jobId: null, key, chat: chat(chatId), reply: say(key) },
        null,
      );
    // One is under way, and stays so.
    const release = telegram.hold();
    for (let count = 0; count <= BOT_CHAT_PENDING_MAX; count += 1) await send('1', `${count}`);
    const refused = await runInDurableObject(stub, async (object) => {
      const one = { kind: 'message', jobId: null, key: 'more', chat: chat('1') } as const;
      return (object as BotCourier).send({ ...one, reply: say('more') }, null).catch(String);
    });
    expect(refused).toContain('too many answers wait in one chat');
    await send('2', 'another');
    release();
    await until(stub, () => telegram.chat('2').length === 1);
    expect(telegram.chat('1').length).toBeLessThan(5);
  });
});
