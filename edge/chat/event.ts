/**
 * What happens in a chat, platform-neutral: the decoders make it of an update or interaction, the
 * conversation keeps it until it is answered, the command layer reads it. JSON throughout.
 */
import type { ChatAddress, Platform } from '#schema/chat.ts';
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
      /** The job that that message shows, if it shows one. */
      readonly aboutJobId?: string | null;
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
      /** Whether the button is under it: a client of Telegram can press one that is not there. */
      readonly stands: boolean;
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
    /** Whether the user keeps order in it, by taking messages away; null as above. */
    readonly isModerator: boolean | null;
    /** Nobody that can be named: writes as the group itself, or as a channel. */
    readonly isAnonymous: boolean;
  };
  readonly isPrivate: boolean;
  readonly said: Said;
  /** Epoch ms at which it reached us. */
  readonly at: number;
}

/** Name of a conversation: of a chat, or of all channels of a server by the server's id. */
export function conversationOf(platform: Platform, id: string): string {
  return `${platform}:${id}`;
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

/**
 * What those who keep order in a chat may do with a job that another asked for in it. Nothing
 * that costs tokens, which would be the owner's, and nothing that shows or publishes anything.
 */
export const OVERSEEN_DEEDS: ReadonlySet<JobDeed> = new Set(['cancel', 'delete']);

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
