import { describe, expect, it } from 'vitest';
import type { Update as TelegramUpdate } from 'grammy/types';
import { pressUpdate, textUpdate } from '../../test/chat.ts';
import { strayUpdates } from '../../test/updates.ts';
import { encodeAction } from '../action.ts';
import type { ChatEvent } from '../event.ts';
import { decodeTelegram, readMove } from './decode.ts';
import type { TelegramBot } from './decode.ts';
import { Update } from './update.ts';

const BOT: TelegramBot = {
  id: 'painter',
  platform: 'telegram',
  type: 'image',
  token: '900:secret',
  webhookSecret: 'webhook-secret-of-tests',
  username: 'Tessera_bot',
};
const NOW = 1_795_000_000_000;

function decode(update: object): ChatEvent | null {
  return decodeTelegram(BOT, Update.parse(update), NOW);
}

const GROUP = { userId: 42, chatId: -1005 };
function inGroup(text: string, more: object = {}) {
  const update = textUpdate(text, GROUP);
  return { ...update, message: { ...update.message, ...more } };
}
const mention = (offset: number, length: number) => ({
  entities: [{ type: 'mention', offset, length }],
});

describe('what Telegram sends', () => {
  it('is of no concern in 200 stray updates of all kinds', () => {
    for (const update of strayUpdates(200, 1)) {
      const parsed = Update.safeParse(update);
      expect(parsed.success, JSON.stringify(update)).toBe(true);
      expect(decode(update), JSON.stringify(update)).toBeNull();
    }
  });

  it('is an event with its place, its user and the message that is to be answered', () => {
    const update = textUpdate('a cat') satisfies TelegramUpdate;
    expect(decode(update)).toEqual({
      id: `tg:painter:${update.update_id}`,
      botId: 'painter',
      chat: {
        platform: 'telegram',
        chatId: '42',
        userId: '42',
        replyTo: String(update.message.message_id),
        threadId: null,
        interactionToken: null,
        interactionExpiresAt: null,
        attachmentBytesMax: null,
      },
      user: { id: '42', name: 'Ada', isAdmin: true, isModerator: true, isAnonymous: false },
      isPrivate: true,
      said: { kind: 'text', text: 'a cat', attachments: [], answers: null, aboutJobId: null },
      at: NOW,
    });
  });

  it.each<[string, object, string]>([
    ['by its name', inGroup('@tessera_bot a cat', mention(0, 12)), 'a cat'],
    ['by its name at the end', inGroup('a cat @Tessera_Bot', mention(6, 12)), 'a cat'],
    [
      'by a command with its name',
      inGroup('/generate@tessera_bot a cat', {
        entities: [{ type: 'bot_command', offset: 0, length: 21 }],
      }),
      '/generate@tessera_bot a cat',
    ],
    [
      'by an answer to it',
      inGroup('a cat', {
        reply_to_message: { message_id: 3, from: { id: 900, is_bot: true }, text: 'Hello' },
      }),
      'a cat',
    ],
    [
      'by a link to it',
      inGroup('painter a cat', {
        entities: [{ type: 'text_mention', offset: 0, length: 7, user: { id: 900, is_bot: true } }],
      }),
      'a cat',
    ],
  ])('is meant for the bot in a group %s', (_, update, text) => {
    const event = decode(update);
    expect(event?.said).toMatchObject({ kind: 'text', text });
    expect(event?.isPrivate).toBe(false);
    expect(event?.user.isAdmin).toBeNull();
  });

  it.each<[string, object]>([
    ['another name', inGroup('@other_bot a cat', mention(0, 10))],
    ['a longer name', inGroup('@tessera_bot2 a cat', mention(0, 13))],
    ['no name', inGroup('a cat')],
    ['the name without a mention', inGroup('tessera_bot a cat')],
    [
      'a command of another bot, in answer to this one',
      inGroup('/help@other_bot', { entities: [{ type: 'bot_command', offset: 0, length: 15 }] }),
    ],
  ])('is not meant for the bot in a group with %s', (_, update) => {
    expect(decode(update)).toBeNull();
  });

  it('keeps to the topic of a forum, and knows no topic elsewhere', () => {
    const topic = inGroup('@tessera_bot hi', {
      ...mention(0, 12),
      message_thread_id: 7,
      is_topic_message: true,
    });
    expect(decode(topic)?.chat.threadId).toBe('7');
    const thread = inGroup('@tessera_bot hi', { ...mention(0, 12), message_thread_id: 7 });
    expect(decode(thread)?.chat.threadId).toBeNull();
  });

  it('is of nobody that can be named where one writes as the group, or as a channel', () => {
    const robot = { id: 1_087_968_824, is_bot: true, first_name: 'Group' };
    const as = (senderId: number, more: object = {}) =>
      inGroup('@tessera_bot hi', {
        ...{ ...mention(0, 12), from: robot, sender_chat: { id: senderId } },
        ...more,
      });
    const nobody = { name: '', isAnonymous: true } as const;
    const group = { ...nobody, id: '-1005', isAdmin: true, isModerator: true };
    expect(decode(as(-1005))?.user).toEqual(group);
    const channel = { ...nobody, id: '-1009', isAdmin: false, isModerator: false };
    expect(decode(as(-1009))?.user).toEqual(channel);
    expect(decode(as(-1009, { is_automatic_forward: true }))).toBeNull();
  });

  it('tells of a group that got another id, in the old one and in the new one', () => {
    const moved = { from: '-1005', to: '-10077' };
    const old = inGroup('', { migrate_to_chat_id: -10_077 });
    expect(readMove(Update.parse(old))).toEqual(moved);
    const other = textUpdate('', { userId: 42, chatId: -10_077 });
    const now = { ...other, message: { ...other.message, migrate_from_chat_id: -1005 } };
    expect(readMove(Update.parse(now))).toEqual(moved);
    expect(readMove(Update.parse(inGroup('hi')))).toBeNull();
  });

  it('brings files: the largest picture, a voice note, a document by its type', () => {
    const { message } = textUpdate('as a drawing');
    const { text: caption, ...rest } = message;
    const send = (content: object) =>
      decode({ update_id: 1, message: { ...rest, caption, ...content } })?.said;
    const photo = [
      { file_id: 's', file_size: 1 },
      { file_id: 'l', file_size: 900 },
    ];
    expect(send({ photo })).toEqual({
      kind: 'text',
      text: 'as a drawing',
      attachments: [{ kind: 'picture', source: 'l', name: 'photo.jpg', bytes: 900 }],
      answers: null,
      aboutJobId: null,
    });
    const album = { ...rest, photo, media_group_id: '1' };
    expect(decode({ update_id: 1, message: album })).toBeNull();
    const voice = { file_id: 'v', mime_type: 'audio/ogg' };
    expect(send({ voice })).toMatchObject({ attachments: [{ kind: 'voice', bytes: null }] });
    const document = { file_id: 'd', mime_type: 'image/png', file_name: 'a.png' };
    expect(send({ document })).toMatchObject({ attachments: [{ kind: 'picture', name: 'a.png' }] });
    const other = { file_id: 'd', mime_type: 'application/zip' };
    expect(send({ document: other })).toMatchObject({ attachments: [{ kind: 'other' }] });
  });

  it('is about the picture that it answers, and about the job whose buttons stand there', () => {
    const photo = [{ file_id: 'l', file_size: 900 }];
    const job = 'job_01k00000000000000000000000_main';
    const callback_data = encodeAction({ kind: 'job', deed: 'again', jobId: job, index: 0 }, null);
    const reply_markup = { inline_keyboard: [[{ text: 'Again', callback_data }]] };
    const ours = { message_id: 3, from: { id: 900, is_bot: true }, caption: 'a cat' };
    const answer = (reply_to_message: object) =>
      decode(inGroup('@tessera_bot at night', { ...mention(0, 12), reply_to_message }))?.said;
    const attachments = [{ kind: 'picture', source: 'l', name: 'photo.jpg', bytes: 900 }];
    expect(answer({ ...ours, photo, reply_markup })).toMatchObject({
      ...{ text: 'at night', attachments, answers: 'a cat', aboutJobId: job },
    });
    const own = { reply_to_message: { ...ours, reply_markup }, photo: [{ file_id: 'o' }] };
    expect(decode(inGroup('@tessera_bot at night', { ...mention(0, 12), ...own }))?.said).toEqual(
      expect.objectContaining({
        attachments: [expect.objectContaining({ source: 'o' })],
        aboutJobId: null,
      }),
    );
    const theirs = { message_id: 3, from: { id: 5, is_bot: false }, photo, reply_markup };
    expect(answer(theirs)).toMatchObject({ attachments, answers: null, aboutJobId: null });
    const document = { file_id: 'd', mime_type: 'application/zip' };
    expect(answer({ ...theirs, photo: undefined, document })).toMatchObject({ attachments: [] });
  });

  it('is a press with the button that was pressed', () => {
    const job = 'job_01k00000000000000000000000_main';
    const event = decode(pressUpdate(`j:a:${job.slice(4)}:0`));
    expect(event?.said).toMatchObject({
      kind: 'press',
      action: { kind: 'job', deed: 'again', jobId: job, index: 0 },
      hasMedia: false,
      stands: true,
    });
  });

  it('tells a press of a button that the message does not have', () => {
    const press = pressUpdate('c:help');
    const forged = { ...press, callback_query: { ...press.callback_query, data: 'c:plan' } };
    expect(decode(forged)?.said).toMatchObject({ kind: 'press', stands: false });
    const { reply_markup: _, ...bare } = press.callback_query.message;
    const old = { ...press, callback_query: { ...press.callback_query, message: bare } };
    expect(decode(old)?.said).toMatchObject({ kind: 'press', stands: false });
  });
});
