/**
 * From a draft to a job: asks about doubts, fetches what was sent with it, submits, and shows
 * what was understood with the place in the queue; or says why not and what could be done.
 */
import { JobRequest } from '#schema/job.ts';
import { SETTLEMENT_ROUND_MS } from '#schema/limits.ts';
import type { JobRecord } from '#schema/record.ts';
import type { Result } from '../../core/result.ts';
import { fetchAttachment } from '../../services/fetch-attachment.ts';
import { submitJob } from '../../services/submit-job.ts';
import type { SubmitRefusal, SubmittedJob } from '../../services/submit-job.ts';
import type { z } from 'zod';
import type { Doubt, Draft } from '../command/draft.ts';
import { merge } from '../command/draft.ts';
import type { Attachment } from '../event.ts';
import { excuseFile, excuseRefusal, toRefusedDraft } from '../refusal.ts';
import { PLURAL } from '../reply/format.ts';
import { progressReply } from '../reply/job.ts';
import { WORDS } from '../reply/words.ts';
import { doubtReply, linkButtons, lowReply, sayReply } from '../reply.ts';
import { follow } from './follow.ts';
import { sistersOf } from './sister.ts';
import type { Talk } from './talk.ts';

/** The hint comes when less than this share of the day's tokens is left. */
const LOW_SHARE = 0.2;
/** A round of settlements, and a moment for it to arrive. */
const SETTLED_MS = SETTLEMENT_ROUND_MS + 250;

/** Submits the draft, or asks the first of its doubts. */
export async function submitDraft(
  talk: Talk,
  draft: Draft,
  attachments: readonly Attachment[] = [],
): Promise<void> {
  const followed = draft.fields.from_job ? await follow(talk, draft) : 'foreign';
  if (draft.fields.from_job && followed === 'foreign' && attachments.length === 0) {
    talk.note(WORDS.nothingToChange);
    return;
  }
  // What is not the user's own is still a picture that was answered.
  const ready =
    followed === 'foreign' ? await withFile(talk, withoutJob(draft), attachments) : followed;
  if (!ready) return;
  const [doubt] = ready.doubts;
  if (doubt) {
    const id = talk.keepId();
    const userId = talk.event.user.id;
    if (doubt.choices.length > 0) {
      talk.changes.push({ kind: 'keep', id, kept: { kind: 'draft', userId, draft: ready } });
    }
    const reply = doubtReply(doubt, id, userId);
    const where = whereElse(talk, doubt);
    talk.say(where === null ? reply : { ...reply, text: [...reply.text, where] });
    return;
  }
  await submit(talk, ready);
}

/** Which of our bots makes what this one does not, if one does. */
function whereElse(talk: Talk, { about }: Doubt): string | null {
  if (about.reason !== 'other_type') return null;
  const name = sistersOf(talk).get(about.asked);
  return name === undefined ? null : ` ${name} makes ${PLURAL[about.asked]}.`;
}

function withoutJob(draft: Draft): Draft {
  return { ...draft, fields: merge(draft.fields, { from_job: null }) };
}

async function submit(talk: Talk, draft: Draft): Promise<void> {
  const { event, now } = talk;
  const request = JobRequest.safeParse(toRequest(draft));
  if (!request.success) {
    talk.say(`I cannot do that: ${describeIssue(request.error.issues)}. ${WORDS.notCharged}`);
    return;
  }
  const submitted = await submitSettled(talk, request.data);
  if (!submitted.ok) {
    const { text, choices, upgrade } = excuseRefusal(submitted.error, draft, now);
    const id = talk.keepId();
    const userId = event.user.id;
    const kept = toRefusedDraft(draft, choices);
    if (choices.length > 0) {
      talk.changes.push({ kind: 'keep', id, kept: { kind: 'draft', userId, draft: kept } });
    }
    const { buttons } = doubtReply(kept.doubts[0]!, id, userId);
    const plans = upgrade ? linkButtons(WORDS.seePlans, talk.plansUrl) : [];
    talk.say(sayReply(text, { buttons: [...buttons, ...plans], ownerId: userId }));
    return;
  }
  const { record, waiting, progress } = submitted.value.job;
  talk.jobId = record.id;
  talk.changes.push({ kind: 'last_job', userId: event.user.id, jobId: record.id });
  talk.say(progressReply({ record, waiting, progress, now, sister: null }), record.id);
  await hintWhenLow(talk, record);
}

