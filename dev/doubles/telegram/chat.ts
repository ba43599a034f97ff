/** What a user of Telegram would see: chats and their messages, in memory. */
import type { Upload } from '../http.ts';

export interface Keyboard {
  readonly inline_keyboard: readonly (readonly {
    readonly text: string;
    readonly callback_data?: string | undefined;
    readonly url?: string | undefined;
  }[])[];
}

/** One file that stands in a message. */
export interface ShownFile extends Upload {
  readonly kind: 'photo' | 'video' | 'audio' | 'voice' | 'document';
  readonly fileId: string;
}

export interface TelegramMessage {
  readonly id: number;
  readonly chatId: number;
  readonly threadId: number | null;
  /** Null for a bot's message. */
  readonly userId: number | null;
  readonly botId: string | null;
  readonly replyTo: number | null;
  readonly albumId: string | null;
  readonly sentAt: number;
  text: string;
  entities: unknown;
  file: ShownFile | null;
  keyboard: Keyboard | null;
  editedAt: number | null;
  /** How often it was edited. */
  edits: number;
}

export interface TelegramChat {
  readonly id: number;
  readonly kind: 'private' | 'group';
  readonly title: string;
  readonly messages: Map<number, TelegramMessage>;
  /** Bots that may not write here. */
  readonly blocked: Set<string>;
}

/** Message ids begin here, one for each second; the start of 2026. */
const EPOCH = Date.UTC(2026, 0);

/** Everything that stands in all chats. */
export class TelegramWorld {
  readonly #chats = new Map<string, TelegramChat>();
  readonly files = new Map<string, Upload>();
  #messageId: number;
  #listeners = new Set<(message: TelegramMessage) => void>();

  /** Messages are numbered from the time of the start: what a bot knows of before is not there. */
  constructor(now = Date.now()) {
    this.#messageId = Math.floor((now - EPOCH) / 1000);
  }

  /** The chat of that id as this bot knows it: a private one is between it and its user. */
  find(botId: string, id: number): TelegramChat | null {
    return this.#chats.get(keyOf(botId, id)) ?? null;
  }

  open(botId: string, id: number, title: string): TelegramChat {
    let chat = this.find(botId, id);
    if (!chat) {
      const kind = id < 0 ? 'group' : 'private';
      chat = { id, kind, title, messages: new Map(), blocked: new Set() };
      this.#chats.set(keyOf(botId, id), chat);
    }
    return chat;
  }

  add(
    chat: TelegramChat,
    message: Omit<TelegramMessage, 'id' | 'chatId' | 'sentAt' | 'editedAt' | 'edits'>,
  ): TelegramMessage {
    const id = (this.#messageId += 1);
    const added = {
      ...message,
      id,
      chatId: chat.id,
      sentAt: Date.now(),
      editedAt: null,
      edits: 0,
    };
    chat.messages.set(id, added);
    this.tell(added);
    return added;
  }

  keep(upload: Upload): string {
    const fileId = `file-${this.files.size + 1}`;
    this.files.set(fileId, upload);
    return fileId;
  }

  /** Tells of a new or changed message. */
  tell(message: TelegramMessage): void {
    for (const listener of this.#listeners) listener(message);
  }

  onChange(listener: (message: TelegramMessage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

function keyOf(botId: string, id: number): string {
  return id < 0 ? String(id) : `${botId} ${id}`;
}
