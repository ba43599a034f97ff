/**
 * The parameters of the methods that bots of ours may call, as the Bot API documents them
 * (core.telegram.org/bots/api). Strict: a parameter that the API does not have is an error here,
 * where Telegram would ignore it, since it can only be a mistake.
 */
import { z } from 'zod';

/** Telegram takes ids of chats as numbers or texts. */
const ChatId = z.union([z.int(), z.string().regex(/^-?\d+$/)]).transform(Number);
const Entity = z.strictObject({
  type: z.enum([
    'bold',
    'italic',
    'underline',
    'strikethrough',
    'spoiler',
    'code',
    'pre',
    'text_link',
    'blockquote',
    'expandable_blockquote',
    'text_mention',
  ]),
  offset: z.int().min(0),
  length: z.int().min(1),
  url: z.string().optional(),
  language: z.string().optional(),
});
const ButtonData = z
  .string()
  .refine((data) => Buffer.byteLength(data) <= 64, 'BUTTON_DATA_INVALID');
const Markup = z.strictObject({
  inline_keyboard: z
    .array(
      z
        .array(
          z
            .strictObject({
              text: z.string().min(1),
              callback_data: ButtonData.min(1).optional(),
              url: z.url().optional(),
              style: z.enum(['danger', 'success', 'primary']).optional(),
            })
            .refine(
              ({ callback_data, url }) => (callback_data === undefined) !== (url === undefined),
              'a button does one thing',
            ),
        )
        .max(8),
    )
    .max(100),
});
const LinkPreview = z.strictObject({ is_disabled: z.boolean().optional() });
const Text = z.string().min(1).max(4096, 'MESSAGE_TOO_LONG');
const Caption = z.string().max(1024, 'MEDIA_CAPTION_TOO_LONG');
const Entities = z.array(Entity).max(100);

const place = {
  chat_id: ChatId,
  message_thread_id: z.int().optional(),
  disable_notification: z.boolean().optional(),
  reply_parameters: z
    .strictObject({
      message_id: z.int(),
      allow_sending_without_reply: z.boolean().optional(),
    })
    .optional(),
};
const captioned = { caption: Caption.optional(), caption_entities: Entities.optional() };
const Attached = z.string().regex(/^attach:\/\/\S+$/, 'wrong file identifier/HTTP URL specified');
const media = { media: Attached, ...captioned };
const InputMedia = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('photo'), ...media }),
  z.strictObject({
    type: z.literal('video'),
    ...media,
    width: z.int().optional(),
    height: z.int().optional(),
    duration: z.int().optional(),
    supports_streaming: z.boolean().optional(),
  }),
  z.strictObject({ type: z.literal('audio'), ...media, duration: z.int().optional() }),
  z.strictObject({ type: z.literal('document'), ...media }),
]);
export type InputMedia = z.infer<typeof InputMedia>;

const target = { chat_id: ChatId, message_id: z.int() };
const markup = { reply_markup: Markup.optional() };

export const METHODS = {
  sendMessage: z.strictObject({
    ...place,
    ...markup,
    text: Text,
    entities: Entities.optional(),
    link_preview_options: LinkPreview.optional(),
  }),
  sendVoice: z.strictObject({
    ...place,
    ...markup,
    ...captioned,
    voice: Attached,
    duration: z.int().optional(),
  }),
  sendMediaGroup: z.strictObject({ ...place, media: z.array(InputMedia).min(2).max(10) }),
  editMessageText: z.strictObject({
    ...target,
    ...markup,
    text: Text,
    entities: Entities.optional(),
    link_preview_options: LinkPreview.optional(),
  }),
  editMessageCaption: z.strictObject({ ...target, ...markup, ...captioned }),
  editMessageMedia: z.strictObject({ ...target, ...markup, media: InputMedia }),
  deleteMessage: z.strictObject(target),
  deleteMessages: z.strictObject({
    chat_id: ChatId,
    message_ids: z.array(z.int()).min(1).max(100),
  }),
  answerCallbackQuery: z.strictObject({
    callback_query_id: z.string(),
    text: z.string().max(200).optional(),
    show_alert: z.boolean().optional(),
  }),
  getFile: z.strictObject({ file_id: z.string() }),
  getChatMember: z.strictObject({ chat_id: ChatId, user_id: z.union([z.int(), z.string()]) }),
  getChatAdministrators: z.strictObject({ chat_id: ChatId }),
  getMe: z.strictObject({}),
  setWebhook: z.strictObject({
    url: z.url(),
    secret_token: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,256}$/)
      .optional(),
    allowed_updates: z.array(z.string()).optional(),
    max_connections: z.int().min(1).max(100).optional(),
    drop_pending_updates: z.boolean().optional(),
  }),
  getWebhookInfo: z.strictObject({}),
  setMyCommands: z.strictObject({
    commands: z
      .array(
        z.strictObject({
          command: z.string().regex(/^[a-z0-9_]{1,32}$/),
          description: z.string().min(1).max(256),
        }),
      )
      .max(100),
    scope: z.record(z.string(), z.unknown()).optional(),
    language_code: z.string().optional(),
  }),
  setMyDescription: z.strictObject({ description: z.string().max(512).optional() }),
  setMyShortDescription: z.strictObject({ short_description: z.string().max(120).optional() }),
  setChatMenuButton: z.strictObject({ menu_button: z.record(z.string(), z.unknown()).optional() }),
} as const;
export type Method = keyof typeof METHODS;
export type Params<M extends Method> = z.infer<(typeof METHODS)[M]>;

/** A form carries objects as JSON; whatever parses as one and is no plain text, is one. */
export function readForm(body: Record<string, string>): Record<string, unknown> {
  const texts = new Set(['text', 'caption', 'chat_id', 'voice', 'callback_query_id']);
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => [
      name,
      texts.has(name) ? value : (JSON.parse(value) as unknown),
    ]),
  );
}
