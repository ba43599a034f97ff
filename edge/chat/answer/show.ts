/** Shows what is asked for: how a job stands, which models there are. */
import { isTerminal } from '#schema/job.ts';
import type { LiveJob } from '#schema/record.ts';
import { listModels } from '../../services/list-models.ts';
import { excuseAccess } from '../refusal.ts';
import { endReply, progressReply } from '../reply/job.ts';
import { modelsReply } from '../reply/models.ts';
import { WORDS } from '../reply/words.ts';
import { isDeleted } from './redo.ts';
import { sistersOf } from './sister.ts';
import type { Talk } from './talk.ts';

/** The job as it stands, in a message of its own; the result itself stands where it was shown. */
export function showJob(talk: Talk, { record, waiting, progress }: LiveJob): void {
  const { now } = talk;
  if (isDeleted(record)) {
    talk.say(WORDS.wasDeleted);
    return;
  }
  if (isTerminal(record.status)) {
    const { text, buttons, ownerId } = endReply({ record, text: null });
    const state = record.status === 'completed' ? 'Done.' : '';
    talk.say({
      text: state === '' ? text : [{ kind: 'bold', text: state }, '\n', ...text],
      buttons,
      media: [],
      isPrivate: false,
      ownerId,
    });
    return;
  }
  talk.say(progressReply({ record, waiting, progress, now, sister: null }));
}

/** The models with their prices, as the user's plan has them. */
export async function showModels(talk: Talk): Promise<void> {
  const { env, bot, now } = talk;
  const balance = await talk.balance();
  if (!balance.ok) {
    talk.say(excuseAccess(balance.error));
    return;
  }
  const models = await listModels(env, now);
  talk.say(modelsReply({ models, bot, plan: balance.value.plan, others: sistersOf(talk) }));
}
