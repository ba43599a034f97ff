/**
 * Updates of Telegram as they come by the thousand in a day and mean nothing to a bot of ours:
 * of every kind that the Bot API has, typed by its published types.
 */
import type { Chat, Message, Update, User } from 'grammy/types';

const ADA: User = { id: 42, is_bot: false, first_name: 'Ada', language_code: 'en' };
const ROBOT: User = { id: 77, is_bot: true, first_name: 'Other', username: 'other_bot' };
const PRIVATE = { id: 42, type: 'private', first_name: 'Ada' } satisfies Chat.PrivateChat;
const GROUP = { id: -1001, type: 'supergroup', title: 'Painters' } satisfies Chat.SupergroupChat;
const CHANNEL = { id: -1002, type: 'channel', title: 'News' } satisfies Chat.ChannelChat;
const FILE = { file_id: 'f', file_unique_id: 'u', file_size: 1000 };
const DATE = 1_795_000_000;
const MEMBER = { status: 'member', user: ADA } as const;
const LEFT = { status: 'left', user: ADA } as const;

type Content = Partial<Message> & { readonly chat?: Message['chat'] };

function message(content: Content) {
  return { message_id: 5, date: DATE, chat: PRIVATE, from: ADA, ...content } as Message &
    Update.NonChannel;
}

function said(content: Content): Omit<Update, 'update_id'> {
  return { message: message(content) };
}

const inGroup = (text: string): Omit<Update, 'update_id'> => said({ chat: GROUP, text });

const KINDS: readonly (() => Omit<Update, 'update_id'>)[] = [
  // Chatter of groups in which the bot is not meant
  () => inGroup('good morning'),
  () => inGroup('/generate a cat'),
  () => inGroup('@other_bot a cat'),
  () =>
    said({
      chat: GROUP,
      text: '/help@other_bot',
      entities: [{ type: 'bot_command', offset: 0, length: 15 }],
    }),
  () =>
    said({
      chat: GROUP,
      text: 'me too',
      reply_to_message: message({ chat: GROUP, text: 'hi' }) as never,
    }),
  () => said({ chat: GROUP, text: 'as a bot', from: ROBOT, via_bot: ROBOT }),
  () => said({ chat: GROUP, text: 'as the group', sender_chat: GROUP }),
  () => said({ chat: GROUP, photo: [{ ...FILE, width: 90, height: 90 }] }),
  () => said({ chat: GROUP, new_chat_members: [ADA] }),
  () => said({ chat: GROUP, left_chat_member: ADA }),
  () => said({ chat: GROUP, new_chat_title: 'Sculptors' }),
  () => said({ chat: GROUP, delete_chat_photo: true }),
  () => said({ chat: GROUP, pinned_message: message({ chat: GROUP, text: 'rules' }) }),
  () => said({ chat: GROUP, migrate_to_chat_id: -1003 }),
  () => said({ chat: GROUP, forum_topic_created: { name: 'Art', icon_color: 7_322_096 } }),
  () => said({ chat: GROUP, video_chat_started: {} }),
  // Things in a private chat that say nothing
  () =>
    said({
      sticker: {
        ...FILE,
        type: 'regular',
        width: 512,
        height: 512,
        is_animated: false,
        is_video: false,
      },
    }),
  () => said({ location: { latitude: 1, longitude: 2 } }),
  () => said({ contact: { phone_number: '1', first_name: 'Bob' } }),
  () => said({ dice: { emoji: '🎲', value: 3 } }),
  () => said({ video_note: { ...FILE, length: 240, duration: 3 } }),
  () => said({ video: { ...FILE, width: 1, height: 1, duration: 3 } }),
  () => said({ venue: { location: { latitude: 1, longitude: 2 }, title: 'x', address: 'y' } }),
  () => said({ message_auto_delete_timer_changed: { message_auto_delete_time: 60 } }),
  () => said({ write_access_allowed: {} }),
  () => said({ poll: { ...poll(), correct_option_ids: [] } as never }),
  // Other kinds of updates
  () => ({ edited_message: message({ text: 'a cat, no, a dog' }) as never }),
  () => ({ edited_message: message({ chat: GROUP, text: 'late' }) as never }),
  () => ({ channel_post: message({ chat: CHANNEL, text: 'news' }) as never }),
  () => ({ edited_channel_post: message({ chat: CHANNEL, text: 'other news' }) as never }),
  () => ({ inline_query: { id: '1', from: ADA, query: 'cat', offset: '' } }),
  () => ({ chosen_inline_result: { result_id: '1', from: ADA, query: 'cat' } }),
  () => ({ callback_query: { id: '1', from: ADA, chat_instance: '2', data: 'of another time' } }),
  () => ({
    callback_query: {
      id: '1',
      from: ADA,
      chat_instance: '2',
      inline_message_id: 'x',
      data: 'c:help',
    },
  }),
  () => ({ callback_query: { id: '1', from: ADA, chat_instance: '2', game_short_name: 'chess' } }),
  () => ({ poll: poll() as never }),
  () => ({ poll_answer: { poll_id: '1', user: ADA, option_ids: [0] } as never }),
  () => ({
    my_chat_member: {
      chat: PRIVATE,
      from: ADA,
      date: DATE,
      old_chat_member: MEMBER,
      new_chat_member: { status: 'kicked', user: ROBOT, until_date: 0 },
    },
  }),
  () => ({
    my_chat_member: {
      chat: GROUP,
      from: ADA,
      date: DATE,
      old_chat_member: LEFT,
      new_chat_member: MEMBER,
    },
  }),
  () => ({
    chat_member: {
      chat: GROUP,
      from: ADA,
      date: DATE,
      old_chat_member: MEMBER,
      new_chat_member: LEFT,
    },
  }),
  () => ({ chat_join_request: { chat: GROUP, from: ADA, user_chat_id: 42, date: DATE } }),
  () => ({
    message_reaction: {
      chat: PRIVATE,
      message_id: 5,
      user: ADA,
      date: DATE,
      old_reaction: [],
      new_reaction: [{ type: 'emoji', emoji: '👍' }],
    },
  }),
  () => ({ message_reaction_count: { chat: CHANNEL, message_id: 5, date: DATE, reactions: [] } }),
  () => ({
    pre_checkout_query: {
      id: '1',
      from: ADA,
      currency: 'XTR',
      total_amount: 1,
      invoice_payload: 'x',
    },
  }),
  () => ({
    shipping_query: {
      id: '1',
      from: ADA,
      invoice_payload: 'x',
      shipping_address: {
        country_code: 'DE',
        state: '',
        city: 'x',
        street_line1: 'x',
        street_line2: '',
        post_code: '1',
      },
    },
  }),
  () => ({
    business_connection: {
      id: '1',
      user: ADA,
      user_chat_id: 42,
      date: DATE,
      is_enabled: true,
    },
  }),
  () => ({ purchased_paid_media: { from: ADA, paid_media_payload: 'x' } }),
  () => ({}),
];

function poll() {
  return {
    id: '1',
    question: 'Cat or dog?',
    options: [],
    total_voter_count: 0,
    is_closed: false,
    is_anonymous: true,
    type: 'regular',
    allows_multiple_answers: false,
  } as const;
}

/** So many updates, of all kinds in turn; ids rise from `firstId`. */
export function strayUpdates(count: number, firstId: number): Update[] {
  return Array.from({ length: count }, (_, index) => ({
    update_id: firstId + index,
    ...KINDS[index % KINDS.length]!(),
  })) as Update[];
}
