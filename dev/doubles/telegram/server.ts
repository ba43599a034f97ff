/**
 * A double of Telegram's Bot API: checks what bots send against the documented types, keeps the
 * published limits (30 messages a second for a bot, one a second to a chat, 20 a minute to a
 * group, with 429 and retry_after), sizes and edit semantics, and what users then see.
 * Whatever a correct bot would never do is noted as a violation, beside the answer to it.
 */
import type { z } from 'zod';
import type { FaultSource } from '../fault.ts';
import { listen } from '../http.ts';
import type { Incoming, Listener, Outgoing, Upload } from '../http.ts';
import { SlidingWindow } from '../window.ts';
import { TelegramWorld } from './chat.ts';
import type { ShownFile, TelegramChat, TelegramMessage } from './chat.ts';
import { bad, DEEDS, Refusal } from './deed.ts';
import type { Desk, TelegramBotAccount } from './deed.ts';
import { METHODS, readForm } from './method.ts';
import type { Method, Params } from './method.ts';

interface Limits {
  readonly whole: SlidingWindow;
  readonly chats: Map<number, SlidingWindow>;
  readonly groups: Map<number, SlidingWindow>;
}

const PHOTO_BYTES_MAX = 10 * 1000 * 1000;
const FILE_BYTES_MAX = 50 * 1000 * 1000;

export class TelegramServer implements Desk {
  readonly world = new TelegramWorld();
  readonly violations: string[] = [];
  /** Answers to presses, by the callback query's id. */
  readonly notes = new Map<string, { text: string | null; isAlert: boolean }>();
  readonly commands = new Map<string, Params<'setMyCommands'>['commands']>();
  /** Calls by method. */
  readonly calls: Record<string, number> = {};
  readonly #bots = new Map<string, TelegramBotAccount>();
  readonly #limits = new Map<string, Limits>();
  readonly #faults: FaultSource | null;
  #listener: Listener | null = null;
  #album = 0;

  constructor(bots: readonly TelegramBotAccount[], faults: FaultSource | null) {
    for (const bot of bots) this.#bots.set(bot.token, bot);
    this.#faults = faults;
  }

