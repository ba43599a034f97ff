/**
 * A double of Discord's REST API, version 10: interactions' webhooks (a token lives 15 minutes),
 * messages by the bot's token with enforced nonces, direct messages, commands; its limits (50
 * calls a second by the bot's token, five in two seconds to a webhook or channel, with the
 * X-RateLimit headers), sizes and edit semantics. Whatever a correct bot would never do is noted
 * as a violation, beside the answer to it.
 */
import type { z } from 'zod';
import type { FaultSource } from '../fault.ts';
import { listen } from '../http.ts';
import type { Incoming, Listener, Outgoing, Upload } from '../http.ts';
import { SlidingWindow } from '../window.ts';
import { ChannelMessage, Edit, Followup } from './body.ts';
import type { MessageBody } from './body.ts';
import { DiscordWorld } from './channel.ts';
import type { DiscordMessage } from './channel.ts';

export interface DiscordBotAccount {
  readonly id: string;
  readonly applicationId: string;
  readonly token: string;
  webhookUrl: string;
}

/** An interaction whose token is known. */
export interface OpenInteraction {
  readonly token: string;
  readonly bot: DiscordBotAccount;
  readonly channelId: string;
  readonly userId: string;
  readonly madeAt: number;
  /** The message that `@original` means, once there is an answer. */
  originalId: string | null;
}

const TOKEN_MS = 15 * 60_000;
const ATTACHMENT_BYTES_MAX = 10 * 1024 * 1024;
const EPHEMERAL = 64;

