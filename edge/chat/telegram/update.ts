/**
 * Updates of the Bot API, as far as they are read (core.telegram.org/bots/api#update). Ids of
 * chats and users stay within 52 bits. Kinds of updates that are not named here are none of ours.
 */
import { z } from 'zod';
import { CHAT_TEXT_CHARS_MAX } from '#schema/chat-limits.ts';

const Id = z.int();
const Text = z.string().max(CHAT_TEXT_CHARS_MAX);

const User = z.object({
  id: Id,
  is_bot: z.boolean(),
  first_name: z.string().default(''),
  username: z.string().optional(),
});

const Chat = z.object({ id: Id, type: z.enum(['private', 'group', 'supergroup', 'channel']) });

const Entity = z.object({
  type: z.string(),
  offset: z.int().min(0),
  length: z.int().min(0),
  user: User.optional(),
});

const File = z.object({
  file_id: z.string().min(1).max(512),
  file_size: z.int().optional(),
  mime_type: z.string().optional(),
  file_name: z.string().optional(),
});

const Markup = z.object({
  inline_keyboard: z.array(z.array(z.object({ callback_data: z.string().optional() }))),
});
export type Markup = z.infer<typeof Markup>;

const Answered = z.object({
  message_id: Id,
  from: User.optional(),
  text: Text.optional(),
  caption: Text.optional(),
  photo: z.array(File).optional(),
  voice: File.optional(),
  audio: File.optional(),
  document: File.optional(),
  reply_markup: Markup.optional(),
});

const Message = z.object({
  message_id: Id,
  chat: Chat,
  from: User.optional(),
  /** Whom it stands for: the group itself (of an anonymous admin), or a channel. */
  sender_chat: z.object({ id: Id }).optional(),
  /** A channel's post in the group beside it, which nobody there wrote. */
  is_automatic_forward: z.boolean().optional(),
  /** The group has another id from now on; and what it was before. */
  migrate_to_chat_id: Id.optional(),
  migrate_from_chat_id: Id.optional(),
  message_thread_id: Id.optional(),
  is_topic_message: z.boolean().optional(),
  text: Text.optional(),
  caption: Text.optional(),
  entities: z.array(Entity).optional(),
  caption_entities: z.array(Entity).optional(),
  reply_to_message: Answered.optional(),
  photo: z.array(File).optional(),
  voice: File.optional(),
  audio: File.optional(),
  document: File.optional(),
  media_group_id: z.string().optional(),
});
export type Message = z.infer<typeof Message>;

/** A message that a button stands under; one that is too old tells no more than its place. */
const Pressed = z.object({
  message_id: Id,
  chat: Chat,
  message_thread_id: Id.optional(),
  is_topic_message: z.boolean().optional(),
  photo: z.array(z.unknown()).optional(),
  video: z.unknown().optional(),
  audio: z.unknown().optional(),
  voice: z.unknown().optional(),
  document: z.unknown().optional(),
  reply_markup: Markup.optional(),
});

const Press = z.object({
  id: z.string().min(1).max(64),
  from: User,
  message: Pressed.optional(),
  data: z.string().optional(),
});
export type Press = z.infer<typeof Press>;

export const Update = z.object({
  update_id: z.int().min(0),
  message: Message.optional(),
  callback_query: Press.optional(),
});
export type Update = z.infer<typeof Update>;