  get url(): string {
    if (!this.#listener) throw new Error('the double has not started');
    return this.#listener.url;
  }

  get bots(): readonly TelegramBotAccount[] {
    return [...this.#bots.values()];
  }

  async start(port: number): Promise<void> {
    this.#listener = await listen(port, (incoming) => this.#answer(incoming));
  }

  async stop(): Promise<void> {
    await this.#listener?.stop();
  }

  async #answer(incoming: Incoming): Promise<Outgoing> {
    const file = /^\/file\/bot([^/]+)\/(.+)$/.exec(incoming.path);
    if (file) return this.#serveFile(file[1]!, file[2]!);
    const [, token, name] = /^\/bot([^/]+)\/(\w+)$/.exec(incoming.path) ?? [];
    const bot = this.#bots.get(token ?? '');
    if (!bot) return refuse(new Refusal(401, 'Unauthorized'));
    if (!isMethod(name)) return refuse(new Refusal(404, 'Not Found'));
    const fault = this.#faults?.draw() ?? null;
    if (fault === 'drop_before') return null;
    if (fault === 'failed') return refuse(new Refusal(500, 'Internal Server Error'));
    if (fault === 'too_many')
      return refuse(new Refusal(429, 'Too Many Requests: retry after 1', 1));
    this.calls[name] = (this.calls[name] ?? 0) + 1;
    try {
      const result = this.#do(bot, name, incoming);
      return fault === 'drop_after' ? null : { status: 200, body: { ok: true, result } };
    } catch (error) {
      if (error instanceof Refusal) return refuse(error);
      throw error;
    }
  }

  #serveFile(token: string, path: string): Outgoing {
    const upload = this.world.files.get(path.replace(/^files\//, ''));
    if (!this.#bots.has(token) || !upload) return refuse(new Refusal(404, 'Not Found'));
    return {
      status: 200,
      headers: { 'content-type': 'application/octet-stream' },
      body: upload.bytes,
    };
  }

  #do(bot: TelegramBotAccount, method: Method, { body, bodyKind, files }: Incoming): unknown {
    if (bodyKind === 'broken') throw this.#violate(bot, bad("can't parse JSON object"));
    const given = bodyKind === 'form' ? readForm(body as Record<string, string>) : body;
    const parsed = METHODS[method].safeParse(given);
    if (!parsed.success) {
      throw this.#violate(bot, bad(`${method}: ${describe(parsed.error)}`));
    }
    const call = { bot, files, params: parsed.data };
    return DEEDS[method](this, call as never);
  }

  #violate(bot: TelegramBotAccount, refusal: Refusal): Refusal {
    this.violations.push(`${bot.id}: ${refusal.message}`);
    return refusal;
  }

  /** The chat a bot may write to now; counts the messages against its limits. */
  enter(bot: TelegramBotAccount, chatId: number, messages: number): TelegramChat {
    const chat = this.world.find(bot.id, chatId);
    if (!chat) throw bad('chat not found');
    if (chat.blocked.has(bot.id)) throw new Refusal(403, 'Forbidden: bot was blocked by the user');
    const now = performance.now();
    const windows: [string, SlidingWindow, number][] = [
      ['30 a second', this.#limitsOf(bot).whole, messages],
      ['1 a second to a chat', this.#window('chats', bot, chatId), 1],
    ];
    if (chat.kind === 'group') {
      windows.push(['20 a minute to a group', this.#window('groups', bot, chatId), messages]);
    }
    for (const [limit, window, count] of windows) {
      const waitMs = window.waitMs(now, count);
      if (waitMs <= 0) continue;
      const seconds = Math.ceil(waitMs / 1000);
      const words = `Too Many Requests: retry after ${seconds}`;
      this.violations.push(`${bot.id}: limit of ${limit} in chat ${chatId}`);
      throw new Refusal(429, words, seconds);
    }
    for (const [, window, count] of windows) window.add(now, count);
    return chat;
  }

  #limitsOf(bot: TelegramBotAccount): Limits {
    let limits = this.#limits.get(bot.id);
    if (!limits) {
      limits = { whole: new SlidingWindow(30, 1000), chats: new Map(), groups: new Map() };
      this.#limits.set(bot.id, limits);
    }
    return limits;
  }

  #window(kind: 'chats' | 'groups', bot: TelegramBotAccount, chatId: number): SlidingWindow {
    const windows = this.#limitsOf(bot)[kind];
    const window =
      windows.get(chatId) ??
      (kind === 'chats' ? new SlidingWindow(1, 1000) : new SlidingWindow(20, 60_000));
    windows.set(chatId, window);
    return window;
  }

  /** A message of this bot that is still there. */
  own(
    bot: TelegramBotAccount,
    chat: TelegramChat,
    { id, to }: { id: number; to: 'edit' | 'delete' },
  ): TelegramMessage {
    const message = chat.messages.get(id);
    if (!message) throw bad(`message to ${to} not found`);
    if (message.botId !== bot.id)
      throw bad(`message can't be ${to === 'edit' ? 'edited' : 'deleted'}`);
    return message;
  }

  shownFile(kind: ShownFile['kind'], upload: Upload): ShownFile {
    if (upload.bytes.length > FILE_BYTES_MAX) throw new Refusal(413, 'Request Entity Too Large');
    if (upload.bytes.length === 0) throw bad('file must be non-empty');
    if (kind === 'photo') {
      if (upload.bytes.length > PHOTO_BYTES_MAX) throw bad('file is too big');
      if (!isPicture(upload.bytes)) throw bad('IMAGE_PROCESS_FAILED');
    }
    return { ...upload, kind, fileId: this.world.keep(upload) };
  }

  nextAlbum(): string {
    return `album-${(this.#album += 1)}`;
  }
}

function isMethod(name: string | undefined): name is Method {
  return name !== undefined && Object.hasOwn(METHODS, name);
}

function refuse({ code, message, retryAfterS }: Refusal): Outgoing {
  const parameters = retryAfterS === null ? {} : { parameters: { retry_after: retryAfterS } };
  return {
    status: code,
    body: { ok: false, error_code: code, description: message, ...parameters },
  };
}

function describe(error: z.ZodError): string {
  const [issue] = error.issues;
  return `${issue?.message ?? 'invalid'} at ${issue?.path.join('.') ?? ''}`;
}

function isPicture(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.subarray(0, 12)).toString('latin1');
  return head.startsWith('\x89PNG') || head.startsWith('\xff\xd8') || /^RIFF....WEBP/s.test(head);
}
