/**
 * Why a request was not taken, in plain words: one exhaustive map from refusals to replies, no
 * default. Where another request would do, it is offered as a choice; nothing was charged in any
 * case. The words of a blocked request are not repeated.
 */
import type { JobType } from '#schema/model.ts';
import { findModel, modelsOf } from '#schema/model.ts';
import { PLANS } from '#schema/plan.ts';
import type { PlanId } from '#schema/plan.ts';
import type { AccessRefusal } from '../rpc/account.ts';
import type { CopyRefusal } from '../services/copy-result.ts';
import type { FetchRefusal } from '../services/fetch-attachment.ts';
import type { FindRefusal } from '../services/find-job.ts';
import type { SubmitRefusal } from '../services/submit-job.ts';
import type { Choice, Draft, Fields } from './command/draft.ts';
import { merge } from './command/draft.ts';
import { nameField } from './command/setting.ts';
import type { Span } from './message.ts';
import { formatSpan, formatTokens } from './reply/format.ts';
import { WORDS } from './reply/words.ts';

/** What is said about a refusal, and what could be done instead. */
export interface Excuse {
  readonly text: readonly Span[];
  /** Changes to the request, each of which may help. */
  readonly choices: readonly Choice[];
  /** A higher plan would help. */
  readonly upgrade: boolean;
}

const MIB = 1024 * 1024;
const AGAIN: Choice = { label: WORDS.retry, fields: {} };

function excuse(text: string, choices: readonly Choice[] = [], upgrade = false): Excuse {
  return { text: [text, ` ${WORDS.notCharged}`], choices, upgrade };
}

/** See above. `now` is epoch ms. */
export function excuseRefusal(refusal: SubmitRefusal, draft: Draft, now: number): Excuse {
  switch (refusal.reason) {
    case 'tokens_exhausted': {
      const { neededMillitokens, availableMillitokens, limitMillitokens, renewsAt } = refusal;
      const text =
        `This costs ${formatTokens(neededMillitokens)}, and you have ` +
        `${formatTokens(availableMillitokens)} left of today's ${formatTokens(limitMillitokens)}. ` +
        `New ones come in ${formatSpan(renewsAt - now)} (00:00 UTC).`;
      return excuse(text, smaller(draft, availableMillitokens / neededMillitokens), true);
    }
    case 'plan_required':
      return excuse(
        `Your plan does not include ${refusal.what}: that needs ${PLANS[refusal.needed].title}.`,
        otherModels(draft),
        true,
      );
    case 'side_over_plan':
      return excuseSize(refusal);
    case 'too_many_jobs':
      return excuse(
        `You have ${refusal.limit} jobs under way, which is the most of your plan. Wait for one to end, or /cancel one.`,
        [AGAIN],
      );
    case 'rate_limited':
      return excuse(tooFast(refusal), [AGAIN]);
    case 'queue_full':
      return excuse(
        `The queue is full just now. Try again in ${formatSpan(refusal.retryAfterMs)}.`,
        [AGAIN],
      );
    case 'deadline_unreachable':
      return excuse('It would not start in time.', [AGAIN]);
    case 'no_agent':
      return excuse(explainNoAgent(refusal, draft), [...onlineModels(draft, refusal), AGAIN]);
    case 'content_blocked':
      return excuse('This is against the rules. Please ask for something else.');
    case 'moderation_unavailable':
      return excuse('I cannot check requests just now.', [AGAIN]);
    case 'account_blocked':
      return excuse(WORDS.blocked);
    case 'job_not_found':
    case 'history_unavailable':
    case 'idempotency_conflict':
      return excuse(WORDS.historyAway);
    case 'unauthorized':
    case 'key_expired':
    case 'scope_required':
    case 'model_not_allowed':
    case 'key_budget_exhausted':
    case 'webhook_refused':
      // Of callers with keys alone, which a bot has none of.
      return excuse(WORDS.broken, [AGAIN]);
    case 'unknown_model':
    case 'unsupported_parameter':
    case 'over_model_limit':
    case 'not_offered':
    case 'empty_text':
    case 'unknown_file':
      return excuseParameter(refusal, draft);
  }
}

