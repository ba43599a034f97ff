import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EngineError } from '../engine.ts';
import { describeDropped, fitMessages, shorterOnes } from './context.ts';
import type { Message } from './context.ts';

const of = (role: Message['role'], words: number): Message => ({
  role,
  content: Array.from({ length: words }, (_, index) => `w${index}`).join(' '),
});
/** Words, and three more for a message's template. */
const count = (messages: readonly Message[]) =>
  Promise.resolve(messages.reduce((sum, { content }) => sum + content.split(' ').length + 3, 0));

describe('a conversation', () => {
  const chat = [
    of('system', 5),
    of('user', 20),
    of('assistant', 20),
    of('user', 20),
    of('assistant', 20),
    of('user', 5),
  ];

  it('stays whole when it fits', async () => {
    const fit = await fitMessages(chat, { contextTokens: 200, maxTokens: 50, count });
    expect(fit).toEqual({ messages: chat, dropped: 0, promptTokens: 108, maxTokens: 50 });
  });

  it('loses its oldest turns, an answer with its question, and keeps the system prompt', async () => {
    const fit = await fitMessages(chat, { contextTokens: 140, maxTokens: 50, count });
    expect(fit.messages).toEqual([chat[0], ...chat.slice(3)]);
    expect(fit).toMatchObject({ dropped: 2, maxTokens: 50 });
  });

  it('keeps turns rather than room for more than half of the context', async () => {
    const fit = await fitMessages(chat, { contextTokens: 260, maxTokens: 4096, count });
    expect(fit).toMatchObject({ dropped: 0, maxTokens: 260 - 16 - 108 });
  });

  it('is refused when its last message alone is too long, with what to do', async () => {
    const run = fitMessages([of('user', 100)], { contextTokens: 90, maxTokens: 50, count });
    await expect(run).rejects.toThrow(/shorten/);
    await expect(run).rejects.toMatchObject({ code: 'engine_rejected', retryable: false });
  });

  it('is told to the user in one sentence', () => {
    expect(describeDropped(1, 100)).toMatch(/^The oldest message was left out .*100 tokens.*\n$/);
    expect(describeDropped(3, null)).toMatch(/^The oldest 3 messages were left out/);
  });

  it('always fits, keeps what must stay, drops only the oldest and no more than it has to', async () => {
    const message = fc.record({
      role: fc.constantFrom('system' as const, 'user' as const, 'assistant' as const),
      words: fc.integer({ min: 1, max: 40 }),
    });
    const chats = fc.array(message, { minLength: 1, maxLength: 12 });
    const sizes = fc.record({
      contextTokens: fc.integer({ min: 20, max: 400 }),
      maxTokens: fc.integer({ min: 1, max: 200 }),
    });
    await fc.assert(
      fc.asyncProperty(chats, sizes, async (parts, { contextTokens, maxTokens }) => {
        const all = parts.map(({ role, words }) => of(role, words));
        const fit = await fitMessages(all, { contextTokens, maxTokens, count }).catch(
          (error: unknown) => {
            expect(error).toBeInstanceOf(EngineError);
            return null;
          },
        );
        const least = await count(shorterOnes(all).at(-1)!);
        const room = contextTokens - 16;
        if (!fit) {
          expect(room - least).toBeLessThan(Math.min(maxTokens, 64));
          return;
        }
        expect(fit.promptTokens).toBe(await count(fit.messages));
        expect(fit.promptTokens + fit.maxTokens).toBeLessThanOrEqual(room);
        expect(fit.dropped).toBe(all.length - fit.messages.length);
        expect(fit.messages.at(-1)).toBe(all.at(-1));
        const kept = all.filter((one) => fit.messages.includes(one));
        expect(kept).toEqual(fit.messages);
        const oldest = all.findIndex((one) => one.role !== 'system' && fit.messages.includes(one));
        for (const [index, one] of all.entries()) {
          const stays = one.role === 'system' || (oldest >= 0 && index >= oldest);
          expect(fit.messages.includes(one)).toBe(stays);
        }
        // One step less would not leave the room that an answer is given.
        const steps = shorterOnes(all);
        const step = steps.findIndex((some) => some.length === fit.messages.length);
        const answer = Math.min(maxTokens, Math.floor(contextTokens / 2));
        if (step > 0) expect(await count(steps[step - 1]!)).toBeGreaterThan(room - answer);
      }),
    );
  });
});
