/**
 * From a draft to a job: asks about doubts, fetches what was sent with it, submits, and shows
 * what was understood with the place in the queue; or says why not and what could be done.
 */
import { JobRequest } from '#schema/job.ts';
import type { JobRecord } from '#schema/record.ts';
import { fetchAttachment } from '../../services/fetch-attachment.ts';
import { submitJob } from '../../services/submit-job.ts';
import type { Draft } from '../command/draft.ts';
import { merge } from '../command/draft.ts';
import type { Attachment } from '../event.ts';
import { excuseFile, excuseRefusal, toRefusedDraft } from '../refusal.ts';
import { progressReply } from '../reply/job.ts';
import { WORDS } from '../reply/words.ts';
import { doubtReply, linkButtons, lowReply, sayReply } from '../reply.ts';
import type { Talk } from './talk.ts';

/** The hint comes when less than this share of the day's tokens is left. */
const LOW_SHARE = 0.2;

/** Submits the draft, or asks the first of its doubts. */
export async function submitDraft(
  talk: Talk,
  draft: Draft,
  attachments: readonly Attachment[] = [],
): Promise<void> {
  const ready = await withFile(talk, draft, attachments);
  if (!ready) return;
  const [doubt] = ready.doubts;
  if (doubt) {
    const id = talk.keepId();
    const userId = talk.event.user.id;
    if (doubt.choices.length > 0) {
      talk.changes.push({ kind: 'keep', id, kept: { kind: 'draft', userId, draft: ready } });
    }
    talk.say(doubtReply(doubt, id, userId));
    return;
  }
  await submit(talk, ready);
}

async function submit(talk: Talk, draft: Draft): Promise<void> {
  const { env, event, credential, now, requestId } = talk;
  const request = JobRequest.safeParse(toRequest(draft));
  if (!request.success) {
    talk.say(`I cannot do that: ${describeIssue(request.error.issues)}. ${WORDS.notCharged}`);
    return;
  }
  const submitted = await submitJob(env, {
    credential,
    request: request.data,
    idempotencyKey: event.id,
    requestId,
    now,
    notices: [{ kind: 'chat', courier: event.botId, chat: event.chat }],
  });
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
  talk.changes.push({ kind: 'last_job', userId: event.user.id, jobId: record.id });
  talk.say(progressReply({ record, waiting, progress, now, sister: null }), record.id);
  await hintWhenLow(talk, record);
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
    talk.say(WORDS.notMine(draft.type));
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

function describeIssue(issues: readonly { path: PropertyKey[]; message: string }[]): string {
  const [issue] = issues;
  if (!issue) return 'it is not valid';
  return `${issue.path.join('.').replaceAll('_', ' ')}: ${issue.message.toLowerCase()}`;
}
