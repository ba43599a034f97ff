/**
 * The chat platforms as they call our webhooks, for tests: updates and interactions of the bots
 * `hook-telegram` and `hook-discord`, signed as the platforms sign.
 */
import type { Update } from 'grammy/types';
import type { ChatEvent, Said } from '../chat/event.ts';
import type { HttpWorld } from './http.ts';

/** Of `hook-discord`, whose public key is in the settings of the tests. */
const PRIVATE_KEY =
  '302e020100300506032b65700422042019fdc7554b391bd4b6eacac17fc83d8b1eb046d50f32f4abc60c9989369b4920';
export const TELEGRAM_SECRET = 'webhook-secret-of-tests';

/** Sends an update as Telegram does. */
export function sendUpdate(
  world: HttpWorld,
  update: object,
  { bot = 'hook-telegram', secret = TELEGRAM_SECRET } = {},
): Promise<Response> {
  return world.call('POST', `/hooks/telegram/${bot}`, {
    json: update,
    headers: secret === '' ? {} : { 'x-telegram-bot-api-secret-token': secret },
  });
}

/** Ed25519 over timestamp and body, in hex. */
export async function signDiscord(timestamp: string, body: string): Promise<string> {
  const pkcs8 = Uint8Array.from(PRIVATE_KEY.match(/../g)!, (pair) => Number.parseInt(pair, 16));
  const key = await crypto.subtle.importKey('pkcs8', pkcs8, 'Ed25519', false, ['sign']);
  const signed = new TextEncoder().encode(timestamp + body);
  const signature = new Uint8Array(await crypto.subtle.sign('Ed25519', key, signed));
  return Array.from(signature, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Sends an interaction as Discord does; `forge` changes what is sent after it was signed. */
export async function sendInteraction(
  world: HttpWorld,
  interaction: object,
  forge: { at?: number; body?: string; timestamp?: string; signature?: string } = {},
): Promise<Response> {
  const timestamp = String(Math.floor((forge.at ?? Date.now()) / 1000));
  const body = JSON.stringify(interaction);
  const signature = forge.signature ?? (await signDiscord(timestamp, body));
  return world.call('POST', '/hooks/discord/hook-discord', {
    body: forge.body ?? body,
    headers: {
      'content-type': 'application/json',
      'x-signature-ed25519': signature,
      'x-signature-timestamp': forge.timestamp ?? timestamp,
    },
  });
}

let lastId = 1000;
/** A number that no other update, message or interaction of a test has. */
export function nextId(): number {
  lastId += 1;
  return lastId;
}

export interface Writer {
  readonly userId?: number;
  readonly chatId?: number;
}

/** A text in a private chat. */
export function textUpdate(text: string, { userId = 42, chatId = userId }: Writer = {}) {
  const isPrivate = chatId > 0;
  return {
    update_id: nextId(),
    message: {
      message_id: nextId(),
      date: 1_795_000_000,
      chat: isPrivate
        ? { id: chatId, type: 'private', first_name: 'Ada' }
        : { id: chatId, type: 'supergroup', title: 'Painters' },
      from: { id: userId, is_bot: false, first_name: 'Ada' },
      text,
    },
  } satisfies Update;
}

/** A press of a button under a message. */
export function pressUpdate(data: string, { userId = 42, chatId = userId }: Writer = {}) {
  const reply_markup = { inline_keyboard: [[{ text: 'A button', callback_data: data }]] };
  const message = { ...textUpdate('', { userId: 900, chatId }).message, reply_markup };
  return {
    update_id: nextId(),
    callback_query: {
      id: String(nextId()),
      from: { id: userId, is_bot: false, first_name: 'Ada' },
      chat_instance: '1',
      message,
      data,
    },
  };
}

/** What all interactions of a user in a server have. */
export function interaction(type: number, data: object, { userId = '77' } = {}) {
  return {
    id: String(nextId()),
    application_id: '7790',
    type,
    token: `token-${nextId()}`,
    version: 1,
    guild_id: '500',
    channel_id: '600',
    channel: { id: '600', type: 0 },
    member: {
      user: { id: userId, username: 'ada', global_name: 'Ada', discriminator: '0', avatar: null },
      permissions: '2048',
      roles: [],
    },
    locale: 'en-US',
    entitlements: [],
    attachment_size_limit: 10_485_760,
    data,
  };
}

/** An event as the decoders make it. */
export function chatEvent(
  said: Said,
  { userId = String(nextId()), isPrivate = true } = {},
): ChatEvent {
  const role = isPrivate ? true : null;
  return {
    id: `tg:hook-telegram:${nextId()}`,
    botId: 'hook-telegram',
    chat: {
      platform: 'telegram',
      chatId: isPrivate ? userId : '-100500',
      userId,
      replyTo: String(nextId()),
      threadId: null,
      interactionToken: null,
      interactionExpiresAt: null,
      attachmentBytesMax: null,
    },
    user: { id: userId, name: 'Ada', isAdmin: role, isModerator: role, isAnonymous: false },
    isPrivate,
    said,
    at: Date.now(),
  };
}
