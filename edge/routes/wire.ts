/**
 * How an error looks on HTTP: status, body and headers, from a code of schema/error.ts.
 * A route throws `Refused`; app.onError renders it. Nothing else makes an error answer.
 */
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { ERRORS } from '#schema/error.ts';
import type { ErrorBody, ErrorCode, ErrorType } from '#schema/error.ts';
import type { RateState } from '../rpc/account.ts';

export interface Wire {
  readonly code: ErrorCode;
  /** One sentence that says what to do; the code's own help when left out. */
  readonly message?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  /** For 429 and 503; RETRY_MS when left out. */
  readonly retryAfterMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What stands for a field where the whole body is meant. */
export const WHOLE_BODY = 'the body';

/** When nothing better is known. */
const RETRY_MS = 5000;

/** An expected error on its way to the client. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly wire: Wire;

  constructor(wire: Wire) {
    super(wire.code);
    this.wire = wire;
  }
}

/** Ends the request with this error. */
export function refuse(wire: Wire): never {
  throw new Refused(wire);
}

/** The answer for an error. */
export function toErrorAnswer(
  wire: Wire,
  requestId: string,
): { body: ErrorBody; status: ContentfulStatusCode; headers: Record<string, string> } {
  const { status, help } = ERRORS[wire.code];
  const body: ErrorBody = {
    error: {
      code: wire.code,
      message: wire.message ?? help,
      request_id: requestId,
      type: typeOf(status),
      param: paramOf(wire),
      ...(wire.details ? { details: { ...wire.details } } : {}),
    },
  };
  const headers: Record<string, string> = { ...wire.headers };
  if (status === 429 || status === 503) {
    headers['retry-after'] = toSeconds(wire.retryAfterMs ?? RETRY_MS);
  }
  if (!isRepeatable(wire.code)) headers['x-should-retry'] = 'false';
  if (status === 401) headers['www-authenticate'] = 'Bearer realm="tessera"';
  return { body, status, headers };
}

/**
 * Refusals that OpenAI's clients would repeat by their status, and in vain: each repeat would be
 * refused again, or would make another job of one that runs or has failed.
 */
const FINAL: readonly ErrorCode[] = [
  'idempotency_conflict',
  'tokens_exhausted',
  'key_budget_exhausted',
  'too_many_keys',
  'too_many_files',
  'too_many_agents',
  'job_active',
  'job_unfinished',
  'job_failed',
  'job_timeout',
  'job_cancelled',
  'attempts_exhausted',
  'deadline_exceeded',
  'engine_out_of_memory',
  'result_too_large',
  'wait_timeout',
];

function isRepeatable(code: ErrorCode): boolean {
  return !FINAL.includes(code);
}

function typeOf(status: number): ErrorType {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

function paramOf({ details }: Wire): string | null {
  const fields = details?.['fields'];
  const [first] = Array.isArray(fields) ? (fields as { field?: unknown }[]) : [];
  const field = first?.field ?? details?.['field'];
  return typeof field === 'string' && field !== WHOLE_BODY ? field : null;
}

/** Says where the plan that is needed can be had, if that is what is amiss. */
export function withUpgrade(wire: Wire, origin: string): Wire {
  if (wire.code !== 'plan_required') return wire;
  return { ...wire, details: { ...wire.details, upgrade_url: `${origin}/#plans` } };
}

/** The error of one thing among several, inside an answer that is none. */
export function toPartError(refusal: Wire, origin: string) {
  const wire = withUpgrade(refusal, origin);
  const { status, help } = ERRORS[wire.code];
  const waits = status === 429 || status === 503;
  return {
    code: wire.code,
    message: wire.message ?? help,
    ...(wire.details ? { details: { ...wire.details } } : {}),
    ...(waits ? { retry_after_s: Number(toSeconds(wire.retryAfterMs ?? RETRY_MS)) } : {}),
  };
}

/** The `RateLimit-*` headers for a limit as it stands. */
export function toRateHeaders(rate: RateState): Record<string, string> {
  return {
    'ratelimit-limit': String(rate.limit),
    'ratelimit-remaining': String(Math.max(0, Math.floor(rate.remaining))),
    'ratelimit-reset': String(Math.ceil(rate.resetMs / 1000)),
  };
}

/** Whole seconds, at least one: a client that waits so long is not too early. */
function toSeconds(ms: number): string {
  return String(Math.max(1, Math.ceil(ms / 1000)));
}
