/**
 * What the OpenAI-compatible routes share: who waits for the answer, the submit in the words of
 * the client's own parameters, and refusals that name a parameter which is not taken at all.
 */
import { z } from '@hono/zod-openapi';
import type { Hook } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ErrorCode } from '#schema/error.ts';
import { IdempotencyKey } from '#schema/api.ts';
import { JobRequest } from '#schema/job.ts';
import type { LiveJob } from '#schema/record.ts';
import type { AppEnv } from '../../env.ts';
import { authenticate } from '../../services/authenticate.ts';
import type { Client } from '../../services/openai/abandon-job.ts';
import { beginJob } from '../../services/openai/begin-job.ts';
import { submitJob } from '../../services/submit-job.ts';
import type { SubmitRefusal } from '../../services/submit-job.ts';
import { onInvalid } from '../access.ts';
import type { KeyedEnv, PrincipalEnv } from '../access.ts';
import { KEY_ERRORS } from '../describe.ts';
import { toAccessWire, toSubmitWire, withRate } from '../error.ts';
import { toInvalidWire } from '../invalid.ts';
import type { Principal } from '../../rpc/account.ts';
import { refuse, Refused, toRateHeaders } from '../wire.ts';

/** Headers of a request that makes a job. */
export const SubmitHeaders = z.object({
  'idempotency-key': IdempotencyKey.optional().openapi({
    description:
      'Repeats with the same key get the same job. Without one, a client that goes away before ' +
      'it was answered cancels its job.',
  }),
});

/** What every route that submits may answer. */
export const SUBMIT_ERRORS = [
  'invalid_request',
  'invalid_json',
  'unknown_model',
  'unsupported_parameter',
  'unsupported_media_type',
  'body_too_large',
  'content_blocked',
  'idempotency_conflict',
  'tokens_exhausted',
  'too_many_jobs',
  'queue_full',
  'no_agent',
  'deadline_unreachable',
  ...KEY_ERRORS,
] as const satisfies ErrorCode[];

/** What a route may answer that waits for its job's end. */
export const WAIT_ERRORS = [
  'job_failed',
  'job_timeout',
  'job_cancelled',
  'attempts_exhausted',
  'engine_out_of_memory',
  'engine_rejected',
  'engine_unavailable',
  'model_unavailable',
  'input_unreadable',
  'result_too_large',
  'wait_timeout',
  'not_found',
  'history_unavailable',
] as const satisfies ErrorCode[];

/** What these routes use of a request, whichever middleware it passed. */
export type Call = Pick<Context<KeyedEnv>, Used>;
/** The same, once its key was verified. */
export type AdmittedCall = Pick<Context<PrincipalEnv>, Used>;
type Used = 'var' | 'req' | 'header' | 'body' | 'json' | 'executionCtx';

/** Our names of parameters, with what the client calls them. */
export type Names = Readonly<Record<string, string>>;

export interface Work {
  /** What the job is made of; fields that are null or undefined are left out. */
  readonly request: Readonly<Record<string, unknown>>;
  /** As it came, to show what was wrong. */
  readonly sent: unknown;
  readonly names: Names;
  /** Of requests that come with files: the same for the same request. */
  readonly fingerprint?: string;
}

/** A job for this request, which may be one that an earlier request with its key has made. */
export async function submitFor(c: Call, work: Work): Promise<LiveJob> {
  const given = Object.entries(work.request).filter(
    ([, value]) => value !== undefined && value !== null,
  );
  const parsed = JobRequest.safeParse(Object.fromEntries(given));
  if (!parsed.success) return refuseRequest(c, { issues: parsed.error.issues, ...work });
  const { fingerprint, names } = work;
  const submission = {
    credential: c.var.credential,
    request: parsed.data,
    idempotencyKey: keyOf(c),
    requestId: c.var.requestId,
    now: Date.now(),
  };
  const env = c.var.env;
  const submitted = await (fingerprint === undefined
    ? submitJob(env, submission)
    : beginJob(env, { ...submission, fingerprint }));
  if (!submitted.ok) {
    refuse(withRate(toSubmitWire(rename(submitted.error, names)), submitted.error));
  }
  showRate(c, submitted.value.principal);
  if (submitted.value.replayed) c.header('idempotent-replayed', 'true');
  c.header('x-job-id', submitted.value.job.record.id);
  return submitted.value.job;
}

/** Who waits for the answer. */
export function clientOf(c: Call): Client {
  const { executionCtx } = c;
  return {
    signal: c.req.raw.signal,
    returns: keyOf(c) !== null,
    waitUntil: (work) => executionCtx.waitUntil(work),
  };
}

function keyOf(c: Call): string | null {
  return c.req.header('idempotency-key') ?? null;
}

type Issues = z.core.$ZodIssue[];

/** Only those who may call at all learn what is wrong, at the price of a request. */
async function refuseRequest(
  c: Call,
  { issues, names, sent }: { issues: Issues } & Pick<Work, 'names' | 'sent'>,
): Promise<never> {
  if (c.var.principal === undefined) {
    const access = await authenticate(c.var.env, c.var.credential, 'jobs:write');
    if (!access.ok) refuse(toAccessWire(access.error));
    showRate(c, access.value);
  }
  const renamed = issues.map((issue) => {
    const [field, ...rest] = issue.path;
    return field === undefined
      ? issue
      : { ...issue, path: [names[String(field)] ?? field, ...rest] };
  });
  refuse(toInvalidWire({ issues: renamed }, sent));
}

function showRate(c: Call, { rate }: Principal): void {
  for (const [name, value] of Object.entries(toRateHeaders(rate))) c.header(name, value);
}

function rename(refusal: SubmitRefusal, names: Names): SubmitRefusal {
  if (!('field' in refusal)) return refusal;
  return { ...refusal, field: names[refusal.field] ?? refusal.field };
}

/** As everywhere; but a parameter that is not taken is named as one that is not supported. */
export const onUnsupported: Hook<unknown, AppEnv, string, Promise<void>> = async (result, c) => {
  if (result.success) return;
  try {
    await onInvalid(result, c);
  } catch (error) {
    const [unknown] = result.error.issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys' && issue.path.length === 0 ? issue.keys : [],
    );
    const isFault = error instanceof Refused && error.wire.code === 'invalid_request';
    if (!isFault || unknown === undefined) throw error;
    const field = unknown.slice(0, NAME_CHARS_MAX);
    refuse({
      code: 'unsupported_parameter',
      message: `${field} is not supported here; leave it out.`,
      details: { field },
      ...(error.wire.headers ? { headers: error.wire.headers } : {}),
    });
  }
};

/** Of a parameter's name, in a message. */
const NAME_CHARS_MAX = 60;