class Refusal extends Error {
  readonly status: number;
  readonly code: number;
  constructor(status: number, code: number, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

interface Answered {
  readonly status: number;
  readonly body: unknown;
}

export class DiscordServer {
  readonly world = new DiscordWorld();
  readonly violations: string[] = [];
  readonly interactions = new Map<string, OpenInteraction>();
  readonly commands = new Map<string, unknown>();
  /** Channels that bots may not write to by their token, and users that take no messages. */
  readonly closed = new Set<string>();
  readonly calls: Record<string, number> = {};
  readonly #bots: readonly DiscordBotAccount[];
  readonly #faults: FaultSource | null;
  readonly #whole = new Map<string, SlidingWindow>();
  readonly #buckets = new Map<string, SlidingWindow>();
  readonly #nonces = new Map<string, DiscordMessage>();
  #listener: Listener | null = null;

  constructor(bots: readonly DiscordBotAccount[], faults: FaultSource | null) {
    this.#bots = bots;
    this.#faults = faults;
  }

  get url(): string {
    if (!this.#listener) throw new Error('the double has not started');
    return this.#listener.url;
  }

  /** Version included, as the Worker is told it. */
  get apiUrl(): string {
    return `${this.url}/api/v10`;
  }

  get bots(): readonly DiscordBotAccount[] {
    return this.#bots;
  }

  async start(port: number): Promise<void> {
    this.#listener = await listen(port, (incoming) => this.#answer(incoming));
  }

  async stop(): Promise<void> {
    await this.#listener?.stop();
  }

  async #answer(incoming: Incoming): Promise<Outgoing> {
    const path = incoming.path.replace(/^\/api\/v10/, '');
    const fault = this.#faults?.draw() ?? null;
    if (fault === 'drop_before') return null;
    if (fault === 'failed') return { status: 502, body: { code: 0, message: 'Bad Gateway' } };
    if (fault === 'too_many') return tooMany(1, false);
    try {
      const { answered, headers } = this.#route(incoming, path);
      return fault === 'drop_after' ? null : { ...answered, headers };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { status, code, message } = error;
      if (status === 429) return tooMany(code / 1000, message === 'global');
      return { status, body: { code, message } };
    }
  }

  #route(
    incoming: Incoming,
    path: string,
  ): { answered: Answered; headers: Record<string, string> } {
    const { method } = incoming;
    const hook = /^\/webhooks\/(\d+)\/([^/]+)(?:\/messages\/(@original|\d+))?$/.exec(path);
    if (hook) {
      const [, applicationId, token, messageId] = hook;
      const headers = this.#count(`webhook ${token}`, null);
      this.#note(`${method} webhook`);
      const interaction = this.#interactionOf(applicationId!, token!);
      return { answered: this.#onHook(incoming, interaction, messageId ?? null), headers };
    }
    const bot = this.#botOf(incoming);
    const message = /^\/channels\/(\d+)\/messages(?:\/(\d+))?$/.exec(path);
    if (message) {
      const headers = this.#count(`channel ${bot.id} ${message[1]}`, bot);
      this.#note(`${method} channel message`);
      return { answered: this.#onChannel(incoming, bot, [message[1]!, message[2]]), headers };
    }
    const headers = this.#count(`other ${bot.id} ${path}`, bot);
    this.#note(`${method} other`);
    return { answered: this.#onOther(incoming, bot, path), headers };
  }

  #note(name: string): void {
    this.calls[name] = (this.calls[name] ?? 0) + 1;
  }

  #botOf({ headers }: Incoming): DiscordBotAccount {
    const token = /^Bot (.+)$/.exec(headers.get('authorization') ?? '')?.[1];
    const bot = this.#bots.find((known) => known.token === token);
    if (!bot) throw new Refusal(401, 0, '401: Unauthorized');
    if (!headers.get('user-agent')?.startsWith('DiscordBot (')) {
      this.violations.push(`${bot.id}: no user agent that names the bot`);
    }
    return bot;
  }

  /** Counts a call; the headers tell what is left, a limit that is broken is a violation. */
  #count(bucket: string, bot: DiscordBotAccount | null): Record<string, string> {
    const now = performance.now();
    if (bot) {
      const whole = windowOf(this.#whole, bot.id, [50, 1000]);
      const waitMs = whole.waitMs(now);
      if (waitMs > 0) {
        this.violations.push(`${bot.id}: limit of 50 a second`);
        throw new Refusal(429, Math.ceil(waitMs), 'global');
      }
      whole.add(now);
    }
    const window = windowOf(this.#buckets, bucket, [5, 2000]);
    const waitMs = window.waitMs(now);
    if (waitMs > 0) {
      this.violations.push(`limit of five in two seconds: ${bucket}`);
      throw new Refusal(429, Math.ceil(waitMs), 'bucket');
    }
    window.add(now);
    return {
      'x-ratelimit-limit': '5',
      'x-ratelimit-remaining': String(5 - window.size(now)),
      'x-ratelimit-reset-after': (2).toFixed(3),
      'x-ratelimit-bucket': bucket.replaceAll(/[^a-z]/g, ''),
    };
  }

  #interactionOf(applicationId: string, token: string): OpenInteraction {
    const interaction = this.interactions.get(token);
    if (!interaction || interaction.bot.applicationId !== applicationId) {
      throw new Refusal(404, 10_015, 'Unknown Webhook');
    }
    if (Date.now() - interaction.madeAt > TOKEN_MS) {
      throw new Refusal(401, 50_027, 'Invalid Webhook Token');
    }
    return interaction;
  }

  #onHook(incoming: Incoming, of: OpenInteraction, messageId: string | null): Answered {
    const { bot, channelId, token, userId } = of;
    if (of.originalId === null) throw new Refusal(404, 10_015, 'Unknown Webhook');
    if (messageId === null) {
      if (incoming.method !== 'POST') throw new Refusal(405, 0, '405: Method Not Allowed');
      const { body, files } = this.#read(Followup, incoming, bot);
      const shown = { ...toShown(body), files, token, botId: bot.id };
      return sent(this.world.add(channelId, { ...shown, userId: hiddenFor(body, userId) }));
    }
    const id = messageId === '@original' ? of.originalId : messageId;
    const message = this.world.open(channelId).get(id);
    if (!message || message.botId !== bot.id) throw new Refusal(404, 10_008, 'Unknown Message');
    return this.#onMessage(incoming, message, bot);
  }

  #onChannel(
    incoming: Incoming,
    bot: DiscordBotAccount,
    [channelId, messageId]: readonly [string, string | undefined],
  ): Answered {
    if (this.closed.has(channelId)) throw new Refusal(403, 50_001, 'Missing Access');
    if (!this.world.channels.has(channelId)) throw new Refusal(404, 10_003, 'Unknown Channel');
    if (messageId !== undefined) {
      const message = this.world.open(channelId).get(messageId);
      if (!message) throw new Refusal(404, 10_008, 'Unknown Message');
      if (message.botId !== bot.id) {
        throw new Refusal(403, 50_005, 'Cannot edit a message authored by another user');
      }
      return this.#onMessage(incoming, message, bot);
    }
    if (incoming.method !== 'POST') throw new Refusal(405, 0, '405: Method Not Allowed');
    const { body, files } = this.#read(ChannelMessage, incoming, bot);
    const nonce = body.enforce_nonce === true ? `${bot.id} ${body.nonce}` : null;
    const known = nonce === null ? undefined : this.#nonces.get(nonce);
    if (known) return sent(known);
    const shown = { ...toShown(body), files, botId: bot.id, userId: null };
    const message = this.world.add(channelId, shown);
    if (nonce !== null) this.#nonces.set(nonce, message);
    return sent(message);
  }

