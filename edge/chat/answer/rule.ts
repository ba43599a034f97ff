/** The rule of a chat: those who run it decide which of our bots are used in it. */
import type { Bot } from '#schema/chat.ts';
import { checkChatAdmin } from '../../services/check-chat-admin.ts';
import type { Command } from '../command.ts';
import { ruleReply } from '../reply.ts';
import { WORDS } from '../reply/words.ts';
import type { Speech } from './speech.ts';

/** Sets the rule, for those who run the chat. */
export async function setRule(
  speech: Speech,
  { allow, type }: Extract<Command, { kind: 'rule' }>,
): Promise<void> {
  const { bot, event, memory } = speech;
  if (event.isPrivate) {
    speech.say(WORDS.groupsOnly);
    return;
  }
  const isAdmin = event.user.isAdmin ?? (await runsChat(speech));
  if (!isAdmin) {
    speech.say(isAdmin === null ? WORDS.adminsUnknown : WORDS.adminsOnly);
    return;
  }
  const { off, offTypes } = memory.rule;
  const others = offTypes.filter((one) => one !== type);
  const rule =
    type === null
      ? { off: !allow, offTypes: allow ? [] : offTypes }
      : { off: allow ? false : off, offTypes: allow ? others : [...others, type] };
  speech.changes.push({ kind: 'rule', rule });
  speech.say(ruleReply(rule, ruleCommand(bot)));
}

/** In a group of Telegram a bot hears a command only with its name. */
export function ruleCommand(bot: Bot): string {
  const isNamed = bot.platform === 'telegram' && bot.username !== undefined;
  return isNamed ? `/tessera@${bot.username}` : '/tessera';
}

/** Whether Telegram says that the user runs the chat; null when it cannot be asked just now. */
export function runsChat({ env, bot, event, memory }: Speech): Promise<boolean | null> {
  const { chatId, userId } = event.chat;
  return memory.runsChat(() => checkChatAdmin(env, { token: bot.token, chatId, userId }));
}
