/**
 * What an update of Telegram says to a bot, or that it says nothing to it. In groups a bot is
 * meant only when it is named, answered, or commanded by its name. Pure.
 */
import type { Bot, ChatAddress } from '#schema/chat.ts';
import { decodeAction } from '../action.ts';
import type { Attachment, ChatEvent, Said } from '../event.ts';
import type { Markup, Message, Press, Update } from './update.ts';

export type TelegramBot = Extract<Bot, { readonly platform: 'telegram' }>;

/** Null: none of ours. `now` is epoch ms. */
export function decodeTelegram(bot: TelegramBot, update: Update, now: number): ChatEvent | null {
  const id = `tg:${bot.id}:${update.update_id}`;
  if (update.callback_query) return decodePress(bot, update.callback_query, { id, now });
  return update.message ? decodeMessage(bot, update.message, { id, now }) : null;
}

/** A group that got another id: Telegram tells it in the old one and in the new one. */
export function readMove({ message }: Update): { from: string; to: string } | null {
  if (!message) return null;
  const { chat, migrate_to_chat_id: to, migrate_from_chat_id: from } = message;
  if (to !== undefined) return { from: String(chat.id), to: String(to) };
  return from === undefined ? null : { from: String(from), to: String(chat.id) };
}

interface Known {
  readonly id: string;
  readonly now: number;
}

function decodeMessage(bot: TelegramBot, message: Message, { id, now }: Known): ChatEvent | null {
  const { chat } = message;
  const user = userOf(message);
  if (!user || chat.type === 'channel') return null;
  const isPrivate = chat.type === 'private';
  const heard = hear(bot, message);
  const own = filesOf(message);
  const answersUs = message.reply_to_message?.from?.id === ownId(bot);
  if (!isPrivate && !heard.isNamed && !answersUs) return null;
  const answered = message.reply_to_message;
  // What a picture or a recording is answered with is said about it.
  const attachments = own.length > 0 || !answered ? own : filesOf(answered).filter(isMedium);
  if (heard.text === '' && own.length === 0) {
    // Stickers, joins and the like; but a bare name in a group is a call for help.
    if (!heard.isNamed) return null;
  }
  // Of an album the first one has the words for all.
  if (heard.text === '' && message.media_group_id !== undefined) return null;
  const said: Said = {
    kind: 'text',
    text: heard.text,
    attachments,
    answers: answered && answersUs ? (answered.text ?? answered.caption ?? '') : null,
    // A file of the user's own is what the words are about.
    aboutJobId: answered && answersUs && own.length === 0 ? jobOf(answered) : null,
  };
  return {
    id,
    botId: bot.id,
    chat: addressOf(message, user.id),
    user,
    isPrivate,
    said,
    at: now,
  };
}

/** Who wrote it: a user, or one who hides behind the group or a channel; null for bots. */
function userOf({ chat, from, sender_chat, is_automatic_forward }: Message) {
  if (is_automatic_forward === true) return null;
  if (sender_chat && chat.type !== 'private') {
    // Only those who run a group can write as the group.
    const isAdmin = sender_chat.id === chat.id;
    const id = String(sender_chat.id);
    return { id, name: '', isAdmin, isModerator: isAdmin, isAnonymous: true };
  }
  return !from || from.is_bot || sender_chat ? null : toUser(from, chat.type === 'private');
}

/** Alone with the bot, one runs the chat; in a group Telegram has to be asked. */
function toUser(from: Press['from'], isPrivate: boolean) {
  const role = isPrivate ? true : null;
  const id = String(from.id);
  return { id, name: nameOf(from), isAdmin: role, isModerator: role, isAnonymous: false };
}

function decodePress(bot: TelegramBot, press: Press, { id, now }: Known): ChatEvent | null {
  const { message, from, data } = press;
  const decoded = data === undefined ? null : decodeAction(data);
  if (!message || !decoded) return null;
  const isPrivate = message.chat.type === 'private';
  const { photo, video, audio, voice, document } = message;
  const hasMedia = [photo, video, audio, voice, document].some((file) => file !== undefined);
  return {
    id,
    botId: bot.id,
    chat: addressOf(message, String(from.id)),
    user: toUser(from, isPrivate),
    isPrivate,
    said: {
      kind: 'press',
      action: decoded.action,
      messageId: String(message.message_id),
      hasMedia,
      stands: dataOf(message).includes(data!),
      callbackId: press.id,
    },
    at: now,
  };
}

