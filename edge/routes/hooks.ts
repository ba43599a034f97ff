/**
 * Webhooks of the chat platforms, one address per bot. The bot's own secret or signature is
 * checked before anything is parsed. What a user said is durable in the conversation before the
 * platform is answered; whatever means nothing to us is answered well and dropped.
 */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { APIInteractionResponse } from 'discord-api-types/v10';
import { BotId } from '#schema/chat.ts';
import type { Bot } from '#schema/chat.ts';
import { decodeDiscord, userOf } from '../chat/discord/decode.ts';
import type { DiscordBot } from '../chat/discord/decode.ts';
import { Interaction } from '../chat/discord/interaction.ts';
import type { ComponentInteraction, UserInteraction } from '../chat/discord/interaction.ts';
import { askWords, respond, say } from '../chat/discord/respond.ts';
import { verifyDiscord } from '../chat/discord/verify.ts';
import { decodeAction } from '../chat/action.ts';
import { findWords } from '../chat/answer/form.ts';
import { conversationOf } from '../chat/event.ts';
import type { ChatEvent } from '../chat/event.ts';
import { WORDS } from '../chat/reply/words.ts';
import { decodeTelegram, readMove } from '../chat/telegram/decode.ts';
import { Update } from '../chat/telegram/update.ts';
import type { AppEnv, Env } from '../env.ts';
import { verifyWebhook } from '../services/verify-webhook.ts';
import { onInvalid } from './access.ts';
import { errors, json } from './describe.ts';
import { refuse } from './wire.ts';

const SECRET_HEADER = 'x-telegram-bot-api-secret-token';
/** Nothing is said; Telegram takes any good answer. */
const DONE = { ok: true } as const;

/** After which a chat that has too much to answer may have room again. */
const FULL_MS = 2000;

const HookPath = z.object({ bot: BotId });
const ERRORS_OF_HOOKS = [
  'not_found',
  'webhook_forbidden',
  'body_too_large',
  'unavailable',
  'internal',
] as const;

const telegramRoute = createRoute({
  method: 'post',
  path: '/hooks/telegram/{bot}',
  tags: ['Webhooks of chat platforms'],
  summary: 'Take an update of Telegram',
  description:
    "Called by Telegram alone, with the bot's secret in `x-telegram-bot-api-secret-token`. The " +
    'body is an [Update](https://core.telegram.org/bots/api#update); each is taken once. Where ' +
    'there is no room for it the answer is 503, and Telegram sends it again.',
  security: [],
  request: { params: HookPath },
  responses: {
    200: {
      description: 'Taken, or of no concern.',
      content: json(z.object({ ok: z.literal(true) })),
    },
    ...errors(...ERRORS_OF_HOOKS),
  },
});

const discordRoute = createRoute({
  method: 'post',
  path: '/hooks/discord/{bot}',
  tags: ['Webhooks of chat platforms'],
  summary: 'Answer an interaction of Discord',
  description:
    'Called by Discord alone, signed with Ed25519 over the time and the raw body. The body is an ' +
    '[interaction](https://docs.discord.com/developers/interactions/receiving-and-responding); ' +
    'the answer is what Discord calls an interaction response.',
  security: [],
  request: { params: HookPath },
  responses: {
    200: {
      description: "The first answer; what follows comes by the interaction's token.",
      content: json(z.object({ type: z.int() }).catchall(z.unknown())),
    },
    ...errors(...ERRORS_OF_HOOKS, 'invalid_request', 'webhook_replayed'),
  },
});

