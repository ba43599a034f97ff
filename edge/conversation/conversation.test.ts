import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { IDEMPOTENCY_MS } from '#schema/limits.ts';
import { INBOX_MAX, INBOX_TRIES_MAX } from '#schema/chat-limits.ts';
import type { Rule } from '../chat/answer/speech.ts';
import type { ChatEvent } from '../chat/event.ts';
import { chatEvent, nextId } from '../test/chat.ts';
import { FakeTelegram } from '../test/telegram.ts';
import { bindings, eventually, stubOf } from '../test/world.ts';
import { ConversationStore } from './store.ts';

let telegram: FakeTelegram;

beforeEach(() => {
  telegram = new FakeTelegram();
  telegram.install();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A private chat with its conversation. */
function newChat() {
  const userId = String(7_000_000 + nextId());
  const conversation = bindings.CONVERSATION.getByName(`telegram:${userId}`);
  const stub = stubOf(conversation);
  const said = (text: string) =>
    chatEvent({ kind: 'text', text, attachments: [], answers: null }, { userId });
  const texts = () => telegram.chat(userId).map(({ text }) => text);
  const waiting = () =>
    runInDurableObject(
      stub,
      (_, { storage }) =>
        storage.sql.exec<{ n: number }>('SELECT count(*) AS n FROM inbox').one().n,
    );
  return { userId, conversation, stub, said, texts, waiting };
}

const PICTURE = { kind: 'picture', source: 'f', name: 'a.jpg', bytes: 9 } as const;

describe('a conversation', () => {
  it('answers what is said, each once and in order', async () => {
    const { conversation, said, texts, waiting } = newChat();
    const events = ['/start', '/plan', '/help'].map(said);
    for (const event of events) expect(await conversation.accept(event)).toBe('taken');
    for (const event of events) expect(await conversation.accept(event)).toBe('known');
    await eventually(async () => texts().length === 3);
    expect(texts()[0]).toContain('Hello Ada!');
    expect(texts()[1]).toContain('20 tokens left');
    expect(texts()[2]).toContain('/generate');
    expect(await waiting()).toBe(0);
  });

  it('answers after its death what it was told before, once', async () => {
    const { conversation, stub, said, texts, waiting } = newChat();
    const event = said('/start');
    // As if it had died when the event was on disk and nothing else was done.
    await runInDurableObject(stub, async (_, { storage }) => {
      new ConversationStore(storage).accept(event, Date.now());
      await storage.setAlarm(Date.now() + 60_000);
    });
    await evictDurableObject(stub);
    expect(texts()).toEqual([]);
    expect(await runDurableObjectAlarm(stub)).toBe(true);
    await eventually(async () => texts().length === 1);
    expect(await waiting()).toBe(0);
    expect(await conversation.accept(event)).toBe('known');
  });

  it('wakes for a repeat of what it was told before it died without an alarm', async () => {
    const { conversation, stub, said, texts } = newChat();
    const event = said('/start');
    await runInDurableObject(stub, (_, { storage }) => {
      new ConversationStore(storage).accept(event, Date.now());
    });
    await evictDurableObject(stub);
    expect(await conversation.accept(event)).toBe('known');
    await eventually(async () => texts().length === 1);
  });

  it('takes nothing later of a member whose last words are tried again', async () => {
    const { stub, said, userId } = newChat();
    const [first, second] = [said('a boat'), said('/cancel')];
    const other = chatEvent(first.said, { userId: `${userId}0` });
    await runInDurableObject(stub, (_, { storage }) => {
      const store = new ConversationStore(storage);
      for (const event of [first, second, other]) store.accept(event, 1000);
      store.postpone(first.id, 5000);
      expect(store.nextDue(new Set(), 1000)?.event.id).toBe(other.id);
      expect(store.nextDue(new Set([other.user.id]), 1000)).toBeNull();
      store.finish(other.id, [], 1000);
      expect(store.nextAt(1000)).toBe(5000);
      expect(store.nextDue(new Set(), 5000)?.event.id).toBe(first.id);
      store.finish(first.id, [], 5000);
      expect(store.nextDue(new Set(), 5000)?.event.id).toBe(second.id);
      store.finish(second.id, [], 5000);
      expect(store.nextAt(5000)).toBeNull();
    });
  });

  it('lets one member wait for another only when too many talk at once', async () => {
    const chatId = '-100500';
    const conversation = bindings.CONVERSATION.getByName(`telegram:${chatId}-lanes`);
    const release = telegram.hold();
    const slow = chatEvent(
      { kind: 'text', text: 'x, using sdxl', attachments: [PICTURE], answers: null },
      { isPrivate: false },
    );
    await conversation.accept(slow);
    await eventually(async () => telegram.calls.some(({ method }) => method === 'getFile'));
    const quick = chatEvent(
      { kind: 'text', text: '/help', attachments: [], answers: null },
      { isPrivate: false },
    );
    await conversation.accept(quick);
    await eventually(async () => telegram.calls.some(({ method }) => method === 'sendMessage'));
    release();
  });

  it('knows the last press of a button, though it died meanwhile', async () => {
    const { stub, said } = newChat();
    const press = { count: 2, at: 5000, jobId: null };
    await runInDurableObject(stub, (_, { storage }) => {
      const store = new ConversationStore(storage);
      store.finish(said('x').id, [{ kind: 'press', button: 'b', press }], Date.now());
    });
    await evictDurableObject(stub);
    await runInDurableObject(stub, (_, { storage }) => {
      const store = new ConversationStore(storage);
      expect(store.pressed('b')).toEqual(press);
      expect(store.pressed('c')).toBeNull();
      // Its key counts for a day, and so the count has to.
      store.finish(said('x').id, [], Date.now() + IDEMPOTENCY_MS);
      expect(store.pressed('b')).toEqual(press);
      store.finish(said('x').id, [], Date.now() + 2 * IDEMPOTENCY_MS + 1);
      expect(store.pressed('b')).toBeNull();
    });
  });

  it('asks Telegram once in a while who runs a group', async () => {
    const userId = String(8_000_000 + nextId());
    const conversation = bindings.CONVERSATION.getByName(`telegram:-${userId}`);
    telegram.admins.add(userId);
    const texts = () => telegram.chat(`-${userId}`).map(({ text }) => text);
    const asked = () => telegram.calls.filter(({ method }) => method === 'getChatMember').length;
    for (const [count, text] of ['/tessera off video', '/tessera off', '/tessera on'].entries()) {
      const said = { kind: 'text', text, attachments: [], answers: null } as const;
      const event = chatEvent(said, { userId, isPrivate: false });
      await conversation.accept({ ...event, chat: { ...event.chat, chatId: `-${userId}` } });
      await eventually(async () => texts().length === count + 1);
    }
    expect(asked()).toBe(1);
    expect(texts().at(-1)).toContain('Everything is allowed');
  });

  it('hands its rule to the chat that a group has become, where a later one stays', async () => {
    const [old, now] = [newChat(), newChat()];
    const rule = { off: false, offTypes: ['video'] } as const;
    const ruleOf = ({ stub }: typeof old) =>
      runInDurableObject(stub, (_, { storage }) => new ConversationStore(storage).rule);
    const setRule = ({ stub, said }: typeof old, to: Rule) =>
      runInDurableObject(stub, (_, { storage }) => {
        const changes = [{ kind: 'rule', rule: to }] as const;
        new ConversationStore(storage).finish(said('x').id, changes, Date.now());
      });
    await setRule(old, rule);
    await old.conversation.moveTo(`telegram:${now.userId}`);
    expect(await ruleOf(now)).toEqual(rule);
    await setRule(now, { off: true, offTypes: [] });
    await old.conversation.moveTo(`telegram:${now.userId}`);
    expect(await ruleOf(now)).toEqual({ off: true, offTypes: [] });
    await runInDurableObject(now.stub, (_, { storage }) => {
      expect(new ConversationStore(storage).formerChatId).toBe(old.userId);
    });
  });

  it('takes no more than it can hold', async () => {
    const { stub, said } = newChat();
    await runInDurableObject(stub, (_, { storage }) => {
      const store = new ConversationStore(storage);
      const events: ChatEvent[] = Array.from({ length: INBOX_MAX + 1 }, () => said('hi'));
      const answers = events.map((event) => store.accept(event, Date.now() + 1_000_000));
      expect(answers.slice(0, INBOX_MAX).every((answer) => answer === 'taken')).toBe(true);
      expect(answers.at(-1)).toBe('full');
    });
  });

  // The last one: it takes its bot's courier into the future.
  it('tries again what failed, later each time, and at last says that it did not work', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    const { userId, conversation, stub, texts, waiting } = newChat();
    const words = 'as a drawing, using sdxl';
    const said = { kind: 'text', text: words, attachments: [PICTURE], answers: null } as const;
    for (let count = 0; count < INBOX_TRIES_MAX + 1; count += 1) {
      telegram.fail('getFile', { status: 502, description: 'Bad Gateway' });
    }
    await conversation.accept(chatEvent(said, { userId }));
    await eventually(async () => {
      vi.setSystemTime(Date.now() + 60_000);
      await runDurableObjectAlarm(stub);
      return texts().some((text) => text.includes('Something went wrong on our side'));
    });
    expect(telegram.mishaps).toHaveLength(1);
    expect(await waiting()).toBe(0);
  });
});
