import { describe, expect, it } from 'vitest';
import type { ChatAddress } from '#schema/chat.ts';
import { BOT_TRIES_MAX } from '#schema/limits.ts';
import type { ChatFault } from '../../core/fault.ts';
import { asCreated } from '../../account/order.ts';
import type { Reply } from '../../chat/message.ts';
import { newOrder } from '../../test/world.ts';
import { settleStep } from './outcome.ts';
import type { Step } from './outcome.ts';
import { isLast, newSlot, rankOf, withRecord } from './slot.ts';
import type { Slot } from './slot.ts';

const NOW = 1_000_000;
const CHAT: ChatAddress = {
  platform: 'telegram',
  chatId: '7',
  userId: '7',
  replyTo: '1',
  threadId: null,
  interactionToken: null,
  interactionExpiresAt: null,
  attachmentBytesMax: null,
};
const REPLY: Reply = { text: ['words'], buttons: [], media: [], isPrivate: false, ownerId: null };
const RECORD = asCreated(newOrder('main', 'acc_x')).record;
const ENDED = { ...RECORD, status: 'completed', sequence: 9, finishedAt: NOW } as const;

function slotOf(kind: 'reply' | 'running' | 'ended', more: Partial<Slot> = {}): Slot {
  const of = { key: 'k', chat: CHAT, accountId: null };
  if (kind === 'reply') {
    const slot = newSlot({ ...of, jobId: null, wanted: { kind: 'reply', reply: REPLY } }, NOW);
    return { ...slot, ...more };
  }
  const wanted = { kind: 'job', record: kind === 'ended' ? ENDED : RECORD } as const;
  return { ...newSlot({ ...of, jobId: RECORD.id, wanted }, NOW), messageId: '5', ...more };
}

function settle(slot: Slot, step: Partial<Step>, counts = true) {
  const whole: Step = { shows: false, fault: null, ...step };
  return settleStep(slot, whole, { attempted: slot.revision, counts, now: NOW });
}

function failed(slot: Slot, fault: ChatFault, counts = true) {
  return settle(slot, { fault }, counts);
}

describe('a slot', () => {
  it('takes newer news only', () => {
    const running = slotOf('running');
    const ended = withRecord(running, ENDED)!;
    expect(ended.revision).toBe(running.revision + 1);
    expect(withRecord(ended, ENDED)).toBeNull();
    expect(withRecord(ended, RECORD)).toBeNull();
  });

  it('presses for its first words and its end, less for what is between', () => {
    expect(rankOf(slotOf('running'))).toBe('answer');
    expect(rankOf(slotOf('running', { shown: 1, revision: 2 }))).toBe('state');
    expect(rankOf(slotOf('ended', { shown: 1, revision: 2 }))).toBe('answer');
    expect(rankOf(slotOf('running', { shown: 1 }))).toBeNull();
  });
});

describe('a step that worked', () => {
  it('ends what has nothing more to come', () => {
    const { slot } = settle(slotOf('reply'), { messageId: '6', shows: true });
    expect(slot).toMatchObject({ messageId: '6', shown: 1, end: 'shown', endedAt: NOW });
  });

  it('leaves what runs open', () => {
    const { slot } = settle(slotOf('running'), { shows: true });
    expect(slot).toMatchObject({ shown: 1, end: null });
    expect(isLast(slot)).toBe(false);
  });

  it('does not count as having shown what came meanwhile', () => {
    const tried = slotOf('running');
    const current = withRecord(tried, ENDED)!;
    const step = { shows: true, fault: null };
    const { slot } = settleStep(current, step, { attempted: 1, counts: true, now: NOW });
    expect(slot.shown).toBeLessThan(slot.revision);
    expect(rankOf(slot)).toBe('answer');
  });

  it('is as good when the message showed it already', () => {
    const { slot } = failed(slotOf('ended'), { reason: 'unchanged' });
    expect(slot.end).toBe('shown');
  });
});

describe('a fault', () => {
  const message = 'why';
  const cases: [string, Slot, ChatFault, Partial<Slot>][] = [
    ['a blocked bot ends quietly', slotOf('ended'), { reason: 'blocked' }, { end: 'gone' }],
    ['so does a chat that is gone', slotOf('reply'), { reason: 'chat_missing' }, { end: 'gone' }],
    [
      'an edit of a message that is gone, too',
      slotOf('reply', { messageId: '5' }),
      { reason: 'message_missing' },
      { end: 'gone' },
    ],
    [
      'a result goes into a new message when the old one is gone',
      slotOf('ended'),
      { reason: 'message_missing' },
      { end: null, messageId: null },
    ],
    [
      'a group that moved is followed',
      slotOf('ended'),
      { reason: 'chat_moved', chatId: '-100' },
      { end: null, messageId: null, chat: { ...CHAT, chatId: '-100', replyTo: null } },
    ],
    [
      'a message to be changed is gone with the group that moved',
      { ...slotOf('reply'), messageId: '9' },
      { reason: 'chat_moved', chatId: '-100' },
      { end: 'gone' },
    ],
    [
      'what cannot be cured is given up',
      slotOf('reply'),
      { reason: 'refused', status: 400, message },
      { end: 'given_up' },
    ],
  ];
  it.each(cases)('%s', (_claim, slot, fault, expected) => {
    expect(failed(slot, fault).slot).toMatchObject(expected);
  });

  it('of a file tries a document, then a link', () => {
    const first = failed(slotOf('ended'), { reason: 'media_refused', message }).slot;
    expect(first.stage.form).toBe('document');
    const second = failed(first, { reason: 'media_refused', message }).slot;
    expect(second.stage.form).toBe('link');
    expect(failed(second, { reason: 'media_refused', message }).slot.end).toBe('given_up');
  });

  it('of a limit waits as long as the platform says, and costs no try', () => {
    const fault = { reason: 'rate_limited', retryAfterMs: 7000, wide: false } as const;
    const { slot, next } = failed(slotOf('ended'), fault);
    expect(next).toEqual({ kind: 'wait', ms: 7000, wide: false });
    expect(slot.tries).toBe(0);
  });

  it('of the platform is tried again, a bounded number of times', () => {
    let slot = slotOf('ended');
    let count = 0;
    for (; slot.endedAt === null; count += 1) {
      slot = failed(slot, { reason: 'platform_failed', message }).slot;
    }
    expect(count).toBe(BOT_TRIES_MAX);
    expect(slot.end).toBe('given_up');
  });

  it('that all others have as well costs no try', () => {
    const { slot, next } = failed(slotOf('ended'), { reason: 'unanswered', message }, false);
    expect({ tries: slot.tries, next }).toEqual({ tries: 0, next: { kind: 'away' } });
  });

  it('of an interaction that has ended sends the result to the channel', () => {
    const chat = { ...CHAT, platform: 'discord', interactionToken: 't' } as const;
    const slot = slotOf('ended', { chat, createdAt: NOW - 60_000 });
    const { stage, messageId } = failed(slot, { reason: 'interaction_missing' }).slot;
    expect([stage.place, messageId]).toEqual(['channel', null]);
  });

  it('of a channel that is closed sends the result to the user', () => {
    const chat = { ...CHAT, platform: 'discord' } as const;
    const { slot } = failed(slotOf('ended', { chat }), { reason: 'chat_missing' });
    expect(slot.stage.place).toBe('direct');
  });
});
