/**
 * What the buttons under a job do. They carry the job's id alone: that the job is the presser's
 * own is seen by its account, so that they work after any restart and for nobody else.
 */
import { isTerminal } from '#schema/job.ts';
import type { JobRecord } from '#schema/record.ts';
import { cancelJob } from '../../services/cancel-job.ts';
import { copyResult } from '../../services/copy-result.ts';
import { findJob } from '../../services/find-job.ts';
import { publishJob } from '../../services/publish-job.ts';
import { withdrawJob } from '../../services/withdraw-job.ts';
import type { Fields } from '../command/draft.ts';
import { merge } from '../command/draft.ts';
import { OVERSEEN_DEEDS } from '../event.ts';
import type { JobDeed } from '../message.ts';
import { excuseCopy, excuseFind } from '../refusal.ts';
import { jobButton } from '../reply/job.ts';
import { WORDS } from '../reply/words.ts';
import { sayReply } from '../reply.ts';
import { askDelete } from './delete.ts';
import { oversee } from './oversee.ts';
import { isDeleted, toDraft } from './redo.ts';
import { showJob } from './show.ts';
import { submitDraft } from './submit.ts';
import type { Talk } from './talk.ts';

/** How near a variation stays to its picture, and an enlargement to it. */
const VARY_STRENGTH = 0.55;
const UPSCALE_STRENGTH = 0.2;

interface Wish {
  readonly deed: JobDeed;
  readonly jobId: string;
  readonly index: number;
  /** The job was not named: it is the last one of the chat, which other bots may share. */
  readonly isGuess?: boolean;
}

/** Does what a button says. */
export async function doDeed(
  talk: Talk,
  { deed, jobId, index, isGuess = false }: Wish,
): Promise<void> {
  const { credential, event } = talk;
  const { accountId } = credential;
  const found = await findJob(talk.env, { jobId, accountId });
  if (!found.ok) {
    const isForeign = !event.isPrivate && found.error.reason === 'job_not_found';
    if (!isForeign) talk.note(excuseFind(found.error));
    else if (OVERSEEN_DEEDS.has(deed)) await oversee(talk, { deed, jobId });
    else talk.note(WORDS.onlyOwner);
    return;
  }
  const { record } = found.value;
  if (isGuess && record.spec.type !== talk.bot.type) {
    talk.say(WORDS.lastElsewhere);
    return;
  }
  if (isDeleted(record) && deed !== 'status') {
    talk.note(WORDS.gone);
    return;
  }
  switch (deed) {
    case 'status':
      showJob(talk, found.value);
      return;
    case 'cancel':
      await cancel(talk, jobId);
      return;
    case 'again':
      await submitDraft(talk, toDraft(record.spec, { seed: null }));
      return;
    case 'retry':
      await submitDraft(talk, toDraft(record.spec, {}));
      return;
    case 'vary':
      await rework(talk, record, { index, seed: null, strength: VARY_STRENGTH });
      return;
    case 'upscale':
      await rework(talk, record, { index, upscale: 2, count: 1, strength: UPSCALE_STRENGTH });
      return;
    case 'edit':
      askPrompt(talk, record);
      return;
    case 'delete':
      if (isTerminal(record.status)) askDelete(talk, jobId, 'account');
      else talk.note(WORDS.notEnded);
      return;
    case 'publish':
      await publish(talk, jobId);
      return;
    case 'unpublish':
      await unpublish(talk, jobId);
      return;
  }
}

/** Stops a job; the courier shows what becomes of it. */
export async function cancel(talk: Talk, jobId: string): Promise<void> {
  const { accountId } = talk.credential;
  const cancelled = await cancelJob(talk.env, { jobId, accountId });
  talk.note(cancelled.ok ? WORDS.cancels[cancelled.value] : excuseFind(cancelled.error));
}

/** The same job with other words and its own seed. */
export async function editPrompt(talk: Talk, jobId: string, prompt: string): Promise<void> {
  const { accountId } = talk.credential;
  const found = await findJob(talk.env, { jobId, accountId });
  if (!found.ok) {
    talk.note(excuseFind(found.error));
    return;
  }
  const draft = toDraft(found.value.record.spec, {});
  await submitDraft(talk, { ...draft, fields: merge(draft.fields, { prompt: prompt.trim() }) });
}

/** A picture made of a result. */
async function rework(
  talk: Talk,
  { id: jobId, spec }: JobRecord,
  { index, ...change }: { index: number } & Fields,
): Promise<void> {
  const { env, credential, now } = talk;
  const { accountId } = credential;
  const copied = await talk.memory.once('copy', () =>
    copyResult(env, { accountId, jobId, index }, now),
  );
  if (!copied.ok) {
    talk.note(excuseCopy(copied.error));
    return;
  }
  await submitDraft(talk, toDraft(spec, { ...change, input_image: copied.value.id }));
}

function askPrompt(talk: Talk, { id }: JobRecord): void {
  // The id in the text says which job is meant when the answer comes, however much later.
  talk.say(sayReply([WORDS.editPrompt, '\n', { kind: 'code', text: id }]));
}

async function publish(talk: Talk, jobId: string): Promise<void> {
  const { env, credential, requestId, now, event } = talk;
  const wish = { public: true, show_prompt: true } as const;
  const published = await publishJob(env, { credential, jobId, wish, requestId, now });
  if (!published.ok) {
    talk.note(describePublish(published.error.reason));
    return;
  }
  const buttons = [[jobButton(WORDS.unpublish, 'unpublish', jobId)]];
  talk.say(sayReply(WORDS.published, { buttons, isPrivate: true, ownerId: event.user.id }));
}

async function unpublish(talk: Talk, jobId: string): Promise<void> {
  const { env, credential, requestId, now } = talk;
  const { accountId } = credential;
  const done = await withdrawJob(env, { jobId, accountId }, { requestId, now });
  const isAway = !done.ok && done.error.reason === 'history_unavailable';
  // What is not in the gallery need not be taken out.
  talk.note(isAway ? WORDS.historyAway : WORDS.unpublished);
}

function describePublish(reason: string): string {
  switch (reason) {
    case 'removed_by_operator':
      return 'The operator took this out of the gallery; it stays out.';
    case 'content_blocked':
      return 'By the rules of today this cannot be shown to all.';
    case 'not_publishable':
      return 'Only finished pictures and videos can be shown in the gallery.';
    case 'job_not_found':
      return WORDS.gone;
    default:
      return WORDS.historyAway;
  }
}
