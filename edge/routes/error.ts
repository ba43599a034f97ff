/** What each refusal is on HTTP: one exhaustive map per union, no default. */
import { ERRORS } from '#schema/error.ts';
import { CONTENT_CATEGORIES } from '#schema/moderation.ts';
import { toTokens } from '#schema/price.ts';
import type { AccessRefusal, AdmissionRefusal } from '../rpc/account.ts';
import type { AgentRefusal } from '../rpc/scheduler.ts';
import type { ForeignArtifact } from '../services/end-attempt.ts';
import type { WebhookRefused } from '../services/check-webhook.ts';
import type { FindRefusal } from '../services/find-job.ts';
import type { FollowRefusal } from '../services/follow-job.ts';
import type { ListRefusal } from '../services/list-jobs.ts';
import type { ContentRefusal } from '../services/moderate-prompt.ts';
import type { ParameterRefusal } from '../services/prepare-job.ts';
import type { MediaRefusal } from '../services/serve-media.ts';
import type { SubmitRefusal } from '../services/submit-job.ts';
import { toRateHeaders } from './wire.ts';
import type { Wire } from './wire.ts';

/** An agent is looked for again after this time. */
const AGENT_RETRY_MS = 30_000;

export function toAccessWire(refusal: AccessRefusal): Wire {
  switch (refusal.reason) {
    case 'unauthorized':
    case 'account_blocked':
      return { code: refusal.reason };
    case 'key_expired': {
      const details = { expired_at: new Date(refusal.expiredAt).toISOString() };
      return { code: 'key_expired', details };
    }
    case 'scope_required': {
      const { scope, rate } = refusal;
      const message = `The API key lacks the scope ${scope}; use or make a key that has it.`;
      return { code: 'scope_required', message, details: { scope }, headers: toRateHeaders(rate) };
    }
    case 'plan_required':
      return {
        code: 'plan_required',
        message: `The plan does not include ${refusal.what}; it needs ${refusal.needed} or above.`,
        details: { plan: refusal.needed, what: refusal.what },
      };
    case 'rate_limited': {
      const { scope, retryAfterMs, rate } = refusal;
      return {
        code: 'rate_limited',
        details: { scope, limit: rate.limit },
        retryAfterMs,
        headers: toRateHeaders(rate),
      };
    }
  }
}

export function toParameterWire(refusal: ParameterRefusal): Wire {
  switch (refusal.reason) {
    case 'unknown_model': {
      const { model, type, known } = refusal;
      return {
        code: 'unknown_model',
        message: `No ${type} model is called ${model}; known are ${known.join(', ')}.`,
        details: { field: 'model', value: model, known },
      };
    }
    case 'unsupported_parameter': {
      const { field, model, accepts } = refusal;
      return {
        code: 'unsupported_parameter',
        message: `The model ${model} does not take ${field}; leave it out.`,
        details: { field, model, accepts },
      };
    }
    case 'over_model_limit': {
      const { field, model, limit, value } = refusal;
      return toFieldWire({ field, limit, value, message: `must be at most ${limit} for ${model}` });
    }
    case 'webhook_refused':
      return toWebhookWire(refusal);
    case 'unknown_file': {
      const { field, file, why } = refusal;
      const message = {
        missing: 'names no file of yours that is still kept',
        expires: 'names a file that is deleted within the hour',
        needed: 'is needed for this',
        image: 'must name a picture',
        audio: 'must name a recording',
      }[why];
      return {
        code: 'unknown_file',
        message: `${field} ${message}; upload it with POST /v1/files.`,
        details: { field, value: file },
      };
    }
    case 'empty_text': {
      const message = 'has nothing but tags, which are not run; say what you want in words';
      return toFieldWire({ field: refusal.field, message });
    }
    case 'not_offered': {
      const { field, model, value, offered } = refusal;
      const message = `must be one of ${offered.join(', ')} for ${model}`;
      return toFieldWire({ field, limit: offered, value, message });
    }
  }
}

