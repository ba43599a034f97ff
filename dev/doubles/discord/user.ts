/**
 * What users of the Discord double do: commands, presses, modals. Each is an interaction for the
 * bot's webhook, signed with Ed25519 over timestamp and body; its answer has to come within three
 * seconds, else the user sees that the application did not respond.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { InteractionAnswer } from './body.ts';
import type { DiscordMessage } from './channel.ts';
import type { DiscordBotAccount, DiscordServer, OpenInteraction } from './server.ts';

const ANSWER_MS = 3000;
const ATTACHMENT_BYTES_MAX = 10 * 1024 * 1024;
const EPHEMERAL = 64;

/** The key pair of one application; the public half is 64 hex digits. */
export interface SigningKey {
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

export function makeSigningKey(): SigningKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  return { publicKey: raw.toString('hex'), privateKey };
}

export interface Actor {
  readonly bot: DiscordBotAccount;
  readonly key: SigningKey;
  readonly userId: string;
  readonly name: string;
  readonly channelId: string;
  /** Of a server; a direct message with the bot without it. */
  readonly guildId?: string;
}

/** What came of an interaction. */
export interface Reaction {
  /** Null when the application did not respond in time, or wrongly. */
  readonly answer: InteractionAnswer | null;
  readonly tookMs: number;
  readonly interaction: OpenInteraction;
}

/** Uses a slash command. */
export function command(
  server: DiscordServer,
  actor: Actor,
  { name, options = {} }: { name: string; options?: Record<string, string | number | boolean> },
): Promise<Reaction> {
  const given = Object.entries(options).map(([option, value]) => ({
    name: option,
    type: typeof value === 'string' ? 3 : typeof value === 'number' ? 4 : 5,
    value,
  }));
  const data = { id: server.world.nextId(), name, type: 1, options: given };
  return interact(server, actor, { type: 2, data });
}

/** Presses a button. */
export function press(
  server: DiscordServer,
  actor: Actor,
  { message, customId }: { message: DiscordMessage; customId: string },
): Promise<Reaction> {
  return interact(server, actor, {
    type: 3,
    data: { custom_id: customId, component_type: 2 },
    message: toApi(message),
  });
}

/** Sends a modal back with this text in its field. */
export function submitModal(
  server: DiscordServer,
  actor: Actor,
  { customId, field, value }: { customId: string; field: string; value: string },
): Promise<Reaction> {
  const components = [{ type: 1, components: [{ type: 4, custom_id: field, value }] }];
  return interact(server, actor, { type: 5, data: { custom_id: customId, components } });
}

async function interact(
  server: DiscordServer,
  actor: Actor,
  said: { type: 2 | 3 | 5; data: object; message?: { id: string } },
): Promise<Reaction> {
  const { bot, channelId, userId } = actor;
  server.world.open(channelId);
  const token = randomBytes(60).toString('base64url');
  const interaction: OpenInteraction = {
    token,
    bot,
    channelId,
    userId,
    madeAt: Date.now(),
    originalId: null,
  };
  server.interactions.set(token, interaction);
  const body = JSON.stringify({ ...toInteraction(server, actor, token), ...said });
  const startedAt = performance.now();
  const answer = await post(server, actor, body);
  const tookMs = performance.now() - startedAt;
  if (answer) take(server, interaction, { answer, pressed: said.message });
  return { answer, tookMs, interaction };
}

async function post(
  server: DiscordServer,
  { bot, key }: Actor,
  body: string,
): Promise<InteractionAnswer | null> {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const signature = sign(null, Buffer.from(timestamp + body), key.privateKey).toString('hex');
  try {
    const response = await fetch(bot.webhookUrl, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-signature-ed25519': signature,
        'x-signature-timestamp': timestamp,
      },
      body,
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const answer = InteractionAnswer.safeParse(await response.json());
    if (response.ok && answer.success) return answer.data;
    const why = answer.success ? `status ${response.status}` : answer.error.issues[0]?.message;
    if (response.status < 500) server.violations.push(`${bot.id}: interaction answered: ${why}`);
    return null;
  } catch {
    return null; // away or late: the user sees that the application did not respond
  }
}

/** Shows what the answer says. */
function take(
  server: DiscordServer,
  interaction: OpenInteraction,
  { answer, pressed }: { answer: InteractionAnswer; pressed: { id: string } | undefined },
): void {
  const { bot, channelId, userId, token } = interaction;
  switch (answer.type) {
    case 4:
    case 5: {
      const data = answer.type === 4 ? answer.data : { flags: answer.data?.flags ?? 0 };
      const hidden = ((data.flags ?? 0) & EPHEMERAL) !== 0;
      const message = server.world.add(channelId, {
        ...data,
        botId: bot.id,
        userId: hidden ? userId : null,
        token,
        isThinking: answer.type === 5,
      });
      interaction.originalId = message.id;
      return;
    }
    case 6:
    case 7: {
      interaction.originalId = pressed?.id ?? null;
      const message = server.world.open(channelId).get(pressed?.id ?? '');
      if (answer.type === 6 || !message) return;
      Object.assign(message, { content: answer.data.content ?? message.content });
      if (answer.data.components) message.components = answer.data.components;
      message.edits += 1;
      server.world.tell(message);
      return;
    }
    case 1:
    case 8:
    case 9:
      return;
  }
}

function toInteraction(server: DiscordServer, actor: Actor, token: string): object {
  const { bot, userId, name, channelId, guildId } = actor;
  const user = { id: userId, username: name.toLowerCase(), discriminator: '0', global_name: name };
  const member = { user, roles: [], permissions: '2147483648', joined_at: '2026-01-01T00:00:00Z' };
  return {
    id: server.world.nextId(),
    application_id: bot.applicationId,
    token,
    version: 1,
    channel_id: channelId,
    channel: { id: channelId, type: guildId === undefined ? 1 : 0 },
    ...(guildId === undefined ? { user } : { guild_id: guildId, member }),
    app_permissions: '2147483648',
    locale: 'en-GB',
    entitlements: [],
    authorizing_integration_owners: {},
    context: guildId === undefined ? 1 : 0,
    attachment_size_limit: ATTACHMENT_BYTES_MAX,
  };
}

function toApi({ id, channelId, content, files }: DiscordMessage) {
  const attachments = files.map(({ name, bytes }, index) => ({
    id: String(index),
    filename: name,
    size: bytes.length,
  }));
  return { id, channel_id: channelId, content, attachments };
}