/** Who named no model is told what kept those away that are on. */
function explainNoAgent(
  { model, online }: { readonly model: string; readonly online: readonly string[] },
  draft: Draft,
): string {
  const { type, fields } = draft;
  const on = modelsOf(type).filter(({ id }) => online.includes(id));
  if (fields.model !== undefined || on.length === 0) {
    return `No machine that can run ${model} is on just now.`;
  }
  const lacking = OPTIONAL.filter(
    (name) => (fields[name] ?? null) !== null && on.every(({ accepts }) => !takes(accepts, name)),
  );
  const what = lacking.map(nameField).join(' and ');
  if (what === '') return `No machine that can run ${model} is on just now.`;
  const wish = fields.negative_prompt ? ` (“${fields.negative_prompt}”)` : '';
  return `Of the models that are on just now, none takes a ${what}${wish}.`;
}

function takes(accepts: readonly string[], name: string): boolean {
  return accepts.includes(name);
}

type ParameterRefusal = Extract<
  SubmitRefusal,
  {
    readonly reason:
      | 'unknown_model'
      | 'unsupported_parameter'
      | 'over_model_limit'
      | 'not_offered'
      | 'empty_text'
      | 'unknown_file';
  }
>;

function excuseParameter(refusal: ParameterRefusal, draft: Draft): Excuse {
  switch (refusal.reason) {
    case 'unknown_model': {
      const choices = refusal.known.map((model) => ({ label: model, fields: { model } }));
      return excuse(`I know no such model.`, choices);
    }
    case 'unsupported_parameter': {
      const { field, model } = refusal;
      const leave: Choice = { label: `Without ${nameField(field)}`, fields: { [field]: null } };
      return excuse(`The model ${model} takes no ${nameField(field)}.`, [
        leave,
        ...otherModels(draft),
      ]);
    }
    case 'over_model_limit': {
      const { field, limit, model, value } = refusal;
      const least: Choice = { label: `${nameField(field)} ${limit}`, fields: { [field]: limit } };
      return excuse(
        `For ${model}, ${nameField(field)} ${value} is too much: ${limit} is the most.`,
        [least],
      );
    }
    case 'not_offered': {
      const { field, model, offered } = refusal;
      const choices = offered.map((label) => ({ label, fields: { [field]: label } }));
      return excuse(`${model} does not have that ${nameField(field)}.`, choices);
    }
    case 'empty_text':
      return excuse('There is nothing left of your words but commands for other programs.');
    case 'unknown_file':
      return excuse('Your file is gone or of the wrong kind. Please send it again.');
  }
}

function excuseSize(refusal: {
  readonly field: string;
  readonly limit: number;
  readonly value: number;
  readonly needed: PlanId | null;
}): Excuse {
  const { field, limit, value, needed } = refusal;
  const text =
    needed === null
      ? `${value} is more than I can make: ${limit} is the most.`
      : `A ${field} of ${value} needs ${PLANS[needed].title}: with your plan, ${limit} is the most.`;
  const within: Fields = { width: limit, height: limit, upscale: null };
  return excuse(text, [{ label: `${limit}x${limit}`, fields: within }], needed !== null);
}

/** A smaller size that the tokens left still pay for. */
function smaller({ type, fields }: Draft, share: number): Choice[] {
  if (type !== 'image' || !(share > 0)) return [];
  const { width = 1024, height = 1024 } = fields;
  const scale = Math.sqrt(share);
  const [x, y] = [(width ?? 1024) * scale, (height ?? 1024) * scale].map(
    (side) => Math.floor(side / 8) * 8,
  ) as [number, number];
  if (Math.min(x, y) < 256) return [];
  return [{ label: `Make it ${x}x${y}`, fields: { width: x, height: y } }];
}

/** Models of the type that every plan may use. */
function otherModels({ type, fields }: Draft): Choice[] {
  const free = modelsOf(type).filter(({ id, plan }) => plan === 'free' && id !== fields.model);
  return free.slice(0, 2).map(({ id }) => toModel(id, fields));
}