export function toAdmissionWire(refusal: AdmissionRefusal): Wire {
  switch (refusal.reason) {
    case 'unauthorized':
    case 'key_expired':
    case 'account_blocked':
    case 'plan_required':
    case 'scope_required':
    case 'rate_limited':
      return toAccessWire(refusal);
    case 'model_not_allowed': {
      const { model, allowed } = refusal;
      return { code: 'model_not_allowed', details: { model, allowed } };
    }
    case 'key_budget_exhausted':
      return toBudgetWire(refusal);
    case 'idempotency_conflict':
      return { code: 'idempotency_conflict' };
    case 'side_over_plan': {
      const { field, limit, value, needed } = refusal;
      if (needed === null)
        return toFieldWire({ field, limit, value, message: `must be at most ${limit}` });
      return {
        code: 'plan_required',
        message: `${field} ${value} is over the plan's ${limit}; it needs ${needed} or above.`,
        details: { plan: needed, field, limit, value },
      };
    }
    case 'tokens_exhausted':
      return toTokensWire(refusal);
    case 'too_many_jobs':
      return { code: 'too_many_jobs', details: { scope: 'account', limit: refusal.limit } };
    case 'queue_full': {
      const { scope, limit, retryAfterMs } = refusal;
      return { code: 'queue_full', details: { scope, limit }, retryAfterMs };
    }
    case 'no_agent': {
      const { model, online } = refusal;
      return {
        code: 'no_agent',
        message: `No GPU that can run ${model} is online or was lately; try another model or later.`,
        details: { model, online },
        retryAfterMs: AGENT_RETRY_MS,
      };
    }
    case 'deadline_unreachable': {
      const { earliestStartAt, retryAfterMs } = refusal;
      const details = { earliest_start_at: new Date(earliestStartAt).toISOString() };
      return { code: 'deadline_unreachable', details, retryAfterMs };
    }
  }
}

function toTokensWire(refusal: Extract<AdmissionRefusal, { reason: 'tokens_exhausted' }>): Wire {
  const needed = toTokens(refusal.neededMillitokens);
  const available = toTokens(Math.max(0, refusal.availableMillitokens));
  const limit = toTokens(refusal.limitMillitokens);
  const renewsAt = new Date(refusal.renewsAt).toISOString();
  return {
    code: 'tokens_exhausted',
    message: `The job needs ${needed} tokens and ${available} of today's ${limit} are left; they renew at ${renewsAt}.`,
    details: { needed, available, limit, renews_at: renewsAt },
    retryAfterMs: refusal.renewsAt - Date.now(),
  };
}

function toBudgetWire(
  refusal: Extract<AdmissionRefusal, { reason: 'key_budget_exhausted' }>,
): Wire {
  const needed = toTokens(refusal.neededMillitokens);
  const available = toTokens(refusal.availableMillitokens);
  const limit = toTokens(refusal.limitMillitokens);
  const renewsAt = new Date(refusal.renewsAt).toISOString();
  return {
    code: 'key_budget_exhausted',
    message: `The job needs ${needed} tokens and ${available} of the key's ${limit} for today are left; they renew at ${renewsAt}.`,
    details: { needed, available, limit, renews_at: renewsAt },
    retryAfterMs: refusal.renewsAt - Date.now(),
  };
}

/** Says what is wrong with the URL, but not what its name stands for. */
export function toWebhookWire({ field, fault }: WebhookRefused): Wire {
  const message = {
    malformed: 'is no URL',
    scheme: 'must begin with https://',
    credentials: 'must have no user or password',
    port: 'must be on port 443 or 8443',
    private: 'must be a host of the public Internet',
    own: 'must not be Tessera itself',
  }[fault];
  return {
    code: 'webhook_refused',
    message: `${field} ${message}.`,
    details: { field, fault },
  };
}

/** Adds how the rate stands, where the refused request was counted. */
export function withRate(wire: Wire, refusal: SubmitRefusal): Wire {
  if (!('rate' in refusal) || !refusal.rate) return wire;
  return { ...wire, headers: { ...wire.headers, ...toRateHeaders(refusal.rate) } };
}

