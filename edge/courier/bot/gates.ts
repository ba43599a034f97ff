/** Through which gates a call for a slot has to pass, by the platforms' published limits. */
import {
  DISCORD_CALLS_BURST,
  DISCORD_CALLS_PER_S,
  DISCORD_EDIT_MS,
  DISCORD_EDITS_BURST,
  TELEGRAM_CALLS_BURST,
  TELEGRAM_CALLS_PER_S,
  TELEGRAM_CHAT_MS,
  TELEGRAM_GROUP_CALLS_BURST,
  TELEGRAM_GROUP_CALLS_PER_MIN,
} from '#schema/limits.ts';
import type { Platform } from '#schema/chat.ts';
import type { Gate } from '../../core/pace.ts';
import type { Slot } from './slot.ts';

/** The gate of all calls of a bot. */
export const WHOLE_BOT: Readonly<Record<Platform, Gate>> = {
  telegram: {
    name: 'bot',
    limit: { emissionIntervalMs: 1000 / TELEGRAM_CALLS_PER_S, burst: TELEGRAM_CALLS_BURST },
    reserve: 3,
  },
  discord: {
    name: 'bot',
    limit: { emissionIntervalMs: 1000 / DISCORD_CALLS_PER_S, burst: DISCORD_CALLS_BURST },
    reserve: 6,
  },
};

/** Closed while the platform is away or takes nothing from the bot at all. */
export const AWAY: Gate = { name: 'away', limit: { emissionIntervalMs: 0, burst: 1 }, reserve: 0 };

const CHAT = { limit: { emissionIntervalMs: TELEGRAM_CHAT_MS, burst: 1 }, reserve: 0 };
const GROUP = {
  limit: {
    emissionIntervalMs: 60_000 / TELEGRAM_GROUP_CALLS_PER_MIN,
    burst: TELEGRAM_GROUP_CALLS_BURST,
  },
  reserve: 3,
};
const EDIT = {
  limit: { emissionIntervalMs: DISCORD_EDIT_MS, burst: DISCORD_EDITS_BURST },
  reserve: 1,
};

/**
 * Where calls for a slot wait for one another. Only the chat's name: gates of a chat can be told
 * from it alone.
 */
export function chatOf({ chat, stage }: Slot): string {
  if (chat.platform === 'telegram') return `chat:${chat.chatId}`;
  switch (stage.place) {
    case 'interaction':
    case 'followup':
      return `hook:${chat.interactionToken}`;
    case 'channel':
      return `channel:${chat.chatId}`;
    case 'direct':
      return `user:${chat.userId}`;
  }
}

/** The gates of calls to such a chat. Edits by an interaction's token are outside the bot's. */
export function gatesOf(chat: string): readonly Gate[] {
  if (chat.startsWith('hook:')) return [{ name: chat, ...EDIT }];
  if (!chat.startsWith('chat:')) return [WHOLE_BOT.discord];
  const gates = [WHOLE_BOT.telegram, { name: chat, ...CHAT }];
  // Ids of groups and channels are negative.
  if (chat.startsWith('chat:-')) gates.push({ name: `group:${chat}`, ...GROUP });
  return gates;
}
