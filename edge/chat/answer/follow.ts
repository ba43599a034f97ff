/**
 * A change to a picture of ours, in words: "make it darker", "with a red hat". It is made of that
 * picture, with these words added to its own, and all else as it was unless said otherwise.
 */
import { copyResult } from '../../services/copy-result.ts';
import { findJob } from '../../services/find-job.ts';
import type { Draft } from '../command/draft.ts';
import { merge } from '../command/draft.ts';
import { excuseCopy, excuseFind } from '../refusal.ts';
import { wordsOf } from '../reply/format.ts';
import { WORDS } from '../reply/words.ts';
import { toDraft } from './redo.ts';
import type { Talk } from './talk.ts';

/** How far a change may go from its picture. */
const CHANGE_STRENGTH = 0.65;
/** What asks for a change without saying which. */
const ASKING =
  /^(?:(?:please|now|and|but|then)[\s,]+)*(?:make|turn|change|render|draw|paint|do|give|put)?\s*(?:\b(?:it|this|that|them)\s+(?!is\b|was\b|are\b|looks?\b))?(?:(?:in)?to\s+)?/i;

/**
 * The draft with all that its picture's job has; `foreign` when that is not the user's, null when
 * it does not do, which was said.
 */
export async function follow(talk: Talk, draft: Draft): Promise<Draft | 'foreign' | null> {
  const { env, credential, now, memory } = talk;
  const { accountId } = credential;
  const { from_job: jobId, prompt = '', ...change } = draft.fields;
  if (!jobId) return draft;
  const found = await findJob(env, { jobId, accountId });
  if (!found.ok) {
    if (found.error.reason === 'job_not_found') return 'foreign';
    talk.note(excuseFind(found.error));
    return null;
  }
  const { spec, status } = found.value.record;
  if (spec.type !== 'image') return 'foreign';
  if (status !== 'completed') {
    talk.note(WORDS.notReady);
    return null;
  }
  const copied = await memory.once('copy', () =>
    copyResult(env, { accountId, jobId, index: 0 }, now),
  );
  if (!copied.ok) {
    talk.note(excuseCopy(copied.error));
    return null;
  }
  const known = toDraft(spec, { seed: null, count: null, upscale: null }).fields;
  const words = [wordsOf(spec) ?? '', prompt.replace(ASKING, '')].filter((part) => part !== '');
  const fields = merge(known, {
    ...{ strength: CHANGE_STRENGTH, ...change },
    ...{ prompt: words.join(', '), input_image: copied.value.id },
  });
  // Settings alone are a change too: the words are there.
  const doubts = draft.doubts.filter(({ about }) => about.reason !== 'no_prompt');
  return { type: draft.type, fields, doubts };
}