function addressOf(
  message: Pick<Message, 'message_id' | 'chat' | 'message_thread_id' | 'is_topic_message'>,
  userId: string,
): ChatAddress {
  const inTopic = message.is_topic_message === true && message.message_thread_id !== undefined;
  return {
    platform: 'telegram',
    chatId: String(message.chat.id),
    userId,
    replyTo: String(message.message_id),
    threadId: inTopic ? String(message.message_thread_id) : null,
    interactionToken: null,
    interactionExpiresAt: null,
    attachmentBytesMax: null,
  };
}

/** The text without the bot's name, and whether that was in it. */
function hear(bot: TelegramBot, message: Message): { text: string; isNamed: boolean } {
  const text = message.text ?? message.caption ?? '';
  const entities = message.entities ?? message.caption_entities ?? [];
  const name = bot.username?.toLowerCase();
  let isNamed = false;
  let rest = text;
  // From the end, so that the offsets before stay true.
  for (const entity of entities.toSorted((a, b) => b.offset - a.offset)) {
    const part = text.slice(entity.offset, entity.offset + entity.length);
    const isMention =
      (entity.type === 'mention' && name !== undefined && part.toLowerCase() === `@${name}`) ||
      (entity.type === 'text_mention' && entity.user?.id === ownId(bot));
    if (isMention) {
      isNamed = true;
      rest = rest.slice(0, entity.offset) + rest.slice(entity.offset + entity.length);
    }
    if (entity.type === 'bot_command' && entity.offset === 0) {
      const [, to] = part.toLowerCase().split('@');
      if (to !== undefined && to === name) isNamed = true;
      else if (to !== undefined) return { text: '', isNamed: false };
    }
  }
  return { text: rest.trim(), isNamed };
}

/** A bot's token begins with its user id. */
function ownId(bot: TelegramBot): number {
  return Number(bot.token.split(':')[0]);
}

function nameOf(user: { first_name: string; username?: string | undefined }): string {
  return user.first_name === '' ? (user.username ?? '') : user.first_name;
}

/** What the buttons under a message carry. */
function dataOf({ reply_markup }: { reply_markup?: Markup | undefined }): string[] {
  const buttons = reply_markup?.inline_keyboard.flat() ?? [];
  return buttons.flatMap(({ callback_data }) => callback_data ?? []);
}

/** The job whose buttons stand under a message. */
function jobOf(answered: NonNullable<Message['reply_to_message']>): string | null {
  for (const data of dataOf(answered)) {
    const action = decodeAction(data)?.action;
    if (action?.kind === 'job') return action.jobId;
  }
  return null;
}

function isMedium({ kind }: Attachment): boolean {
  return kind !== 'other';
}

type Files = Pick<Message, 'photo' | 'voice' | 'audio' | 'document'>;

function filesOf(message: Files): Attachment[] {
  const { photo = [], voice, audio, document } = message;
  const files: Attachment[] = [];
  // The sizes come in rising order.
  const largest = photo.at(-1);
  if (largest) files.push(toAttachment('picture', largest, 'photo.jpg'));
  if (voice) files.push(toAttachment('voice', voice, 'voice.ogg'));
  if (audio) files.push(toAttachment('audio', audio, 'audio'));
  if (document) files.push(toAttachment(kindOf(document.mime_type), document, 'file'));
  return files;
}

function toAttachment(
  kind: Attachment['kind'],
  file: { file_id: string; file_size?: number | undefined; file_name?: string | undefined },
  name: string,
): Attachment {
  const bytes = file.file_size ?? null;
  return { kind, source: file.file_id, name: file.file_name ?? name, bytes };
}

/** What a file of this content type is to us. */
export function kindOf(contentType: string | undefined): Attachment['kind'] {
  if (contentType?.startsWith('image/')) return 'picture';
  return contentType?.startsWith('audio/') ? 'audio' : 'other';
}