/** Models that are on, with what they take of the request. */
function onlineModels(
  { type, fields }: Draft,
  { online }: { readonly online: readonly string[] },
): Choice[] {
  const ids = modelsOf(type).map(({ id }) => id);
  return ids
    .filter((id) => online.includes(id))
    .slice(0, 3)
    .map((id) => toModel(id, fields));
}

/** A model, without what it does not take: the label says so. */
function toModel(id: string, fields: Fields): Choice {
  const accepts: readonly string[] = findModel(id)?.accepts ?? [];
  const dropped = OPTIONAL.filter((name) => {
    const given = fields[name];
    return given !== undefined && given !== null && !accepts.includes(name);
  });
  const without = dropped.length === 0 ? '' : ` without ${dropped.map(nameField).join(', ')}`;
  const taken = Object.fromEntries(dropped.map((name) => [name, null]));
  return { label: `Use ${id}${without}`, fields: { ...taken, model: id } };
}

const OPTIONAL = [
  'negative_prompt',
  'guidance',
  'input_image',
  'strength',
  'upscale',
  'lyrics',
  'language',
  'translate',
] as const satisfies readonly (keyof Fields)[];

/** The refused request as a question with these choices, to be kept. */
export function toRefusedDraft(draft: Draft, choices: readonly Choice[]): Draft {
  const about = { reason: 'no_prompt', type: draft.type } as const;
  return { type: draft.type, fields: merge({}, draft.fields), doubts: [{ about, choices }] };
}

/** Why a user is not told of their account. */
export function excuseAccess(refusal: AccessRefusal): string {
  switch (refusal.reason) {
    case 'account_blocked':
      return WORDS.blocked;
    case 'rate_limited':
      return tooFast(refusal);
    case 'unauthorized':
    case 'key_expired':
    case 'plan_required':
    case 'scope_required':
      // Of callers with keys alone.
      return WORDS.broken;
  }
}

function tooFast({ retryAfterMs }: { readonly retryAfterMs: number }): string {
  return `That was a bit fast. Try again in ${formatSpan(retryAfterMs)}.`;
}

/** Why a job was not found. */
export function excuseFind({ reason }: FindRefusal): string {
  switch (reason) {
    case 'job_not_found':
      return WORDS.gone;
    case 'history_unavailable':
      return WORDS.historyAway;
  }
}

/** Why a file was not taken. */
export function excuseFile(refusal: FetchRefusal): string {
  switch (refusal.reason) {
    case 'file_too_large':
      return `That file is too large for me: ${Math.floor(refusal.limit / MIB)} MB is the most.`;
    case 'not_fetched':
    case 'body_cut_short':
      return WORDS.fileUnread;
    case 'unsupported_file':
      return 'I cannot read files of that kind. Try JPEG or PNG for pictures, OGG or MP3 for sound.';
    case 'file_unreadable':
      return 'That file is damaged: I cannot read it.';
    case 'file_out_of_bounds':
      return 'That picture has too many or too few pixels for me, or the recording is too long.';
    case 'too_many_files':
      return `I keep no more files of yours for now. Try again in ${formatSpan(refusal.retryAfterMs)}.`;
  }
}

/** Why nothing can be made of a result. */
export function excuseCopy(refusal: CopyRefusal): string {
  switch (refusal.reason) {
    case 'job_not_found':
    case 'no_such_result':
      return WORDS.gone;
    case 'history_unavailable':
      return WORDS.historyAway;
    case 'file_too_large':
    case 'body_cut_short':
    case 'unsupported_file':
    case 'file_unreadable':
    case 'file_out_of_bounds':
    case 'too_many_files':
      return excuseFile(refusal);
  }
}

/** Why a bot of this type may not be used in a chat, or null when it may. */
export function excuseRule(
  rule: { readonly off: boolean; readonly offTypes: readonly JobType[] },
  type: JobType,
): string | null {
  return rule.off || rule.offTypes.includes(type) ? WORDS.notAllowedHere : null;
}