/**
 * Submits. Ends of jobs reach the account in rounds, so one that the user has seen the end of may
 * count as open for a moment: what is refused for that is tried again once they are settled.
 */
async function submitSettled(
  { env, event, credential, now, requestId, orderKey }: Talk,
  request: JobRequest,
): Promise<Result<SubmittedJob, SubmitRefusal>> {
  const submission = {
    ...{ credential, request, requestId, now, idempotencyKey: orderKey },
    notices: [{ kind: 'chat', courier: event.botId, chat: event.chat } as const],
  };
  const first = await submitJob(env, submission);
  if (first.ok || first.error.reason !== 'too_many_jobs') return first;
  await scheduler.wait(SETTLED_MS);
  return submitJob(env, submission);
}

/** The request of a draft; its words are called otherwise for speech, and in a conversation. */
function toRequest({ type, fields }: Draft): object {
  const { answered, prompt, ...others } = fields;
  if (type === 'transcription') return { type, ...others };
  if (type === 'speech') return { type, input: prompt, ...others };
  if (type !== 'text' || !answered) return { type, prompt, ...others };
  const messages = [
    { role: 'assistant', content: answered },
    { role: 'user', content: prompt },
  ];
  return { type, messages, ...others };
}

/** Once a day, when this job takes the account below its last fifth. */
async function hintWhenLow(talk: Talk, { heldMillitokens }: JobRecord): Promise<void> {
  const balance = await talk.balance();
  // A hint is worth no excuse.
  if (!balance.ok) return;
  const { availableMillitokens, limitMillitokens } = balance.value;
  const low = limitMillitokens * LOW_SHARE;
  const before = availableMillitokens + heldMillitokens;
  if (availableMillitokens >= low || before < low) return;
  talk.say(lowReply(balance.value, talk.plansUrl));
}

/** The draft with the file that came with it; null when that did not do, which was said. */
async function withFile(
  talk: Talk,
  draft: Draft,
  attachments: readonly Attachment[],
): Promise<Draft | null> {
  const sound = draft.type === 'transcription';
  if (!sound && draft.type !== 'image' && draft.type !== 'video') return draft;
  const fits = ({ kind }: Attachment) =>
    sound ? kind === 'voice' || kind === 'audio' : kind === 'picture';
  const attachment = attachments.find(fits);
  if (!attachment) {
    if (attachments.length === 0) return draft;
    const isSound = attachments.some(({ kind }) => kind === 'voice' || kind === 'audio');
    const writer = isSound ? sistersOf(talk).get('transcription') : undefined;
    const where = writer === undefined ? '' : ` ${writer} writes down recordings.`;
    talk.say(`${WORDS.notMine(draft.type)}${where}`);
    return null;
  }
  const { env, bot, credential, now } = talk;
  const stored = await talk.memory.once('file', async () => {
    const file = await fetchAttachment(
      env,
      {
        bot,
        accountId: credential.accountId,
        purpose: sound ? 'audio' : 'image',
        source: attachment.source,
        name: attachment.name,
      },
      now,
    );
    // Worth a repeat of all, later; anything else is told.
    if (!file.ok && file.error.reason === 'not_fetched' && file.error.mayRepeat) {
      throw new Error('the platform did not give the file');
    }
    return file;
  });
  if (!stored.ok) {
    talk.say(`${excuseFile(stored.error)} ${WORDS.notCharged}`);
    return null;
  }
  const field = sound ? 'file' : 'input_image';
  return { ...draft, fields: merge(draft.fields, { [field]: stored.value.id }) };
}

function describeIssue(issues: readonly z.core.$ZodIssue[]): string {
  const [issue] = issues;
  if (!issue) return 'it is not valid';
  const [field] = issue.path;
  const isWords = field === 'prompt' || field === 'input' || field === 'negative_prompt';
  if (isWords && issue.code === 'too_big' && typeof issue.maximum === 'number') {
    return `your words are too long, ${issue.maximum.toLocaleString('en')} characters are the most`;
  }
  return `${issue.path.join('.').replaceAll('_', ' ')}: ${issue.message.toLowerCase()}`;
}
