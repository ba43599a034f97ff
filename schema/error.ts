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
  unsupported_media_type: {
    status: 415,
    help: 'Send the body as `application/json`, or as `multipart/form-data` where a file goes with it.',
  },
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
  key_expired: {
    status: 401,
    help: 'The API key has expired, at `details.expired_at`; make a new one.',
  },
  scope_required: {
    status: 403,
    help: 'The API key lacks the scope in `details.scope`; use or make a key that has it.',
  },
  model_not_allowed: {
    status: 403,
    help: 'The API key is kept to the models in `details.allowed`; use one of them or another key.',
  },
  key_budget_exhausted: {
    status: 429,
    help: "The API key's daily budget does not cover this job; `details.renews_at` says when it renews (00:00 UTC).",
  },
  too_many_keys: {
    status: 409,
    help: 'The account has as many API keys as its plan allows; revoke one that is no longer used.',
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
  // Input files
  unknown_file: {
    status: 400,
    help: 'No such file, or it is not yours, of the wrong kind or about to expire; upload it again.',
  },
  unsupported_file: {
    status: 415,
    help: 'The content of the file is none of the types in `details.accepts`; convert it. Its name and the type sent do not matter.',
  },
  file_too_large: {
    status: 413,
    help: 'The file is over the limit in `details`; make it smaller.',
  },
  file_unreadable: {
    status: 422,
    help: 'The file is damaged: its size or length cannot be told. Save it anew or convert it.',
  },
  file_out_of_bounds: {
    status: 422,
    help: 'The picture has too many or too few pixels, or the recording is too long; `details` names the limit.',
  },
  length_required: {
    status: 411,
    help: 'Send `content-length`: a file is not taken without knowing its size.',
  },
  too_many_files: {
    status: 429,
    help: 'The account keeps as many files as it may; delete some, or wait until they expire.',
  },
  job_active: { status: 409, help: 'The job has not ended; cancel it first, then delete it.' },
  job_unfinished: {
    status: 409,
    help: 'The job has no result yet; ask again when its status is `completed`.',
  },
  job_cancelled: { status: 409, help: 'The job was cancelled before it ended.' },
  not_publishable: {
    status: 409,
    help: 'Only completed pictures and clips whose results are still kept can be shown in the gallery.',
  },
  removed_by_operator: {
    status: 403,
    help: 'The operator took it out of the gallery, for `details.reason`; it cannot be shown again.',
  },
  // OpenAI-compatible routes
  wait_timeout: {
    status: 504,
    help: 'The job did not end while the request waited; it goes on: ask for it with the id in `details.job_id`.',
  },
  stream_restarted: {
    status: 500,
    help: 'A GPU was lost and the next one answers in other words than those that were sent; ask again.',
  },
  // Webhooks of chat platforms
  webhook_forbidden: {
    status: 401,
    help: 'The secret or signature of the webhook call is missing or wrong, or the call is too old.',
  },
  webhook_replayed: { status: 409, help: 'This webhook call was taken before.' },
  // Webhooks
  webhook_refused: {
    status: 400,
    help: 'The webhook URL is not called: send a public `https` URL on a usual port, without credentials.',
  },
  too_many_webhooks: {
    status: 409,
    help: 'The account has as many webhook endpoints as its plan allows; delete one.',
  },
  webhook_disabled: {
    status: 409,
    help: 'The webhook endpoint is disabled; make it work, then enable it.',
  },
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
  upload_lost: {
    status: 409,
    help: 'These parts make no file: the upload was given up, or a part is missing; begin it anew.',
  },
  // More reasons why a job failed
  result_too_large: {
    status: 500,
    help: 'The result is larger than 512 MiB, which is the most that is kept; ask for something shorter or smaller. Nothing was charged.',
  },
} as const satisfies Record<string, ErrorMeaning>;

export type ErrorCode = keyof typeof ERRORS;
export const ERROR_CODES = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]];
export const ErrorCode = z.enum(ERROR_CODES).meta({ id: 'ErrorCode' });

/** The class of an error, as OpenAI's clients know them; `code` says more. */
export const ErrorType = z.enum([
  'invalid_request_error',
  'authentication_error',
  'permission_error',
  'rate_limit_error',
  'server_error',
]);
export type ErrorType = z.infer<typeof ErrorType>;

/** Body of every answer that is not a success. */
export const ErrorBody = z
  .object({
    error: z.object({
      code: ErrorCode,
      message: z.string().meta({ description: 'One sentence that says what to do.' }),
      request_id: z.string(),
      type: ErrorType.optional(),
      param: z.string().nullish().meta({ description: 'The first field that is wrong, or null.' }),
      details: z.record(z.string(), z.unknown()).optional(),
    }),
  })
  .meta({ id: 'Error' });
export type ErrorBody = z.infer<typeof ErrorBody>;
