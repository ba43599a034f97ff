/**
 * Tells the chat platforms of the bots in `BOTS`: webhooks and menus to Telegram, the endpoint and
 * the slash commands to Discord. Safe to repeat: each call sets a whole, and what stands already
 * is left alone. No token appears in anything it says.
 */
import { z } from 'zod';
import { discordCommands } from '../edge/chat/discord/command.ts';
import { COMMANDS, MAKES } from '../edge/chat/reply/words.ts';
import type { Bot } from '#schema/chat.ts';

/** Updates that a bot reads; Telegram keeps all others to itself. */
const UPDATES = ['message', 'callback_query'] as const;
const CONNECTIONS = 40;
const CALL_MS_MAX = 20_000;

export interface Platforms {
  /** Where the Worker is reached. */
  readonly publicUrl: string;
  readonly telegramApiUrl: string;
  readonly discordApiUrl: string;
}

/** What came of each bot: a sentence, and whether all is well. */
export interface Registered {
  readonly id: string;
  readonly ok: boolean;
  readonly remark: string;
}

/** Registers every bot; one that fails keeps no other from it. */
export async function registerBots(
  bots: readonly Bot[],
  platforms: Platforms,
): Promise<Registered[]> {
  const all: Registered[] = [];
  for (const bot of bots) {
    try {
      const remark =
        bot.platform === 'telegram'
          ? await registerTelegram(bot, platforms)
          : await registerDiscord(bot, platforms);
      all.push({ id: bot.id, ok: true, remark });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      all.push({ id: bot.id, ok: false, remark: message.replaceAll(bot.token, '…') });
    }
  }
  return all;
}

type TelegramBot = Extract<Bot, { platform: 'telegram' }>;
type DiscordBot = Extract<Bot, { platform: 'discord' }>;

const Me = z.object({ username: z.string() });
const WebhookInfo = z.object({
  url: z.string(),
  allowed_updates: z.array(z.string()).default([]),
  max_connections: z.number().optional(),
  last_error_message: z.string().optional(),
});

async function registerTelegram(bot: TelegramBot, platforms: Platforms): Promise<string> {
  const call = (method: string, params: object = {}) =>
    callTelegram(`${platforms.telegramApiUrl}/bot${bot.token}/${method}`, params);
  const { username } = Me.parse(await call('getMe'));
  if (bot.username !== undefined && bot.username.toLowerCase() !== username.toLowerCase()) {
    throw new Error(`its username is ${username}, not ${bot.username}: correct it in BOTS`);
  }
  const url = `${platforms.publicUrl}/hooks/telegram/${bot.id}`;
  // The secret cannot be read back, so the hook is set whether or not it stands.
  await call('setWebhook', {
    url,
    secret_token: bot.webhookSecret,
    allowed_updates: UPDATES,
    max_connections: CONNECTIONS,
  });
  const commands = COMMANDS.map(([command, description]) => ({ command, description }));
  await call('setMyCommands', { commands });
  await call('setMyShortDescription', { short_description: MAKES[bot.type] });
  const info = WebhookInfo.parse(await call('getWebhookInfo'));
  if (info.url !== url) throw new Error(`its webhook is ${info.url} after it was set`);
  const named =
    bot.username === undefined
      ? `; add "username":"${username}" to its entry, so that it knows its name in groups`
      : '';
  return `@${username} has its webhook and ${commands.length} commands${named}`;
}

const TelegramAnswer = z.object({
  ok: z.boolean(),
  result: z.unknown(),
  description: z.string().optional(),
});

async function callTelegram(url: string, params: object): Promise<unknown> {
  const response = await request(url, { method: 'POST', body: params, headers: {} });
  const answer = TelegramAnswer.parse(await response.json());
  if (answer.ok) return answer.result;
  throw new Error(`Telegram says ${response.status}: ${answer.description ?? 'nothing'}`);
}

const Application = z.object({ interactions_endpoint_url: z.string().nullish() });

async function registerDiscord(bot: DiscordBot, platforms: Platforms): Promise<string> {
  const { discordApiUrl, publicUrl } = platforms;
  const headers = { authorization: `Bot ${bot.token}` };
  const call = async (method: string, path: string, body?: object): Promise<unknown> => {
    const response = await request(`${discordApiUrl}${path}`, { method, body, headers });
    const text = await response.text();
    if (!response.ok) throw new Error(`Discord says ${response.status}: ${text.slice(0, 500)}`);
    return JSON.parse(text);
  };
  const commands = discordCommands(bot.type);
  await call('PUT', `/applications/${bot.applicationId}/commands`, commands);
  const url = `${publicUrl}/hooks/discord/${bot.id}`;
  const { interactions_endpoint_url } = Application.parse(await call('GET', '/applications/@me'));
  // Discord tries the endpoint with a PING and a forged one before it takes it.
  if (interactions_endpoint_url !== url) {
    await call('PATCH', '/applications/@me', { interactions_endpoint_url: url });
  }
  return `application ${bot.applicationId} has its endpoint and ${commands.length} commands`;
}

interface Call {
  readonly method: string;
  readonly body: object | undefined;
  readonly headers: Record<string, string>;
}

/** Waits once where the platform asks for it. */
async function request(url: string, call: Call, isRepeat = false): Promise<Response> {
  const { method, body, headers } = call;
  const response = await fetch(url, {
    method,
    headers: { ...headers, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(CALL_MS_MAX),
  }).catch((error: unknown) => {
    // The address holds a token.
    throw new Error(`no answer (${error instanceof Error ? error.name : 'error'})`);
  });
  const waitS = Number(response.headers.get('retry-after') ?? Number.NaN);
  if (response.status !== 429 || isRepeat || !(waitS <= CALL_MS_MAX / 1000)) return response;
  await new Promise((resolve) => setTimeout(resolve, waitS * 1000));
  return request(url, call, true);
}