export const hookRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid })
  .openapi(telegramRoute, async (c) => {
    const env = c.get('env');
    const bot = findBot(env, c.req.valid('param').bot, 'telegram');
    if (!(await verifyWebhook(bot.webhookSecret, c.req.header(SECRET_HEADER)))) {
      refuse({ code: 'webhook_forbidden' });
    }
    const update = Update.safeParse(parseJson(new Uint8Array(await c.req.arrayBuffer())));
    // One that we cannot read would only be sent again, and again.
    if (!update.success) return c.json(DONE, 200);
    const move = readMove(update.data);
    if (move) {
      const conversation = env.conversations.getByName(conversationOf('telegram', move.from));
      await conversation.moveTo(conversationOf('telegram', move.to));
      return c.json(DONE, 200);
    }
    const event = decodeTelegram(bot, update.data, Date.now());
    // Telegram keeps what is not taken and sends it again.
    if (event && (await accept(env, event, null)) === 'full') {
      refuse({ code: 'unavailable', retryAfterMs: FULL_MS });
    }
    return c.json(DONE, 200);
  })
  .openapi(discordRoute, async (c) => {
    const now = Date.now();
    const env = c.get('env');
    const bot = findBot(env, c.req.valid('param').bot, 'discord');
    const body = new Uint8Array(await c.req.arrayBuffer());
    const signed = {
      signature: c.req.header('x-signature-ed25519') ?? '',
      timestamp: c.req.header('x-signature-timestamp') ?? '',
      body,
    };
    if (!(await verifyDiscord(bot.publicKey, signed, now))) refuse({ code: 'webhook_forbidden' });
    const interaction = Interaction.safeParse(parseJson(body));
    if (!interaction.success) refuse({ code: 'invalid_request', message: 'No such interaction.' });
    const answer = await answerDiscord(c, { bot, interaction: interaction.data, now });
    return c.json({ ...answer }, 200);
  });

async function answerDiscord(
  c: Context<AppEnv>,
  { bot, interaction, now }: { bot: DiscordBot; interaction: Interaction; now: number },
): Promise<APIInteractionResponse> {
  const env = c.get('env');
  if (interaction.type !== 1 && interaction.application_id !== bot.applicationId) {
    refuse({ code: 'webhook_forbidden' });
  }
  const { answer, goesOn } = respond(interaction, bot.type);
  if (interaction.type === 3 && answer.type === 9) {
    return fillForm(env, interaction, c.get('requestId'));
  }
  if (!goesOn || interaction.type === 1 || interaction.type === 4) return answer;
  const event = decodeDiscord(bot, interaction, now);
  if (!event) return say(WORDS.broken);
  switch (await accept(env, event, guildOf(interaction))) {
    case 'taken':
      return answer;
    case 'full':
      return say(WORDS.busyChat);
    case 'known':
      // Discord sends each once: this is a recording of it.
      return refuse({ code: 'webhook_replayed' });
  }
}

/** The form for the new words of a job, with the old ones in it. */
async function fillForm(env: Env, interaction: ComponentInteraction, requestId: string) {
  const { custom_id } = interaction.data;
  const action = decodeAction(custom_id)?.action;
  const user = userOf(interaction);
  if (action?.kind !== 'job' || !user) return say(WORDS.broken);
  const { jobId } = action;
  const asker = { platform: 'discord', ...user } as const;
  const { foreign, words } = await findWords(env, { user: asker, jobId, requestId });
  return foreign ? say(WORDS.onlyOwner) : askWords(custom_id, words);
}

function accept(env: Env, event: ChatEvent, guildId: string | null) {
  const { platform, chatId } = event.chat;
  return env.conversations.getByName(conversationOf(platform, guildId ?? chatId)).accept(event);
}

function guildOf(interaction: UserInteraction): string | null {
  return interaction.guild_id ?? null;
}

/** The bot of this platform; any other is not found. */
function findBot<P extends Bot['platform']>(
  env: Env,
  id: string,
  platform: P,
): Extract<Bot, { readonly platform: P }> {
  const bot = env.bots.get(id);
  if (bot?.platform !== platform) refuse({ code: 'not_found' });
  return bot as Extract<Bot, { readonly platform: P }>;
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body));
  } catch {
    return null; // the schema refuses it
  }
}
