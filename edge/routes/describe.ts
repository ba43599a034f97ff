/** Pieces of the OpenAPI description that routes share. */
import { ErrorBody, ERRORS } from '#schema/error.ts';
import type { ErrorCode } from '#schema/error.ts';
import type { z } from 'zod';

/** A JSON body or answer. */
export function json<T extends z.ZodType>(schema: T, example?: unknown) {
  return {
    'application/json': { schema, ...(example === undefined ? {} : { example }) },
  } as const;
}

/** The body of an error; the examples, one for each code, are the document's own. */
function explain(codes: readonly ErrorCode[]) {
  const examples = codes.map((code) => [code, { $ref: `#/components/examples/${code}` }] as const);
  return { 'application/json': { schema: ErrorBody, examples: Object.fromEntries(examples) } };
}

/** Answers for error codes, gathered by status. */
export function errors(...codes: ErrorCode[]) {
  const byStatus = Map.groupBy(codes, (code) => ERRORS[code].status);
  const answers = [...byStatus].map(([status, same]) => [
    status,
    { description: same.map((code) => `\`${code}\``).join(', '), content: explain(same) },
  ]);
  // Not part of a handler's type: errors are thrown, see wire.ts.
  return Object.fromEntries(answers) as Record<never, never>;
}

/** What every route that wants an API key may answer. */
export const KEY_ERRORS = [
  'unauthorized',
  'key_expired',
  'account_blocked',
  'plan_required',
  'scope_required',
  'rate_limited',
  'unavailable',
  'internal',
] as const satisfies ErrorCode[];

/** What every route that takes a JSON body may answer. */
export const BODY_ERRORS = [
  'invalid_request',
  'invalid_json',
  'unsupported_media_type',
  'body_too_large',
] as const satisfies ErrorCode[];

/** What every route of the operator may answer. */
export const ADMIN_ERRORS = [
  'unauthorized',
  'unavailable',
  'internal',
] as const satisfies ErrorCode[];

export const BY_API_KEY: Record<string, string[]>[] = [{ apiKey: [] }];
export const BY_AGENT: Record<string, string[]>[] = [{ agentToken: [] }];
export const BY_ADMIN: Record<string, string[]>[] = [{ adminKey: [] }];
