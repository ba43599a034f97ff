/**
 * What happens in a chat, platform-neutral: the decoders make it of an update or interaction, the
 * conversation keeps it until it is answered, the command layer reads it. JSON throughout.
 */
import type { ChatAddress } from '#schema/chat.ts';
import type { Action, JobDeed } from './message.ts';

/** A file that a user sent, not fetched yet. */
export interface Attachment {
  readonly kind: 'picture' | 'voice' | 'audio' | 'other';
  /** Telegram: the file's id. Discord: its URL. */
  readonly source: string;
  readonly name: string;
  /** As the platform says; null when it does not. */
  readonly bytes: number | null;
}

/** Parameters given one by one, as in a slash command; named as those of a job. */
export type GivenFields = Readonly<Record<string, string | number | boolean>>;

export type Said =
  | {
      readonly kind: 'text';
      /** What is meant for the bot: without its name. */
      readonly text: string;
      readonly attachments: readonly Attachment[];
      /** The message that this one answers, if it is one of ours. */
      readonly answers: string | null;
    }
  /** A slash command with its options; `words` is the main one's text, if it has one. */
  | {
      readonly kind: 'command';
      readonly name: string;
      readonly words: string;
      readonly fields: GivenFields;
      readonly attachments: readonly Attachment[];
    }
  | {
      readonly kind: 'press';
      readonly action: Action;
      /** The message whose button it is. */
      readonly messageId: string;
      readonly hasMedia: boolean;
      /** Telegram: what is to be answered. */
      readonly callbackId: string | null;
    }
  /** A changed prompt for a job that there is already. */
  | { readonly kind: 'prompt'; readonly jobId: string; readonly text: string };

export interface ChatEvent {
  /** Unique over all bots; the idempotency key of all that is done about it. */
  readonly id: string;
  readonly botId: string;
  readonly chat: ChatAddress;
  readonly user: {
    readonly id: string;
    readonly name: string;
    /** Whether the user runs the chat; null when the platform has to be asked. */
    readonly isAdmin: boolean | null;
  };
  readonly isPrivate: boolean;
  readonly said: Said;
  /** Epoch ms at which it reached us. */
  readonly at: number;
}

/** Name of the conversation that an event belongs to: a chat, or all channels of a server. */
export function conversationOf(event: ChatEvent, guildId: string | null): string {
  return `${event.chat.platform}:${guildId ?? event.chat.chatId}`;
}

/**
 * How Discord is to be answered when a button is pressed, before anything is done: `message` and
 * `whisper` open a new one (the latter for the presser's eyes only), `same` goes on in the message
 * with the button, `form` asks for new words.
 */
export function manner(action: Action): 'message' | 'whisper' | 'same' | 'form' {
  switch (action.kind) {
    case 'draft':
      return 'same';
    case 'example':
      return 'message';
    case 'command':
      return 'whisper';
    case 'job':
      return MANNERS[action.deed];
  }
}

const MANNERS: Readonly<Record<JobDeed, ReturnType<typeof manner>>> = {
  cancel: 'same',
  status: 'whisper',
  again: 'message',
  vary: 'message',
  upscale: 'message',
  edit: 'form',
  retry: 'message',
  delete: 'whisper',
  publish: 'whisper',
  unpublish: 'whisper',
};
