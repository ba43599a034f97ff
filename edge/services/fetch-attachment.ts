/**
 * Makes an input file of what a user sent in a chat: fetched from the platform as a stream and
 * judged by its content, like any upload. Nothing but the platform's own servers is called.
 */
import { z } from 'zod';
import type { Bot } from '#schema/chat.ts';
import type { FilePurpose } from '#schema/file.ts';
import { BOT_UPLOAD_MS_MAX } from '#schema/limits.ts';
import { CHAT_FILE_BYTES_MAX } from '#schema/chat-limits.ts';
import type { ChatFault } from '../core/fault.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import { logWarn } from '../io/log.ts';
import { callTelegram, openTelegramFile } from '../io/telegram.ts';
import { receiveFile } from './receive-file.ts';
import type { ReceiveRefusal } from './receive-file.ts';
import type { StoredFile } from './store-file.ts';

export type FetchRefusal =
  | ReceiveRefusal
  | { readonly reason: 'not_fetched'; readonly mayRepeat: boolean };

export interface FetchRequest {
  readonly bot: Bot;
  readonly accountId: string;
  readonly purpose: FilePurpose;
  /** Telegram: the file's id. Discord: its URL. */
  readonly source: string;
  readonly name: string;
}

/** Where Discord keeps what users send. */
const DISCORD_HOSTS = new Set(['cdn.discordapp.com', 'media.discordapp.net']);

const TelegramFile = z.object({ file_path: z.string().min(1), file_size: z.int().optional() });

/** The file as it is kept from now on, or why it is not. */
export async function fetchAttachment(
  env: Env,
  request: FetchRequest,
  now: number,
): Promise<Result<StoredFile, FetchRefusal>> {
  const { bot, accountId, purpose, name, source } = request;
  const opened =
    bot.platform === 'telegram'
      ? await openTelegram(env, bot.token, source)
      : await openDiscord(env, source);
  if (!opened.ok) return opened;
  return receiveFile(env, { accountId, purpose, name, ...opened.value }, now);
}

interface Opened {
  readonly body: ReadableStream<Uint8Array>;
  readonly bytes: number;
}

async function openTelegram(
  env: Env,
  token: string,
  fileId: string,
): Promise<Result<Opened, FetchRefusal>> {
  const access = { apiUrl: env.telegramApiUrl, token };
  const answer = await callTelegram(access, { method: 'getFile', params: { file_id: fileId } });
  if (!answer.ok) return notFetched(answer.error);
  const file = TelegramFile.safeParse(answer.value);
  if (!file.success || file.data.file_size === undefined) return fail(GONE);
  const bytes = file.data.file_size;
  if (bytes > CHAT_FILE_BYTES_MAX) return tooLarge(bytes);
  const opened = await openTelegramFile(access, file.data.file_path);
  return opened.ok ? ok({ body: opened.value, bytes }) : notFetched(opened.error);
}

async function openDiscord(env: Env, source: string): Promise<Result<Opened, FetchRefusal>> {
  const url = new URL(source);
  const isLocal = env.environment === 'local' && url.host === new URL(env.discordApiUrl).host;
  if (!isLocal && (url.protocol !== 'https:' || !DISCORD_HOSTS.has(url.hostname)))
    return fail(GONE);
  try {
    const signal = AbortSignal.timeout(BOT_UPLOAD_MS_MAX);
    const response = await fetch(url, { signal, redirect: 'error' });
    const bytes = Number(response.headers.get('content-length') ?? Number.NaN);
    if (!response.ok || !response.body || !Number.isSafeInteger(bytes)) {
      await response.body?.cancel();
      return fail(response.status >= 500 ? AWAY : GONE);
    }
    if (bytes <= CHAT_FILE_BYTES_MAX) return ok({ body: response.body, bytes });
    await response.body.cancel();
    return tooLarge(bytes);
  } catch (error) {
    logWarn('attachment.fetch', { message: error instanceof Error ? error.name : 'error' });
    return fail(AWAY);
  }
}

const GONE = { reason: 'not_fetched', mayRepeat: false } as const;
const AWAY = { reason: 'not_fetched', mayRepeat: true } as const;

function tooLarge(value: number) {
  return fail({ reason: 'file_too_large', limit: CHAT_FILE_BYTES_MAX, value } as const);
}

function notFetched({ reason }: ChatFault) {
  switch (reason) {
    case 'rate_limited':
    case 'unanswered':
    case 'platform_failed':
      return fail(AWAY);
    case 'too_large':
      return tooLarge(CHAT_FILE_BYTES_MAX + 1);
    case 'token_refused':
    case 'blocked':
    case 'chat_missing':
    case 'chat_moved':
    case 'interaction_missing':
    case 'message_missing':
    case 'thread_missing':
    case 'unchanged':
    case 'media_refused':
    case 'media_missing':
    case 'refused':
      return fail(GONE);
  }
}