  #onMessage(incoming: Incoming, message: DiscordMessage, bot: DiscordBotAccount): Answered {
    if (incoming.method === 'DELETE') {
      this.world.open(message.channelId).delete(message.id);
      this.world.tell(message);
      return { status: 204, body: null };
    }
    if (incoming.method === 'GET') return sent(message);
    if (incoming.method !== 'PATCH') throw new Refusal(405, 0, '405: Method Not Allowed');
    const { body, files } = this.#read(Edit, incoming, bot);
    const { content, components, attachments } = body;
    if (content !== undefined) message.content = content;
    if (components !== undefined) message.components = components;
    if (attachments !== undefined || files.length > 0) message.files = files;
    message.isThinking = false;
    message.editedAt = Date.now();
    message.edits += 1;
    this.world.tell(message);
    return sent(message);
  }

  #onOther({ method, body }: Incoming, bot: DiscordBotAccount, path: string): Answered {
    if (path === '/users/@me/channels' && method === 'POST') {
      const user = (body as { recipient_id?: unknown }).recipient_id;
      if (typeof user !== 'string') throw new Refusal(400, 50_035, 'Invalid Form Body');
      if (this.closed.has(`user ${user}`)) {
        throw new Refusal(403, 50_007, 'Cannot send messages to this user');
      }
      const id = `9${user}`;
      this.world.open(id);
      return { status: 200, body: { id, type: 1 } };
    }
    if (path === `/applications/${bot.applicationId}/commands` && method === 'PUT') {
      if (!Array.isArray(body)) throw new Refusal(400, 50_035, 'Invalid Form Body');
      this.commands.set(bot.id, body);
      return { status: 200, body };
    }
    if (path === '/applications/@me' && method === 'PATCH') {
      const url = (body as { interactions_endpoint_url?: unknown }).interactions_endpoint_url;
      if (typeof url === 'string') bot.webhookUrl = url;
      return { status: 200, body: { id: bot.applicationId } };
    }
    throw new Refusal(404, 0, '404: Not Found');
  }

  #read<T extends MessageBody>(
    schema: z.ZodType<T>,
    { body, bodyKind, files }: Incoming,
    bot: DiscordBotAccount,
  ): { body: T; files: readonly Upload[] } {
    const given =
      bodyKind === 'form'
        ? (JSON.parse((body as { payload_json?: string }).payload_json ?? '{}') as unknown)
        : body;
    const parsed = schema.safeParse(given);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      this.violations.push(`${bot.id}: ${issue?.message} at ${issue?.path.join('.')}`);
      throw new Refusal(400, 50_035, `Invalid Form Body: ${issue?.message}`);
    }
    const { content = '', attachments = [] } = parsed.data;
    const uploads = attachments.flatMap(({ id }) => files.get(`files[${id}]`) ?? []);
    if (uploads.some(({ bytes }) => bytes.length > ATTACHMENT_BYTES_MAX)) {
      throw new Refusal(413, 40_005, 'Request entity too large');
    }
    if (content === '' && uploads.length === 0) {
      this.violations.push(`${bot.id}: an empty message`);
      throw new Refusal(400, 50_006, 'Cannot send an empty message');
    }
    return { body: parsed.data, files: uploads };
  }
}

function windowOf(
  windows: Map<string, SlidingWindow>,
  name: string,
  [max, spanMs]: readonly [number, number],
): SlidingWindow {
  const window = windows.get(name) ?? new SlidingWindow(max, spanMs);
  windows.set(name, window);
  return window;
}

function tooMany(seconds: number, global: boolean): Outgoing {
  return {
    status: 429,
    headers: { 'retry-after': String(Math.ceil(seconds)) },
    body: { message: 'You are being rate limited.', retry_after: seconds, global, code: 0 },
  };
}

function toShown({ content = '', components = [], flags = 0 }: MessageBody) {
  return { content, components, flags };
}

/** An ephemeral message is for its user alone. */
function hiddenFor({ flags = 0 }: MessageBody, userId: string): string | null {
  return (flags & EPHEMERAL) === 0 ? null : userId;
}

function sent({ id, channelId, content }: DiscordMessage): Answered {
  return { status: 200, body: { id, channel_id: channelId, content } };
}
