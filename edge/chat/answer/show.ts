/** Shows how a job stands, when it is asked for. */
import { isTerminal } from '#schema/job.ts';
import type { LiveJob } from '#schema/record.ts';
import { endReply, progressReply } from '../reply/job.ts';
import type { Talk } from './talk.ts';

/** The job as it stands, in a message of its own; the result itself stands where it was shown. */
export function showJob(talk: Talk, { record, waiting, progress }: LiveJob): void {
  const { now } = talk;
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
