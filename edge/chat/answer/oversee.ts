/**
 * What those who keep order in a chat do with what others asked for there: stop it, or take it
 * out of the chat. Its owner keeps the result and pays what was done of it, never more than held.
 * The data of a button proves nothing: only a job that the bot shows in this very chat is stopped.
 */
import { cancelJob } from '../../services/cancel-job.ts';
import type { JobDeed } from '../message.ts';
import { excuseFind } from '../refusal.ts';
import { WORDS } from '../reply/words.ts';
import { askDelete } from './delete.ts';
import { runsChat } from './rule.ts';
import type { Talk } from './talk.ts';

/** Does the deed, one of OVERSEEN_DEEDS, with a job that is not the presser's own. */
export async function oversee(
  talk: Talk,
  { deed, jobId }: { deed: JobDeed; jobId: string },
): Promise<void> {
  const { env, bot, event, memory } = talk;
  const mayDo = event.user.isModerator ?? (await runsChat(talk));
  if (!mayDo) {
    talk.note(mayDo === null ? WORDS.adminsUnknown : WORDS.onlyOwner);
    return;
  }
  if (deed === 'delete') {
    askDelete(talk, jobId, 'chat');
    return;
  }
  const chatIds = [event.chat.chatId, memory.formerChatId].filter((id) => id !== null);
  const accountId = await env.botCouriers.getByName(bot.id).ownerOf(jobId, chatIds);
  if (accountId === null) {
    talk.note(WORDS.gone);
    return;
  }
  const cancelled = await cancelJob(env, { jobId, accountId });
  talk.note(cancelled.ok ? WORDS.cancels[cancelled.value] : excuseFind(cancelled.error));
}
