/**
 * Calls of the Bot API (core.telegram.org/bots/api), one try each: whoever calls decides about
 * repeats. Status codes and descriptions become faults here and nowhere else.
 */
import type { ApiMethods } from 'grammy/types';
import { z } from 'zod';
import { BOT_CALL_MS_MAX, BOT_UPLOAD_MS_MAX } from '#schema/limits.ts';
import type { ChatFault } from '../core/fault.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import { withDeadline } from './deadline.ts';
import { makeForm } from './multipart.ts';
import type { FormFile } from './multipart.ts';

/** Where the API is, and as whom to call it. */
export interface TelegramAccess {
  readonly apiUrl: string;
  readonly token: string;
}

/** One call; a parameter names a file as `attach://FIELD`. */
export interface TelegramCall<M extends keyof ApiMethods = keyof ApiMethods> {
  readonly method: M;
  readonly params: Parameters<ApiMethods[M]>[0];
  readonly files?: readonly FormFile[];
}

const Answer = z.object({
  ok: z.boolean(),
  result: z.unknown().optional(),
  description: z.string().default(''),
  error_code: z.int().optional(),
  parameters: z
    .object({ retry_after: z.number().optional(), migrate_to_chat_id: z.number().optional() })
    .optional(),
});

/** Makes one call; the result is the API's, unparsed. */
export async function callTelegram<M extends keyof ApiMethods>(
  { apiUrl, token }: TelegramAccess,
  call: TelegramCall<M>,
): Promise<Result<unknown, ChatFault>> {
  let status: number;
  let text: string;
  try {
    const url = `${apiUrl}/bot${token}/${call.method}`;
    const ms = call.files ? BOT_UPLOAD_MS_MAX : BOT_CALL_MS_MAX;
    [status, text] = await withDeadline(ms, async (signal) => {
      const response = await fetch(url, { ...toInit(call), signal });
      return [response.status, await response.text()] as const;
    });
  } catch (error) {
    // The address holds the token, and messages of fetch may hold the address.
    return fail({ reason: 'unanswered', message: error instanceof Error ? error.name : 'error' });
  }
  const answer = Answer.safeParse(parseJson(text));
  if (!answer.success) {
    if (status === 413) return fail({ reason: 'too_large' });
    return fail({ reason: 'unanswered', message: `status ${status}` });
  }
  return answer.data.ok ? ok(answer.data.result) : fail(toFault(status, answer.data));
}

/** Opens a file that a user sent; see `getFile`. */
export async function openTelegramFile(
  { apiUrl, token }: TelegramAccess,
  filePath: string,
): Promise<Result<ReadableStream<Uint8Array>, ChatFault>> {
  try {
    const response = await fetch(`${apiUrl}/file/bot${token}/${filePath}`, {
      signal: AbortSignal.timeout(BOT_UPLOAD_MS_MAX),
    });
    if (response.ok && response.body) return ok(response.body);
    await response.body?.cancel();
    return fail({ reason: 'platform_failed', message: `status ${response.status}` });
  } catch (error) {
    return fail({ reason: 'unanswered', message: error instanceof Error ? error.name : 'error' });
  }
}

function toInit({ params, files = [] }: TelegramCall): RequestInit {
  if (files.length === 0) {
    return {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(params),
    };
  }
  const fields: Record<string, string> = {};
  for (const [name, value] of Object.entries(params as Record<string, unknown>)) {
    if (value === undefined) continue;
    fields[name] = typeof value === 'string' ? value : JSON.stringify(value);
  }
  const { contentType, body } = makeForm(fields, files);
  return {
    method: 'POST',
    headers: { 'content-type': contentType },
    body,
  };
}

/** Descriptions are the only thing by which the API tells these apart. */
const DESCRIPTIONS: readonly (readonly [RegExp, ChatFault])[] = [
  [/message is not modified/i, { reason: 'unchanged' }],
  [
    /message (to edit|to delete|identifier) (is )?not (found|specified)|MESSAGE_ID_INVALID|message can't be (edited|deleted)/i,
    { reason: 'message_missing' },
  ],
  [/message thread not found|TOPIC_(DELETED|CLOSED)/i, { reason: 'thread_missing' }],
  [/chat not found|PEER_ID_INVALID|CHAT_RESTRICTED/i, { reason: 'chat_missing' }],
  [
    /not enough rights|have no rights|need administrator rights|CHAT_WRITE_FORBIDDEN|CHAT_SEND_\w+_FORBIDDEN|VOICE_MESSAGES_FORBIDDEN/i,
    { reason: 'blocked' },
  ],
  [/file is too big|Request Entity Too Large/i, { reason: 'too_large' }],
];
const MEDIA = /PHOTO_|IMAGE_PROCESS|wrong file|wrong type of the web page|MEDIA_|VIDEO_|DOCUMENT_/i;

function toFault(status: number, answer: z.infer<typeof Answer>): ChatFault {
  const { description, parameters } = answer;
  const code = answer.error_code ?? status;
  if (code === 429) {
    const retryAfterMs = Math.ceil((parameters?.retry_after ?? 1) * 1000);
    return { reason: 'rate_limited', retryAfterMs, wide: false };
  }
  if (parameters?.migrate_to_chat_id !== undefined) {
    return { reason: 'chat_moved', chatId: String(parameters.migrate_to_chat_id) };
  }
  if (code >= 500) return { reason: 'platform_failed', message: description };
  if (code === 401 || code === 404) return { reason: 'token_refused' };
  if (code === 403) return { reason: 'blocked' };
  if (code === 413) return { reason: 'too_large' };
  const known = DESCRIPTIONS.find(([pattern]) => pattern.test(description));
  if (known) return known[1];
  if (MEDIA.test(description)) return { reason: 'media_refused', message: description };
  return { reason: 'refused', status: code, message: description };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // an answer of a proxy, which says nothing
  }
}
