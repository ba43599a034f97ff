/**
 * Answers one who writes as the group itself, or as a channel: there is no user whose account a
 * job could be. Who writes as the group runs it, so the chat's rule is theirs to set.
 */
import { readCommand } from '../command.ts';
import { helpReply } from '../reply.ts';
import { WORDS } from '../reply/words.ts';
import { ruleCommand, setRule } from './rule.ts';
import type { Speech } from './speech.ts';

export async function answerAnonymous(speech: Speech): Promise<void> {
  const { bot, event } = speech;
  if (event.said.kind !== 'text') return;
  const command = readCommand(event.said.text, { type: bot.type, file: null });
  switch (command.kind) {
    case 'rule':
      await setRule(speech, command);
      return;
    case 'rule_help':
      speech.say(WORDS.ruleHelp(ruleCommand(bot)));
      return;
    case 'help':
    case 'start':
    case 'greeting':
      speech.say(helpReply(bot));
      return;
    case 'thanks':
      speech.say(WORDS.thanks);
      return;
    default:
      speech.say(WORDS.anonymous);
  }
}
