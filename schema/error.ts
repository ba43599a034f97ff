/**
 * Every error code that a user, a developer or an agent can meet, with its HTTP status and
 * what to do about it. Append-only: a code is never renamed or reused.
 */
import { z } from 'zod';

interface ErrorMeaning {
  readonly status: number;
  /** One sentence for the reference: what it means and what to do. */
  readonly help: string;
}

export const ERRORS = {
  // Requests
  invalid_request: {
    status: 400,
    help: 'A field is missing, unknown or out of bounds; `details` names the field, its limit and the value sent.',
  },
  invalid_json: {
    status: 400,
    help: 'The body is not JSON; send `content-type: application/json` and a JSON object.',
  },
  unsupported_media_type: { status: 415, help: 'Send the body as `application/json`.' },
  body_too_large: { status: 413, help: 'The body is over the limit in `details`; shorten it.' },
  not_found: { status: 404, help: 'No such path or object, or it is not yours.' },
  method_not_allowed: {
    status: 405,
    help: 'The path exists, but not with this method; see `allow`.',
  },
  unknown_model: {
    status: 400,
    help: 'No such model; `details.known` lists the models of this type.',
  },
  unsupported_parameter: {
    status: 400,
    help: 'The model does not take this parameter; leave it out.',
  },
  idempotency_conflict: {
    status: 409,
    help: 'This Idempotency-Key was used with another body in the last 24 hours; use a new key.',
  },
  // Who
  unauthorized: {
    status: 401,
    help: 'Send `authorization: Bearer` with a valid key; this one is missing, malformed, unknown or revoked.',
  },
  forbidden: { status: 403, help: 'The key is valid but may not do this.' },
  account_blocked: { status: 403, help: 'The account is blocked; write to the operator.' },
  plan_required: {
    status: 403,
    help: 'The plan does not include this; `details.plan` names the least plan that does.',
  },
  // Limits
  rate_limited: { status: 429, help: 'Too many requests; wait for `Retry-After` seconds.' },
  tokens_exhausted: {
    status: 429,
    help: "The day's tokens do not cover this job; `details.renews_at` says when they renew (00:00 UTC).",
  },
  too_many_jobs: {
    status: 429,
    help: 'Too many of your jobs are open; wait for one to end or cancel one.',
  },
  queue_full: { status: 503, help: 'The queue is full; try again after `Retry-After` seconds.' },
  deadline_unreachable: {
    status: 503,
    help: 'The job would not start before its deadline; allow more time or try later.',
  },
  no_agent: {
    status: 503,
    help: 'No GPU that can run this model is online or was lately; try another model or later.',
  },
  too_many_agents: {
    status: 409,
    help: 'The pool has as many agents as it may; revoke one that is no longer used.',
  },
  // Parts that are away
  history_unavailable: {
    status: 503,
    help: 'The history is away; jobs still run, and live ones can be asked for by id.',
  },
  unavailable: {
    status: 503,
    help: 'A part of the service is away; the same request may be sent again.',
  },
  internal: { status: 500, help: 'A fault of ours; report `request_id`.' },
  // Media
  media_expired: {
    status: 410,
    help: 'The signed URL has expired; ask for the job again to get a new one.',
  },
  media_forbidden: {
    status: 403,
    help: 'The signature does not fit the URL; use the URL as the API gave it.',
  },
  range_not_satisfiable: { status: 416, help: 'The byte range lies outside the file.' },
  // Why a job failed (`job.error.code`)
  job_failed: {
    status: 500,
    help: 'The engine could not make a result; nothing was charged. Try again.',
  },
  job_timeout: {
    status: 504,
    help: 'The job ran longer than allowed and was stopped; nothing was charged.',
  },
  attempts_exhausted: {
    status: 500,
    help: 'The job was tried on three occasions and none ended well; nothing was charged.',
  },
  deadline_exceeded: {
    status: 504,
    help: "The job's deadline passed before it could start; nothing was charged.",
  },
  engine_out_of_memory: {
    status: 500,
    help: 'The GPU ran out of memory; try a smaller size. Nothing was charged.',
  },
  engine_rejected: {
    status: 422,
    help: 'The engine refused these parameters; change them. Nothing was charged.',
  },
  engine_unavailable: {
    status: 503,
    help: 'The engine is not running; nothing was charged. Try again later.',
  },
  model_unavailable: {
    status: 503,
    help: 'The model could not be loaded; nothing was charged. Try another one.',
  },
  content_blocked: {
    status: 422,
    help: 'The request or its result is against the rules; change the prompt.',
  },
  input_unreadable: { status: 422, help: 'The input file could not be read; send another format.' },
  // Agent protocol
  lease_lost: {
    status: 409,
    help: 'The lease lapsed or went to another attempt; stop the work and drop its result.',
  },
  hash_mismatch: {
    status: 422,
    help: 'The bytes do not have the SHA-256 that was announced; send them again.',
  },
  artifact_too_large: { status: 413, help: 'The artifact is over the limit in `details`.' },
  not_registered: {
    status: 409,
    help: 'The scheduler does not know this agent session; register again.',
  },
} as const satisfies Record<string, ErrorMeaning>;

export type ErrorCode = keyof typeof ERRORS;
export const ERROR_CODES = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]];
export const ErrorCode = z.enum(ERROR_CODES).meta({ id: 'ErrorCode' });

/** Body of every answer that is not a success. */
export const ErrorBody = z
  .object({
    error: z.object({
      code: ErrorCode,
      message: z.string().meta({ description: 'One sentence that says what to do.' }),
      request_id: z.string(),
      details: z.record(z.string(), z.unknown()).optional(),
    }),
  })
  .meta({ id: 'Error' });
export type ErrorBody = z.infer<typeof ErrorBody>;
