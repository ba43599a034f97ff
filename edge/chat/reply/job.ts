/**
 * What a bot says of a job: while it waits and runs, and how it ended. Shows what was understood,
 * the place in the queue and why, and what it cost. Pure.
 */
import type { Progress } from '#schema/api.ts';
import type { Artifact } from '#schema/artifact.ts';
import { CONTENT_TYPES } from '#schema/artifact.ts';
import type { JobSpec } from '#schema/job.ts';
import { findModel } from '#schema/model.ts';
import type { JobRecord, JobWaiting } from '#schema/record.ts';
import type { Button, JobDeed, Media, Reply, Span } from '../message.ts';
import {
  describeSpec,
  drawBar,
  formatRange,
  formatTokens,
  formatTook,
  shorten,
  THING,
  wordsOf,
} from './format.ts';
import { FAILURES, WORDS } from './words.ts';

const QUOTE_CHARS_MAX = 280;
/** Of a message's limit, what is left beside the figures. */
const TEXT_CHARS_MAX = 3600;

export interface JobNews {
  readonly record: JobRecord;
  readonly waiting: JobWaiting | null;
  readonly progress: Progress | null;
  /** Epoch ms. */
  readonly now: number;
  /** A bot of the same type that is free just now, when this one is not. */
  readonly sister: { readonly name: string; readonly url: string | null } | null;
}

/** A job that waits or runs. */
export function progressReply({ record, waiting, progress, now, sister }: JobNews): Reply {
  const text: Span[] = [...quoteWords(record.spec)];
  text.push(`${describeSpec(record.spec)} · ${formatTokens(record.heldMillitokens)}\n`);
  text.push({ kind: 'bold', text: headline(record, waiting, progress) });
  const more = explain(record, { waiting, progress, now });
  if (more !== '') text.push(`\n${more}`);
  if (sister) {
    text.push('\nI am very busy. Free just now: ');
    text.push(
      sister.url === null ? sister.name : { kind: 'link', text: sister.name, url: sister.url },
    );
  }
  const buttons =
    record.cancelRequestedAt === null ? [[jobButton(WORDS.cancel, 'cancel', record.id)]] : [];
  return { text, buttons, media: [], isPrivate: false, ownerId: ownerOf(record) };
}

function headline(
  { status, cancelRequestedAt }: JobRecord,
  waiting: JobWaiting | null,
  progress: Progress | null,
): string {
  if (cancelRequestedAt !== null) return WORDS.stopping;
  if (status !== 'running') {
    return waiting ? `Number ${waiting.position} in line` : WORDS.sent;
  }
  if (!progress) return `${WORDS.working}…`;
  switch (progress.stage) {
    case 'loading':
      return 'Loading the model…';
    case 'running':
      return `${drawBar(progress.fraction)} ${Math.round(progress.fraction * 100)}%`;
    case 'uploading':
      return 'Almost there…';
  }
}

function explain(
  record: JobRecord,
  { waiting, progress, now }: Pick<JobNews, 'waiting' | 'progress' | 'now'>,
): string {
  if (record.status === 'running') {
    const isSampling = progress?.stage === 'running' && progress.step !== null && progress.steps;
    const step = isSampling ? `Step ${progress.step} of ${progress.steps}` : '';
    const again = record.attempt > 1 ? `Attempt ${record.attempt}: the one before broke off` : '';
    return [step, again].filter((part) => part !== '').join(' · ');
  }
  if (!waiting) return record.attempt > 0 ? 'It is tried again: the machine went away.' : '';
  const { earliestStartAt, latestStartAt, reason } = waiting;
  if (earliestStartAt === null || latestStartAt === null) return reason;
  return `Starts ${formatRange(earliestStartAt - now, latestStartAt - now)}. ${reason}`;
}

export interface JobEnd {
  readonly record: JobRecord;
  /** Content of the result where it is text, to be shown itself. */
  readonly text: string | null;
}

/** A job that has ended: its result, why it failed, or that it was cancelled. */
export function endReply({ record, text }: JobEnd): Reply {
  switch (record.status) {
    case 'completed':
      return resultReply(record, text);
    case 'failed':
      return failureReply(record);
    case 'cancelled':
    case 'created':
    case 'queued':
    case 'running':
      return cancelledReply(record);
  }
}

function resultReply(record: JobRecord, text: string | null): Reply {
  const { spec } = record;
  const figures = [describeSpec(spec), formatTokens(record.settledMillitokens ?? 0)];
  if (record.startedAt !== null && record.finishedAt !== null) {
    figures.splice(1, 0, formatTook(record.finishedAt - record.startedAt));
  }
  const shown: Span[] = text === null ? quoteWords(spec) : [`${shorten(text, TEXT_CHARS_MAX)}\n\n`];
  return {
    text: [...shown, { kind: 'italic', text: figures.join(' · ') }],
    buttons: resultButtons(record),
    media: text === null ? record.artifacts.map((artifact) => toMedia(record, artifact)) : [],
    isPrivate: false,
    ownerId: ownerOf(record),
  };
}

