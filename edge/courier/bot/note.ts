/**
 * A word to the one who pressed a button, for nobody else to see. It is worth a few seconds: tried
 * at once, once more when that had no answer, then dropped.
 */
import type { Bot } from '#schema/chat.ts';
import type { Outbound } from '../../chat/message.ts';
import type { ChatFault } from '../../core/fault.ts';
import { judgeFault } from '../../core/fault.ts';
import type { Env } from '../../env.ts';
import { callDiscord } from '../../io/discord.ts';
import { logWarn } from '../../io/log.ts';
import { callTelegram } from '../../io/telegram.ts';

type Note = Extract<Outbound, { kind: 'note' }>;

const TRIES = 2;
/** Discord: for the one who pressed only. */
const EPHEMERAL = 1 << 6;

/** Sends a note; never rejects. */
export async function sendNote(env: Env, bot: Bot, note: Note): Promise<void> {
  for (let count = 1; count <= TRIES; count += 1) {
    const fault = await trySend(env, bot, note);
    if (fault === null) return;
    if (judgeFault(fault) !== 'retry_all' || count === TRIES) {
      logWarn('bot.note', { bot: bot.id, reason: fault.reason });
      return;
    }
  }
}

async function trySend(env: Env, bot: Bot, note: Note): Promise<ChatFault | null> {
  const { text, isAlert, callbackId, chat } = note;
  if (bot.platform === 'telegram') {
    if (callbackId === null) return null;
    const sent = await callTelegram(
      { apiUrl: env.telegramApiUrl, token: bot.token },
      {
        method: 'answerCallbackQuery',
        params: {
          callback_query_id: callbackId,
          ...(text === null ? {} : { text, show_alert: isAlert }),
        },
      },
    );
    return sent.ok ? null : sent.error;
  }
  if (text === null || chat.interactionToken === null) return null;
  const { result } = await callDiscord(
    { apiUrl: env.discordApiUrl, token: null },
    {
      method: 'POST',
      path: `/webhooks/${bot.applicationId}/${chat.interactionToken}`,
      body: { content: text, flags: EPHEMERAL, allowed_mentions: { parse: [] } },
    },
  );
  return result.ok ? null : result.error;
}
