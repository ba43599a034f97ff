/**
 * Calls of Discord's REST API (docs.discord.com/developers/reference, version 10), one try each:
 * whoever calls decides about repeats. Status and error codes become faults here and nowhere else.
 */
import { z } from 'zod';
import { BOT_CALL_MS_MAX, BOT_UPLOAD_MS_MAX } from '#schema/limits.ts';
import type { ChatFault } from '../core/fault.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import { withDeadline } from './deadline.ts';
import { makeForm } from './multipart.ts';
import type { FormFile } from './multipart.ts';

/** Where the API is, version included; the bot's token, or null for a call that an interaction's token opens. */
export interface DiscordAccess {
  readonly apiUrl: string;
  readonly token: string | null;
}

export interface DiscordCall {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** From `/` on. */
  readonly path: string;
  readonly body: object | null;
  readonly files?: readonly FormFile[];
}

/** What a call gave, and how long its bucket is empty, if it is. */
export interface DiscordAnswer {
  readonly result: Result<unknown, ChatFault>;
  readonly emptyForMs: number;
}

const Failure = z.object({
  code: z.number().default(0),
  message: z.string().default(''),
  retry_after: z.number().optional(),
  global: z.boolean().default(false),
});

/** discord.com/developers/docs/topics/opcodes-and-status-codes#json */
const CODES: Readonly<Record<number, ChatFault>> = {
  10003: { reason: 'chat_missing' },
  10004: { reason: 'chat_missing' },
  10008: { reason: 'message_missing' },
  10013: { reason: 'blocked' },
  10015: { reason: 'interaction_missing' },
  10062: { reason: 'interaction_missing' },
  40005: { reason: 'too_large' },
  50001: { reason: 'chat_missing' },
  50007: { reason: 'blocked' },
  50013: { reason: 'chat_missing' },
  50027: { reason: 'interaction_missing' },
  50278: { reason: 'blocked' },
};

/** Makes one call. */
export async function callDiscord(
  { apiUrl, token }: DiscordAccess,
  call: DiscordCall,
): Promise<DiscordAnswer> {
  let response: Response;
  let text: string;
  try {
    const ms = call.files ? BOT_UPLOAD_MS_MAX : BOT_CALL_MS_MAX;
    [response, text] = await withDeadline(ms, async (signal) => {
      const got = await fetch(`${apiUrl}${call.path}`, { ...toInit(call, token), signal });
      return [got, await got.text()] as const;
    });
  } catch (error) {
    // The path may hold an interaction's token.
    const message = error instanceof Error ? error.name : 'error';
    return { result: fail({ reason: 'unanswered', message }), emptyForMs: 0 };
  }
  const emptyForMs =
    response.headers.get('x-ratelimit-remaining') === '0'
      ? Math.ceil(Number(response.headers.get('x-ratelimit-reset-after') ?? 0) * 1000)
      : 0;
  const body = parseJson(text);
  const result = response.ok ? ok(body) : fail(toFault(response, body));
  return { result, emptyForMs };
}

function toInit({ method, body, files = [] }: DiscordCall, token: string | null): RequestInit {
  const headers: Record<string, string> = {
    // Discord refuses callers that do not name themselves so.
    'user-agent': 'DiscordBot (https://github.com/tessera, 1)',
    ...(token === null ? {} : { authorization: `Bot ${token}` }),
  };
  if (files.length === 0) {
    if (body !== null) headers['content-type'] = 'application/json';
    return {
      method,
      headers,
      ...(body === null ? {} : { body: JSON.stringify(body) }),
    };
  }
  const form = makeForm({ payload_json: JSON.stringify(body ?? {}) }, files);
  headers['content-type'] = form.contentType;
  return { method, headers, body: form.body };
}

function toFault(response: Response, body: unknown): ChatFault {
  const { status, headers } = response;
  if (status === 413) return { reason: 'too_large' };
  const failure = Failure.safeParse(body);
  if (status === 429) {
    const seconds = failure.data?.retry_after ?? Number(headers.get('retry-after') ?? 1);
    const wide = failure.data?.global === true || headers.get('x-ratelimit-scope') === 'global';
    return { reason: 'rate_limited', retryAfterMs: Math.ceil(seconds * 1000), wide };
  }
  if (!failure.success) return { reason: 'unanswered', message: `status ${status}` };
  const { code, message } = failure.data;
  if (status >= 500) return { reason: 'platform_failed', message };
  const known = CODES[code];
  if (known) return known;
  if (status === 401) return { reason: 'token_refused' };
  if (status === 403) return { reason: 'chat_missing' };
  return { reason: 'refused', status, message: `${code} ${message}` };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // an answer of a proxy, which says nothing
  }
}
