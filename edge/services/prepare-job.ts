/**
 * From a parsed request to what the Account is asked: resolves the model, checks the parameters
 * against it, fills in the defaults. Shared by submit and quote. Knows no plan: whether the
 * account may use the model is the Account's decision.
 */
import type { JobId } from '#schema/id.ts';
import { toSpec } from '#schema/job.ts';
import type { JobRequest, JobSpec } from '#schema/job.ts';
import { findModel, modelsOf } from '#schema/model.ts';
import type { JobType, Model, OptionalParameter } from '#schema/model.ts';
import type { Notice } from '#schema/record.ts';
import { findEmptied, neutralise } from '../core/prompt.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { AccessRefusal, SubmitInput } from '../rpc/account.ts';
import type { PoolSurvey } from '../rpc/scheduler.ts';
import { makeJobId } from '../io/id.ts';
import { hashSha256, makeSeed } from '../io/token.ts';
import type { Credential } from './authenticate.ts';
import { checkFiles } from './check-files.ts';
import type { UnknownFile } from './check-files.ts';
import { checkWebhook } from './check-webhook.ts';
import type { WebhookRefused } from './check-webhook.ts';
import { moderatePrompt } from './moderate-prompt.ts';
import type { ContentRefusal } from './moderate-prompt.ts';
import { pickPool } from './pick-pool.ts';
import { surveyPool } from './survey-pool.ts';

/** Why a request that parses cannot be a job. */
export type ParameterRefusal =
  | {
      readonly reason: 'unknown_model';
      readonly model: string;
      readonly type: JobType;
      readonly known: readonly string[];
    }
  | {
      readonly reason: 'unsupported_parameter';
      readonly field: string;
      readonly model: string;
      readonly accepts: readonly string[];
    }
  | {
      readonly reason: 'over_model_limit';
      readonly field: string;
      readonly model: string;
      readonly limit: number;
      readonly value: number;
    }
  | UnknownFile
  | WebhookRefused
  /** It had commands for a front end only. */
  | { readonly reason: 'empty_text'; readonly field: string }
  | {
      readonly reason: 'not_offered';
      readonly field: string;
      readonly model: string;
      readonly value: string;
      readonly offered: readonly string[];
    };

/** Why a request is not put to the Account. */
export type PrepareRefusal = ParameterRefusal | ContentRefusal | AccessRefusal;

export interface SubmitRequest {
  readonly credential: Credential;
  readonly request: JobRequest;
  readonly idempotencyKey: string | null;
  readonly requestId: string;
  readonly now: number;
  readonly notices?: readonly Notice[];
}

/** The Account's input for a request, or why there can be none. */
export async function prepareJob(
  env: Env,
  { credential, request, idempotencyKey, requestId, now, notices = [] }: SubmitRequest,
): Promise<Result<SubmitInput, PrepareRefusal>> {
  const pool = pickPool(env.pools, credential.accountId);
  const survey = request.model === undefined ? await surveyPool(env, pool, now) : null;
  const model = resolveModel(request, survey);
  if (!model) {
    const known = modelsOf(request.type).map(({ id }) => id);
    return fail({ reason: 'unknown_model', model: request.model ?? '', type: request.type, known });
  }
  const sent = toSpec(request, model, makeSeed());
  const spec = neutralise(sent);
  const refusal =
    findEmpty(sent, spec) ??
    findUnsupported(request, model) ??
    findOverLimit(spec, model) ??
    findNotOffered(spec, model);
  if (refusal) return fail(refusal);
  const told = checkWebhook(env, credential.accountId, request.webhook);
  if (!told.ok) return told;
  const checked = await checkFiles(env, { spec, accountId: credential.accountId }, now);
  if (!checked.ok) return checked;
  const moderated = await moderatePrompt(env, { credential, spec, requestId, now });
  if (!moderated.ok) return moderated;
  const jobId: JobId = makeJobId(pool, now);
  return ok({
    jobId,
    pool,
    spec: checked.value,
    metadata: request.metadata ?? {},
    deadlineS: request.deadline_s ?? null,
    idempotencyKey,
    bodyHash: idempotencyKey === null ? '' : await hashSha256(toCanonicalJson(request)),
    requestId,
    notices: [...notices, ...told.value],
  });
}

function findEmpty(sent: JobSpec, spec: JobSpec): ParameterRefusal | null {
  const field = findEmptied(sent, spec);
  return field === null ? null : { reason: 'empty_text', field };
}

/** The model named, or the best of the type: it takes what is asked, is online, is for all. */
export function resolveModel(request: JobRequest, survey: PoolSurvey | null): Model | undefined {
  if (request.model !== undefined) {
    const model = findModel(request.model);
    return model?.type === request.type ? model : undefined;
  }
  const all = modelsOf(request.type);
  const fit = all.filter((model) => findUnsupported(request, model) === null);
  const candidates = fit.length > 0 ? fit : all;
  const online = candidates.filter(({ id }) => (survey?.models[id] ?? 'offline') !== 'offline');
  // Just after a restart of ours no agent has been heard of again.
  const recent = candidates.filter(({ id }) => survey?.recent.includes(id));
  const first = online.length > 0 ? online : recent;
  return first.find(({ plan }) => plan === 'free') ?? first[0] ?? candidates[0];
}

/** Every OptionalParameter, once: the compiler keeps the two in step. */
const OPTIONAL: Readonly<Record<OptionalParameter, true>> = {
  negative_prompt: true,
  guidance: true,
  input_image: true,
  mask: true,
  strength: true,
  loras: true,
  upscale: true,
  lyrics: true,
  language: true,
  translate: true,
  json: true,
};

function findUnsupported(request: JobRequest, model: Model): ParameterRefusal | null {
  for (const [field, value] of Object.entries(request)) {
    // A form's empty text asks for nothing.
    if (!Object.hasOwn(OPTIONAL, field) || value === undefined || value === '') continue;
    if (model.accepts.includes(field as OptionalParameter)) continue;
    return { reason: 'unsupported_parameter', field, model: model.id, accepts: model.accepts };
  }
  return null;
}

function findOverLimit(spec: JobSpec, model: Model): ParameterRefusal | null {
  const bounds: { field: string; value: number; limit: number }[] = [];
  if (spec.type === 'image' || spec.type === 'video') {
    bounds.push(
      { field: 'width', value: spec.width, limit: model.sidePxMax },
      { field: 'height', value: spec.height, limit: model.sidePxMax },
      { field: 'steps', value: spec.steps, limit: model.stepsMax },
    );
  }
  if (spec.type === 'text') {
    bounds.push({ field: 'max_tokens', value: spec.max_tokens, limit: model.maxTokens });
  }
  const over = bounds.find(({ value, limit }) => value > limit);
  return over ? { reason: 'over_model_limit', model: model.id, ...over } : null;
}

/** A format or voice that the model does not have; a model that lists no voice takes any. */
function findNotOffered(spec: JobSpec, model: Model): ParameterRefusal | null {
  const choices: { field: string; value: string; offered: readonly string[] }[] = [];
  if (spec.type === 'speech' || spec.type === 'music') {
    choices.push({ field: 'format', value: spec.format, offered: model.formats });
  }
  if (spec.type === 'speech' && model.voices.length > 0) {
    choices.push({ field: 'voice', value: spec.voice, offered: model.voices });
  }
  const odd = choices.find(({ value, offered }) => !offered.includes(value));
  return odd ? { reason: 'not_offered', model: model.id, ...odd } : null;
}

/** JSON with sorted keys: equal requests give equal texts. */
export function toCanonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    item !== null && typeof item === 'object' && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