export function toSubmitWire(refusal: SubmitRefusal): Wire {
  switch (refusal.reason) {
    case 'unknown_model':
    case 'unsupported_parameter':
    case 'over_model_limit':
    case 'unknown_file':
    case 'webhook_refused':
    case 'not_offered':
    case 'empty_text':
      return toParameterWire(refusal);
    case 'content_blocked':
    case 'moderation_unavailable':
      return toContentWire(refusal);
    case 'job_not_found':
    case 'history_unavailable':
      return toFindWire(refusal);
    case 'unauthorized':
    case 'key_expired':
    case 'account_blocked':
    case 'plan_required':
    case 'scope_required':
    case 'rate_limited':
    case 'model_not_allowed':
    case 'key_budget_exhausted':
    case 'idempotency_conflict':
    case 'side_over_plan':
    case 'tokens_exhausted':
    case 'too_many_jobs':
    case 'queue_full':
    case 'no_agent':
    case 'deadline_unreachable':
      return toAdmissionWire(refusal);
  }
}

/** Says which kind of content and where, never the words. */
export function toContentWire(refusal: ContentRefusal): Wire {
  switch (refusal.reason) {
    case 'content_blocked': {
      const { category, field } = refusal;
      return {
        code: 'content_blocked',
        message: `${field} asks for what Tessera does not make: ${CONTENT_CATEGORIES[category]}`,
        details: { category, field },
      };
    }
    case 'moderation_unavailable':
      return { code: 'unavailable', retryAfterMs: refusal.retryAfterMs };
  }
}

export function toFindWire(refusal: FindRefusal): Wire {
  switch (refusal.reason) {
    case 'job_not_found':
      return { code: 'not_found', message: 'No such job, or it is not yours.' };
    case 'history_unavailable':
      return { code: 'history_unavailable' };
  }
}

export function toListWire(refusal: ListRefusal): Wire {
  switch (refusal.reason) {
    case 'bad_cursor': {
      const message = 'is not a cursor; send the next_cursor of the page before';
      return toFieldWire({ field: 'cursor', value: refusal.value, message });
    }
    case 'history_unavailable':
      return { code: 'history_unavailable' };
  }
}

export function toFollowWire(refusal: FollowRefusal): Wire {
  switch (refusal.reason) {
    case 'job_not_found':
    case 'history_unavailable':
      return toFindWire(refusal);
    case 'too_many_readers':
      return { code: 'unavailable', message: 'Too many readers follow this job; close one.' };
  }
}

export function toMediaWire(refusal: MediaRefusal): Wire {
  switch (refusal.reason) {
    case 'media_forbidden':
    case 'media_expired':
      return { code: refusal.reason };
    case 'media_missing':
      return { code: 'not_found', message: 'The file is gone: results are kept for 30 days.' };
    case 'range_outside': {
      const headers = { 'content-range': `bytes */${refusal.bytes}` };
      return { code: 'range_not_satisfiable', details: { bytes: refusal.bytes }, headers };
    }
  }
}

export function toAgentWire(refusal: AgentRefusal): Wire {
  switch (refusal.reason) {
    case 'unauthorized':
    case 'not_registered':
      return { code: refusal.reason };
    case 'lease_lost': {
      const { jobId, fencingToken } = refusal.lease;
      return { code: 'lease_lost', details: { jobId, fencingToken } };
    }
  }
}

export function toEndWire(refusal: AgentRefusal | ForeignArtifact): Wire {
  switch (refusal.reason) {
    case 'unauthorized':
    case 'not_registered':
    case 'lease_lost':
      return toAgentWire(refusal);
    case 'foreign_artifact': {
      const { field, key: value } = refusal;
      return toFieldWire({ field, value, message: 'must be the key that the upload answered' });
    }
  }
}

/** A ticket that is not for this attempt and agent, or too old. */
export function toTicketWire(): Wire {
  const message = 'The upload ticket is not for this attempt and agent, or has expired.';
  return { code: 'unauthorized', message };
}

/** A single field that is wrong. `message` goes on after the field's name. */
export function toFieldWire(issue: {
  field: string;
  message: string;
  limit?: unknown;
  value?: unknown;
}): Wire {
  return {
    code: 'invalid_request',
    message: `${issue.field} ${issue.message}.`,
    details: { fields: [issue] },
  };
}

/** A table of every code, for the reference (Markdown). */
export function describeErrors(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, { status, help }]) => `| \`${code}\` | ${status} | ${help} |`,
  );
  return ['| code | status | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}
