/** Deleting a result: asked about first, then done for good; or taken out of a chat alone. */
import { deleteJob } from '../../services/delete-job.ts';
import { excuseFind } from '../refusal.ts';
import { WORDS } from '../reply/words.ts';
import { sayReply } from '../reply.ts';
import type { Kept } from './speech.ts';
import type { Talk } from './talk.ts';

type KeptDelete = Extract<Kept, { readonly kind: 'delete' }>;

/** Asks whether it is meant. */
export function askDelete(talk: Talk, jobId: string, from: KeptDelete['from']): void {
  const { said, user } = talk.event;
  if (said.kind !== 'press') return;
  const id = talk.keepId();
  // Another's message goes only by the word of those who keep order.
  const messageId = said.stands || from === 'chat' ? said.messageId : null;
  const kept: KeptDelete = { kind: 'delete', userId: user.id, jobId, messageId, from };
  talk.changes.push({ kind: 'keep', id, kept });
  const isMine = from === 'account';
  const sure = {
    label: isMine ? WORDS.removeSure : WORDS.takeOutSure,
    action: { kind: 'draft', draftId: id, choice: 0 },
  } as const;
  const buttons = [[{ ...sure, look: 'danger' as const }]];
  const question = isMine ? WORDS.sureToDelete : WORDS.sureToTakeOut;
  talk.say(sayReply(question, { buttons, isPrivate: true, ownerId: user.id }));
}

/** Deletes what the user agreed to delete, and the message that showed it. */
export async function deleteResult(
  talk: Talk,
  { jobId, messageId, from }: KeptDelete,
): Promise<void> {
  const { env, credential, now, requestId } = talk;
  if (from !== 'chat') {
    const { accountId } = credential;
    const deleted = await deleteJob(env, { jobId, accountId }, { requestId, now });
    if (!deleted.ok) {
      const { error } = deleted;
      talk.note(error.reason === 'job_active' ? WORDS.notEnded : excuseFind(error));
      return;
    }
  }
  const done = from === 'chat' ? WORDS.takenOut : WORDS.deleted;
  talk.settle(done);
  if (talk.event.chat.platform === 'discord') talk.say(done);
  if (messageId !== null) talk.remove(messageId, jobId);
}
