/** What an interaction of Discord says to a bot. Pure. */
import type { Bot, ChatAddress } from '#schema/chat.ts';
import { decodeAction } from '../action.ts';
import type { Attachment, ChatEvent, GivenFields, Said } from '../event.ts';
import { kindOf } from '../telegram/decode.ts';
import type {
  CommandInteraction,
  ComponentInteraction,
  ModalInteraction,
  UserInteraction,
} from './interaction.ts';

export type DiscordBot = Extract<Bot, { readonly platform: 'discord' }>;

/** An interaction's token works so long. */
const TOKEN_MS = 15 * 60_000;
/** Administrator, Manage Server, Manage Messages (docs.discord.com/developers/topics/permissions). */
const [ADMINISTRATOR, MANAGE_SERVER, MANAGE_MESSAGES] = [0x8n, 0x20n, 0x2000n];
/** Options that hold the words of a command, whatever it is called. */
const WORDS = new Set(['prompt', 'input', 'job_id', 'setting']);

/** Who acts, as Discord vouches for. */
export function userOf(interaction: UserInteraction): { id: string; name: string } | null {
  const user = interaction.member?.user ?? interaction.user;
  return user ? { id: user.id, name: user.global_name ?? user.username } : null;
}

/** What somebody is in the place of an interaction; alone with the bot, everything. */
export function roleOf({ guild_id, member }: UserInteraction): {
  readonly isAdmin: boolean;
  readonly isModerator: boolean;
} {
  if (!guild_id) return { isAdmin: true, isModerator: true };
  const permissions = BigInt(member?.permissions ?? '0');
  const isAdmin = (permissions & (ADMINISTRATOR | MANAGE_SERVER)) !== 0n;
  return { isAdmin, isModerator: isAdmin || (permissions & MANAGE_MESSAGES) !== 0n };
}

/** Null for what says nothing to us; `now` is epoch ms. */
export function decodeDiscord(
  bot: DiscordBot,
  interaction: CommandInteraction | ComponentInteraction | ModalInteraction,
  now: number,
): ChatEvent | null {
  const user = userOf(interaction);
  const channelId = interaction.channel_id ?? interaction.channel?.id;
  const said = readSaid(interaction);
  if (!user || !channelId || !said) return null;
  const isPrivate = !interaction.guild_id;
  const chat: ChatAddress = {
    platform: 'discord',
    chatId: channelId,
    userId: user.id,
    replyTo: null,
    threadId: null,
    interactionToken: interaction.token,
    interactionExpiresAt: now + TOKEN_MS,
    attachmentBytesMax: interaction.attachment_size_limit ?? null,
  };
  const id = `dc:${bot.id}:${interaction.id}`;
  const who = { ...user, ...roleOf(interaction), isAnonymous: false };
  return { id, botId: bot.id, chat, user: who, isPrivate, said, at: now };
}

function readSaid(
  interaction: CommandInteraction | ComponentInteraction | ModalInteraction,
): Said | null {
  switch (interaction.type) {
    case 2:
      return readCommand(interaction);
    case 3: {
      const decoded = decodeAction(interaction.data.custom_id);
      const { id: messageId, attachments } = interaction.message;
      const hasMedia = attachments.length > 0;
      // Discord takes no press of a button that it does not show.
      const of = { messageId, hasMedia, stands: true, callbackId: null };
      return decoded && { kind: 'press', action: decoded.action, ...of };
    }
    case 5: {
      const decoded = decodeAction(interaction.data.custom_id);
      if (decoded?.action.kind !== 'job') return null;
      const fields = interaction.data.components.flatMap(({ components = [], component }) =>
        component ? [...components, component] : components,
      );
      return { kind: 'prompt', jobId: decoded.action.jobId, text: fields[0]?.value ?? '' };
    }
  }
}

function readCommand({ data }: CommandInteraction): Said {
  const fields: Record<string, string | number | boolean> = {};
  const attachments: Attachment[] = [];
  let words = '';
  for (const { name, value } of data.options) {
    if (value === undefined) continue;
    const file = typeof value === 'string' ? data.resolved.attachments[value] : undefined;
    if (file) {
      const { url: source, filename, size: bytes, content_type } = file;
      attachments.push({ kind: kindOf(content_type), source, name: filename, bytes });
    } else if (WORDS.has(name)) words = `${words} ${String(value)}`.trim();
    else fields[name] = value;
  }
  return {
    kind: 'command',
    name: data.name,
    words,
    fields: fields satisfies GivenFields,
    attachments,
  };
}
