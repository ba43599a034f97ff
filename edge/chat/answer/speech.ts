/**
 * What is said in answer to one event, and what is to be remembered of it. All of it may happen
 * again after a fault, so every effect has a key made of the event's id.
 */
import type { Bot } from '#schema/chat.ts';
import type { JobType } from '#schema/model.ts';
import type { Env } from '../../env.ts';
import type { Draft } from '../command/draft.ts';
import { manner } from '../event.ts';
import type { ChatEvent } from '../event.ts';
import type { Outbound, Reply } from '../message.ts';
import { sayReply } from '../reply.ts';

/** Whether our bots may be used in a chat. */
export interface Rule {
  readonly off: boolean;
  readonly offTypes: readonly JobType[];
}

/** What a question of ours goes on with, when it is answered. */
export type Kept =
  | { readonly kind: 'draft'; readonly userId: string; readonly draft: Draft }
  | {
      readonly kind: 'delete';
      readonly userId: string;
      readonly jobId: string;
      /** Null where it is not known to show the job. */
      readonly messageId: string | null;
      /** `chat`: the message alone goes, by one who keeps order there. */
      readonly from: 'account' | 'chat';
    };

/** The last press of a button by one user. */
export interface Press {
  /** How many of them were meant; each is a key of its own. */
  readonly count: number;
  /** Epoch ms. */
  readonly at: number;
  /** The job that came of it, if one did. */
  readonly jobId: string | null;
}

/** What a conversation remembers, for the one event. */
export interface Memory {
  readonly rule: Rule;
  /** The user's last job in this chat. */
  readonly lastJobId: string | null;
  /** The id that the chat had before Telegram gave it another. */
  readonly formerChatId: string | null;
  kept(id: string): Kept | null;
  pressed(button: string): Press | null;
  /** Does something once: a repeat of the event gets what it made the first time. JSON. */
  once<T>(name: string, make: () => Promise<T>): Promise<T>;
  /** Whether the user runs the chat, asked for at most once in a while; null: unknown. */
  runsChat(ask: () => Promise<boolean | null>): Promise<boolean | null>;
}

/** What is to be remembered. */
export type Change =
  | { readonly kind: 'last_job'; readonly userId: string; readonly jobId: string }
  | { readonly kind: 'keep'; readonly id: string; readonly kept: Kept }
  | { readonly kind: 'drop'; readonly id: string }
  | { readonly kind: 'press'; readonly button: string; readonly press: Press }
  | { readonly kind: 'rule'; readonly rule: Rule };

/** Of Discord: the message that answers the interaction itself. */
const ORIGINAL = '@original';

/** An event as it is answered, whoever said it. */
export class Speech {
  readonly env: Env;
  readonly bot: Bot;
  readonly event: ChatEvent;
  readonly memory: Memory;
  readonly now: number;
  /** Names what is done about the event in logs and the audit. */
  readonly requestId: string;
  readonly outbound: Outbound[] = [];
  readonly changes: Change[] = [];

  constructor(given: Pick<Speech, 'env' | 'bot' | 'event' | 'memory' | 'now' | 'requestId'>) {
    this.env = given.env;
    this.bot = given.bot;
    this.event = given.event;
    this.memory = given.memory;
    this.now = given.now;
    this.requestId = given.requestId;
  }

  /** The plan page; null when the site's address is not configured. */
  get plansUrl(): string | null {
    const { publicUrl } = this.env;
    return publicUrl === null ? null : `${publicUrl}/#plans`;
  }

  /** A message in answer; with `jobId` it is that job's one progress message. */
  say(reply: Reply | string, jobId: string | null = null): void {
    const message = typeof reply === 'string' ? sayReply(reply) : reply;
    const { chat } = this.event;
    this.outbound.push({ kind: 'message', key: this.#key(), chat, reply: message, jobId });
  }

  /**
   * A word about a button that was pressed, for the one who pressed it; where its press has
   * opened a message already, as that message.
   */
  note(text: string): void {
    const { said } = this.event;
    if (said.kind === 'press' && !this.#isOpen()) this.#note(text, true);
    else this.say(text);
  }

  /** Next to nothing: a line that fades, and no message even where one was opened. */
  hush(text: string): void {
    if (!this.#isOpen()) {
      this.#note(text, false);
      return;
    }
    const { chat } = this.event;
    this.outbound.push({
      ...{ kind: 'delete', key: this.#key(), chat },
      ...{ messageId: ORIGINAL, jobId: null },
    });
  }

  /** Telegram's button shows that something is done until it is told that it was. */
  calm(): void {
    const { said } = this.event;
    const isCalm = this.outbound.some(({ kind }) => kind === 'note');
    if (said.kind === 'press' && said.callbackId !== null && !isCalm) this.#note(null, false);
  }

  /** Replaces the question whose button was pressed, where the press does not do so itself. */
  settle(text: string): void {
    const { said, chat } = this.event;
    if (said.kind !== 'press' || chat.platform !== 'telegram') return;
    const { messageId, hasMedia, stands } = said;
    if (!stands) return;
    const reply = sayReply(text);
    this.outbound.push({ kind: 'edit', key: this.#key(), chat, messageId, reply, hasMedia });
  }

  /** Takes a message of ours away, which came of another interaction, with its job's files. */
  remove(messageId: string, jobId: string): void {
    const chat = { ...this.event.chat, interactionToken: null, interactionExpiresAt: null };
    this.outbound.push({ kind: 'delete', key: this.#key(), chat, messageId, jobId });
  }

  /** A short name for what is kept of this event; the same after a repeat. */
  keepId(): string {
    const [, bot = '', number = ''] = this.event.id.split(':');
    return `${bot.slice(0, 8).replaceAll('-', '')}${BigInt(number).toString(36)}`;
  }

  #note(text: string | null, isAlert: boolean): void {
    const { said, chat } = this.event;
    const callbackId = said.kind === 'press' ? said.callbackId : null;
    this.outbound.push({ kind: 'note', key: this.#key(), chat, callbackId, text, isAlert });
  }

  /** Discord was told to expect a new message. */
  #isOpen(): boolean {
    const { said, chat } = this.event;
    if (chat.platform !== 'discord' || said.kind !== 'press') return false;
    const how = manner(said.action);
    return how === 'message' || how === 'whisper';
  }

  #key(): string {
    return `${this.event.id}/${this.outbound.length}`;
  }
}
