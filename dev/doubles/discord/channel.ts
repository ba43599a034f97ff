/** What a user of Discord would see: channels and their messages, in memory. */
import type { Upload } from '../http.ts';
import type { Components } from './body.ts';

export interface DiscordMessage {
  readonly id: string;
  readonly channelId: string;
  /** Null for a user's own line, which only the view shows. */
  readonly botId: string | null;
  readonly userId: string | null;
  /** The interaction that it answers. */
  readonly token: string | null;
  readonly sentAt: number;
  content: string;
  components: Components;
  files: readonly Upload[];
  flags: number;
  /** Deferred: "the bot is thinking". */
  isThinking: boolean;
  editedAt: number | null;
  edits: number;
}

/** docs.discord.com/developers/reference#snowflakes */
const DISCORD_EPOCH = 1_420_070_400_000;

/** Everything that stands in all channels. */
export class DiscordWorld {
  readonly channels = new Map<string, Map<string, DiscordMessage>>();
  readonly #listeners = new Set<(message: DiscordMessage) => void>();
  #id: bigint;

  /** Ids tell the time, as Discord's do: those of an earlier start never come again. */
  constructor(now = Date.now()) {
    this.#id = BigInt(now - DISCORD_EPOCH) << 22n;
  }

  nextId(): string {
    this.#id += 4_194_304n;
    return String(this.#id);
  }

  open(channelId: string): Map<string, DiscordMessage> {
    const channel = this.channels.get(channelId) ?? new Map<string, DiscordMessage>();
    this.channels.set(channelId, channel);
    return channel;
  }

  add(
    channelId: string,
    message: Partial<DiscordMessage> & Pick<DiscordMessage, 'botId' | 'userId'>,
  ): DiscordMessage {
    const added: DiscordMessage = {
      id: this.nextId(),
      channelId,
      token: null,
      sentAt: Date.now(),
      content: '',
      components: [],
      files: [],
      flags: 0,
      isThinking: false,
      editedAt: null,
      edits: 0,
      ...message,
    };
    this.open(channelId).set(added.id, added);
    this.tell(added);
    return added;
  }

  /** Tells of a new or changed message. */
  tell(message: DiscordMessage): void {
    for (const listener of this.#listeners) listener(message);
  }

  onChange(listener: (message: DiscordMessage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
