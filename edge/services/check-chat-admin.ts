/** Whether a user runs a group of Telegram. */
import { z } from 'zod';
import { judgeFault } from '../core/fault.ts';
import type { Env } from '../env.ts';
import { callTelegram } from '../io/telegram.ts';

const Member = z.object({ status: z.string() });

/** Asks Telegram; `token` is the bot's. Null when it does not say, now or to so many calls. */
export async function checkChatAdmin(
  env: Env,
  { token, chatId, userId }: { token: string; chatId: string; userId: string },
): Promise<boolean | null> {
  const access = { apiUrl: env.telegramApiUrl, token };
  const params = { chat_id: Number(chatId), user_id: Number(userId) };
  const answer = await callTelegram(access, { method: 'getChatMember', params });
  if (!answer.ok) {
    const isLater = answer.error.reason === 'rate_limited';
    return isLater || judgeFault(answer.error) === 'retry_all' ? null : false;
  }
  const member = Member.safeParse(answer.value);
  return member.success && ['creator', 'administrator'].includes(member.data.status);
}
