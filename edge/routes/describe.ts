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

/** Answers for error codes, gathered by status. */
export function errors(...codes: ErrorCode[]) {
  const byStatus = Map.groupBy(codes, (code) => ERRORS[code].status);
  const answers = [...byStatus].map(([status, same]) => [
    status,
    { description: same.map((code) => `\`${code}\``).join(', '), content: json(ErrorBody) },
  ]);
  // Not part of a handler's type: errors are thrown, see wire.ts.
  return Object.fromEntries(answers) as Record<never, never>;
}

/** What every route that wants an API key may answer. */
export const KEY_ERRORS = [
  'unauthorized',
  'account_blocked',
  'plan_required',
  'rate_limited',
  'unavailable',
  'internal',
] as const satisfies ErrorCode[];

export const BY_API_KEY: Record<string, string[]>[] = [{ apiKey: [] }];
export const BY_AGENT: Record<string, string[]>[] = [{ agentToken: [] }];
export const BY_ADMIN: Record<string, string[]>[] = [{ adminKey: [] }];
