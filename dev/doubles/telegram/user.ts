/**
 * What users of the Telegram double do: they write, send files and press buttons. Each deed is an
 * update for the bot's webhook, delivered as Telegram does: with the secret header, again after a
 * pause until it is answered with a 2xx.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Upload } from '../http.ts';
import type { TelegramChat, TelegramMessage } from './chat.ts';
import type { TelegramBotAccount } from './deed.ts';
import type { TelegramServer } from './server.ts';

const RETRY_MS = 300;
const RETRIES_MAX = 200;

/** A bot takes each update once, however often the double is started: ids go on rising. */
let updates = Date.now();

export interface Writer {
  readonly bot: TelegramBotAccount;
  readonly userId: number;
  readonly name: string;
  /** A group, below zero; the private chat with the bot without it. */
  readonly chatId?: number;
}

/** A private chat has its user's id; each bot has one of its own with each user. */
export function chatOf(
  server: TelegramServer,
  { bot, userId, name, chatId }: Writer,
): TelegramChat {
  return server.world.open(bot.id, chatId ?? userId, chatId === undefined ? name : 'A group');
}

/** Writes a message; resolves with it once the bot's webhook has taken it. */
export async function write(
  server: TelegramServer,
  writer: Writer,
  said: { text: string; file?: Upload & { kind: 'photo' | 'voice' }; replyTo?: number },
): Promise<TelegramMessage> {
  const chat = chatOf(server, writer);
  const file = said.file ? { ...said.file, fileId: server.world.keep(said.file) } : null;
  const message = server.world.add(chat, {
    threadId: null,
    userId: writer.userId,
    botId: null,
    replyTo: said.replyTo ?? null,
    albumId: null,
    text: said.text,
    entities: [],
    file,
    keyboard: null,
  });
  const replied = said.replyTo === undefined ? undefined : chat.messages.get(said.replyTo);
  await deliver(writer.bot, {
    message: {
      ...toMessage(writer, chat, message),
      ...(replied ? { reply_to_message: toReplied(writer.bot, chat, replied) } : {}),
    },
  });
  return message;
}

/** Presses a button of a message; resolves with the callback query's id. */
export async function press(
  server: TelegramServer,
  writer: Writer,
  { messageId, data }: { messageId: number; data: string },
): Promise<string> {
  const chat = chatOf(server, writer);
  const message = chat.messages.get(messageId);
  if (!message) throw new Error('no such message');
  const id = String((updates += 1));
  await deliver(writer.bot, {
    callback_query: {
      id,
      from: toUser(writer),
      message: toReplied(writer.bot, chat, message),
      chat_instance: String(chat.id),
      data,
    },
  });
  return id;
}

async function deliver(bot: TelegramBotAccount, update: object): Promise<void> {
  const body = JSON.stringify({ update_id: (updates += 1), ...update });
  for (let count = 0; count < RETRIES_MAX; count += 1) {
    if (bot.webhookUrl === null) throw new Error(`${bot.id} has no webhook`);
    const status = await post(bot.webhookUrl, bot.webhookSecret, body);
    if (status >= 200 && status < 300) return;
    if (status === 401 || status === 404) throw new Error(`${bot.id} answered ${status}`);
    await sleep(RETRY_MS);
  }
  throw new Error(`${bot.id} takes no updates`);
}

async function post(url: string, secret: string | null, body: string): Promise<number> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(secret === null ? {} : { 'x-telegram-bot-api-secret-token': secret }),
      },
      body,
      signal: AbortSignal.timeout(20_000),
    });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return 0; // the Worker is away: again after a pause
  }
}

function toUser({ userId, name }: Writer) {
  return { id: userId, is_bot: false, first_name: name, username: name.toLowerCase() };
}

function toChat(chat: TelegramChat) {
  return chat.kind === 'private'
    ? { id: chat.id, type: 'private', first_name: chat.title }
    : { id: chat.id, type: 'supergroup', title: chat.title };
}

function toMessage(writer: Writer, chat: TelegramChat, message: TelegramMessage): object {
  const { id, sentAt, text, file } = message;
  const head = {
    message_id: id,
    from: toUser(writer),
    chat: toChat(chat),
    date: Math.floor(sentAt / 1000),
  };
  const command = /^\/\w+(@\w+)?/.exec(text);
  const entities = command ? [{ type: 'bot_command', offset: 0, length: command[0].length }] : [];
  if (!file) return { ...head, text, entities };
  const { fileId, bytes, contentType } = file;
  const known = { file_id: fileId, file_unique_id: fileId, file_size: bytes.length };
  const caption = text === '' ? {} : { caption: text };
  return file.kind === 'voice'
    ? { ...head, ...caption, voice: { ...known, duration: 3, mime_type: contentType } }
    : { ...head, ...caption, photo: [{ ...known, width: 512, height: 512 }] };
}

function toReplied(bot: TelegramBotAccount, chat: TelegramChat, message: TelegramMessage): object {
  const from =
    message.botId === null
      ? { id: message.userId, is_bot: false, first_name: 'User' }
      : {
          id: Number(bot.token.split(':')[0]),
          is_bot: true,
          first_name: bot.username,
          username: bot.username,
        };
  const { id, sentAt, text, file } = message;
  const head = {
    ...{ message_id: id, from, chat: toChat(chat), date: Math.floor(sentAt / 1000) },
    ...(message.keyboard ? { reply_markup: message.keyboard } : {}),
  };
  if (!file) return { ...head, text };
  const { fileId, bytes } = file;
  const known = { file_id: fileId, file_unique_id: fileId, file_size: bytes.length };
  return file.kind === 'photo'
    ? { ...head, caption: text, photo: [{ ...known, width: 512, height: 512 }] }
    : { ...head, caption: text, document: known };
}