/** The buttons under a result: what its model can do with it. */
function resultButtons(record: JobRecord): Button[][] {
  const { id, spec } = record;
  const takes = findModel(spec.model)?.accepts ?? [];
  const make: Button[] = [];
  const [vary, upscale]: [Button[], Button[]] = [[], []];
  if (spec.type !== 'transcription') make.push(jobButton(WORDS.again, 'again', id));
  if (spec.type === 'image' && takes.includes('input_image')) {
    vary.push(...eachButton(WORDS.vary, 'vary', record));
    if (takes.includes('upscale') && spec.upscale === 1) {
      upscale.push(...eachButton(WORDS.upscale, 'upscale', record));
    }
  }
  const single = record.artifacts.length < 2;
  const rows = single ? [[...make, ...vary, ...upscale]] : [make, vary, upscale];
  const keep: Button[] = [];
  if (spec.type === 'image' || spec.type === 'video' || spec.type === 'music') {
    keep.push(jobButton(WORDS.edit, 'edit', id));
  }
  if (spec.type === 'image' || spec.type === 'video') {
    keep.push(jobButton(WORDS.publish, 'publish', id));
  }
  keep.push({ ...jobButton(WORDS.remove, 'delete', id), look: 'danger' });
  return [...rows, keep].filter((row) => row.length > 0);
}

/** The same for each picture, numbered where there are several. */
function eachButton(label: string, deed: JobDeed, { id, artifacts }: JobRecord): Button[] {
  if (artifacts.length < 2) return [jobButton(label, deed, id)];
  return artifacts.map(({ index }) => jobButton(`${label} ${index + 1}`, deed, id, index));
}

function failureReply(record: JobRecord): Reply {
  const code = record.error?.code ?? 'job_failed';
  const why = FAILURES[code] ?? record.error?.message ?? FAILURES.job_failed!;
  const text: Span[] = [
    ...quoteWords(record.spec),
    { kind: 'bold', text: `No ${THING[record.spec.type]} this time.` },
    ` ${why} ${WORDS.notCharged}`,
  ];
  const canRetry = !['content_blocked', 'input_unreadable', 'result_too_large'].includes(code);
  return {
    text,
    buttons: canRetry ? [[{ ...jobButton(WORDS.retry, 'retry', record.id), look: 'main' }]] : [],
    media: [],
    isPrivate: false,
    ownerId: ownerOf(record),
  };
}

function cancelledReply(record: JobRecord): Reply {
  const cost = record.settledMillitokens ?? 0;
  const charged = cost === 0 ? WORDS.notCharged : `What was done of it cost ${formatTokens(cost)}.`;
  return {
    text: [...quoteWords(record.spec), { kind: 'bold', text: WORDS.cancelled }, ` ${charged}`],
    buttons: [[jobButton('Make it after all', 'retry', record.id)]],
    media: [],
    isPrivate: false,
    ownerId: ownerOf(record),
  };
}

function quoteWords(spec: JobSpec): Span[] {
  const words = wordsOf(spec);
  if (words === null || words.trim() === '') return [];
  const without = 'negative_prompt' in spec ? spec.negative_prompt : '';
  const more = without === '' ? '' : `\nwithout ${shorten(without, 100)}`;
  return [{ kind: 'quote', text: `${shorten(words, QUOTE_CHARS_MAX)}${more}` }];
}

/** A button that does something with a job. */
export function jobButton(label: string, deed: JobDeed, ...[jobId, index = 0]: [string, number?]) {
  return { label, action: { kind: 'job', deed, jobId, index } as const };
}

/** The user in whose chat the job was asked for. */
function ownerOf(record: JobRecord): string | null {
  const notice = record.notices.find(({ kind }) => kind === 'chat');
  return notice?.kind === 'chat' ? notice.chat.userId : null;
}

function toMedia(record: JobRecord, artifact: Artifact): Media {
  const [, ulid = 'result'] = record.id.split('_');
  const ending = CONTENT_TYPES[artifact.contentType];
  return { as: shapeOf(record, artifact), name: `${ulid}-${artifact.index}.${ending}`, artifact };
}

function shapeOf({ spec }: JobRecord, { contentType }: Artifact): Media['as'] {
  if (contentType.startsWith('image/')) return 'picture';
  if (contentType.startsWith('video/')) return 'video';
  if (contentType.startsWith('audio/')) return spec.type === 'speech' ? 'voice' : 'audio';
  return 'document';
}
