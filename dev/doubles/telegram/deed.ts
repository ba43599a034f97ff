/** What the methods of the Bot API do in the double's world, and the errors they answer. */
import type { Upload } from '../http.ts';
import type { Keyboard, ShownFile, TelegramChat, TelegramMessage, TelegramWorld } from './chat.ts';
import type { InputMedia, Method, Params } from './method.ts';

export interface TelegramBotAccount {
  readonly id: string;
  readonly token: string;
  readonly username: string;
  webhookUrl: string | null;
  webhookSecret: string | null;
}

/** An answer that is not ok. */
export class Refusal extends Error {
  readonly code: number;
  readonly retryAfterS: number | null;
  constructor(code: number, description: string, retryAfterS: number | null = null) {
    super(description);
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

export const bad = (description: string) => new Refusal(400, `Bad Request: ${description}`);

/** What the deeds need of the double. */
export interface Desk {
  readonly world: TelegramWorld;
  readonly notes: Map<string, { text: string | null; isAlert: boolean }>;
  readonly commands: Map<string, Params<'setMyCommands'>['commands']>;
  /** The chat a bot may write to now; counts the messages against its limits. */
  enter(bot: TelegramBotAccount, chatId: number, messages: number): TelegramChat;
  /** A message of this bot that is still there. */
  own(
    bot: TelegramBotAccount,
    chat: TelegramChat,
    which: { id: number; to: 'edit' | 'delete' },
  ): TelegramMessage;
  shownFile(kind: ShownFile['kind'], upload: Upload): ShownFile;
  nextAlbum(): string;
}

interface Call<M extends Method> {
  readonly bot: TelegramBotAccount;
  readonly params: Params<M>;
  readonly files: ReadonlyMap<string, Upload>;
}
type Deeds = { readonly [M in Method]: (server: Desk, call: Call<M>) => unknown };

function attached(files: ReadonlyMap<string, Upload>, reference: string): Upload {
  const upload = files.get(reference.slice('attach://'.length));
  if (!upload) throw bad('wrong file identifier/HTTP URL specified');
  return upload;
}

/** What a new message of a bot answers; the original may be gone. */
function replyOf(
  chat: TelegramChat,
  parameters: Params<'sendMessage'>['reply_parameters'],
): number | null {
  if (!parameters) return null;
  if (chat.messages.has(parameters.message_id)) return parameters.message_id;
  if (parameters.allow_sending_without_reply === true) return null;
  throw bad('message to be replied not found');
}

function plain(
  bot: TelegramBotAccount,
  chat: TelegramChat,
  params: Params<'sendMediaGroup'> | Params<'sendMessage'> | Params<'sendVoice'>,
) {
  return {
    threadId: params.message_thread_id ?? null,
    userId: null,
    botId: bot.id,
    replyTo: replyOf(chat, params.reply_parameters),
    albumId: null,
    text: '',
    entities: [] as unknown,
    file: null as ShownFile | null,
    keyboard: null as Keyboard | null,
  };
}

/** What the API gives of a message: enough for a bot. */
function toApi(message: TelegramMessage): object {
  const { id, chatId, sentAt, text, file } = message;
  const chat = { id: chatId, type: chatId < 0 ? 'supergroup' : 'private' };
  const date = Math.floor(sentAt / 1000);
  return { message_id: id, date, chat, ...(file ? { caption: text } : { text }) };
}

/** Puts what an edit asks for; the same again is an error, as on Telegram. */
function change(
  server: Desk,
  message: TelegramMessage,
  to: Partial<Pick<TelegramMessage, 'text' | 'entities' | 'file' | 'keyboard'>>,
): object {
  const before = JSON.stringify([message.text, message.entities, message.keyboard]);
  const sameFile =
    to.file === undefined ||
    (message.file !== null &&
      to.file !== null &&
      Buffer.compare(message.file.bytes, to.file.bytes) === 0);
  const after = JSON.stringify([
    to.text ?? message.text,
    to.entities ?? message.entities,
    to.keyboard ?? null,
  ]);
  if (before === after && sameFile) {
    throw bad(
      'message is not modified: specified new message content and reply markup are exactly the ' +
        'same as a current content and reply markup of the message',
    );
  }
  Object.assign(message, { keyboard: null }, to, { editedAt: Date.now() });
  message.edits += 1;
  server.world.tell(message);
  return toApi(message);
}

function keyboardOf(markup: Params<'sendMessage'>['reply_markup']): Keyboard | null {
  return markup ?? null;
}

/** What each method does. */
export const DEEDS: Deeds = {
  sendMessage: (server, { bot, params }) => {
    const chat = server.enter(bot, params.chat_id, 1);
    const { text, entities = [], reply_markup } = params;
    const keyboard = keyboardOf(reply_markup);
    return toApi(server.world.add(chat, { ...plain(bot, chat, params), text, entities, keyboard }));
  },
  sendVoice: (server, { bot, params, files }) => {
    const chat = server.enter(bot, params.chat_id, 1);
    const file = server.shownFile('voice', attached(files, params.voice));
    const text = params.caption ?? '';
    return toApi(server.world.add(chat, { ...plain(bot, chat, params), text, file }));
  },
  sendMediaGroup: (server, { bot, params, files }) => {
    const kinds = new Set(params.media.map(({ type }) => (type === 'video' ? 'photo' : type)));
    if (kinds.size > 1) throw bad('different types of media in an album');
    const shown = params.media.map(({ type, media }) =>
      server.shownFile(type, attached(files, media)),
    );
    const chat = server.enter(bot, params.chat_id, params.media.length);
    const albumId = server.nextAlbum();
    return params.media.map((item, index) => {
      const file = shown[index] ?? null;
      const message = { ...plain(bot, chat, params), text: item.caption ?? '', file, albumId };
      return toApi(server.world.add(chat, message));
    });
  },
  editMessageText: (server, { bot, params }) => {
    const chat = server.enter(bot, params.chat_id, 1);
    const message = server.own(bot, chat, { id: params.message_id, to: 'edit' });
    if (message.file) throw bad('there is no text in the message to edit');
    const { text, entities = [], reply_markup } = params;
    return change(server, message, { text, entities, keyboard: keyboardOf(reply_markup) });
  },
  editMessageCaption: (server, { bot, params }) => {
    const chat = server.enter(bot, params.chat_id, 1);
    const message = server.own(bot, chat, { id: params.message_id, to: 'edit' });
    if (!message.file) throw bad('there is no caption in the message to edit');
    const { caption = '', caption_entities = [], reply_markup } = params;
    const keyboard = keyboardOf(reply_markup);
    return change(server, message, { text: caption, entities: caption_entities, keyboard });
  },
  editMessageMedia: (server, { bot, params, files }) => {
    const chat = server.enter(bot, params.chat_id, 1);
    const message = server.own(bot, chat, { id: params.message_id, to: 'edit' });
    const { type, media, caption = '', caption_entities = [] }: InputMedia = params.media;
    const file = server.shownFile(type, attached(files, media));
    const keyboard = keyboardOf(params.reply_markup);
    return change(server, message, { text: caption, entities: caption_entities, file, keyboard });
  },
  deleteMessage: (server, { bot, params }) => {
    const chat = server.world.find(bot.id, params.chat_id);
    if (!chat) throw bad('chat not found');
    const message = server.own(bot, chat, { id: params.message_id, to: 'delete' });
    chat.messages.delete(message.id);
    server.world.tell(message);
    return true;
  },
  // One that is not there is passed over; one of another's is an error.
  deleteMessages: (server, { bot, params }) => {
    const chat = server.world.find(bot.id, params.chat_id);
    if (!chat) throw bad('chat not found');
    const ids = params.message_ids.filter((id) => chat.messages.has(id));
    const messages = ids.map((id) => server.own(bot, chat, { id, to: 'delete' }));
    for (const message of messages) {
      chat.messages.delete(message.id);
      server.world.tell(message);
    }
    return true;
  },
  answerCallbackQuery: (server, { params }) => {
    const { callback_query_id, text = null, show_alert = false } = params;
    server.notes.set(callback_query_id, { text, isAlert: show_alert });
    return true;
  },
  getFile: (server, { params }) => {
    const upload = server.world.files.get(params.file_id);
    if (!upload) throw bad('wrong file_id or the file is temporarily unavailable');
    const { file_id } = params;
    return {
      file_id,
      file_unique_id: file_id,
      file_size: upload.bytes.length,
      file_path: `files/${file_id}`,
    };
  },
  getChatMember: (_server, { params }) => ({
    status: Number(params.user_id) % 10 === 0 ? 'administrator' : 'member',
    user: { id: Number(params.user_id), is_bot: false, first_name: 'User' },
  }),
  getChatAdministrators: () => [],
  getMe: (_server, { bot }) => ({
    id: Number(bot.token.split(':')[0]),
    is_bot: true,
    first_name: bot.username,
    username: bot.username,
  }),
  setWebhook: (_server, { bot, params }) => {
    bot.webhookUrl = params.url;
    bot.webhookSecret = params.secret_token ?? null;
    return true;
  },
  getWebhookInfo: (_server, { bot }) => ({
    url: bot.webhookUrl ?? '',
    has_custom_certificate: false,
    pending_update_count: 0,
  }),
  setMyCommands: (server, { bot, params }) => {
    server.commands.set(bot.id, params.commands);
    return true;
  },
  setMyDescription: () => true,
  setMyShortDescription: () => true,
  setChatMenuButton: () => true,
};
