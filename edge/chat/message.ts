/**
 * What is said in a chat, platform-neutral: the words as spans, the buttons with what they do,
 * the files that go with them; and what a bot's courier is asked to bring out.
 * Renderers (telegram.ts, discord.ts) turn a `Reply` into a platform's own fields; nothing here
 * knows a platform, and no text of a user is ever parsed as markup.
 */
import type { Artifact } from '#schema/artifact.ts';
import type { ChatAddress } from '#schema/chat.ts';

/** A piece of text. A quote is a block of its own lines. */
export type Span =
  | string
  | { readonly kind: 'bold' | 'italic' | 'code' | 'quote'; readonly text: string }
  | { readonly kind: 'link'; readonly text: string; readonly url: string };

/** Deeds done with a job by a button. */
export const JOB_DEEDS = [
  'cancel',
  'status',
  'again',
  'vary',
  'upscale',
  'edit',
  'retry',
  'delete',
  'publish',
  'unpublish',
] as const;
export type JobDeed = (typeof JOB_DEEDS)[number];

/** What a button does. It says all by itself, so that it works after any restart. */
export type Action =
  | { readonly kind: 'job'; readonly deed: JobDeed; readonly jobId: string; readonly index: number }
  /** Goes on with a request that the conversation keeps, with the nth of the offered choices. */
  | { readonly kind: 'draft'; readonly draftId: string; readonly choice: number }
  /** As if the user had sent this, one of the examples. */
  | { readonly kind: 'example'; readonly index: number }
  /** As if the user had sent this command. */
  | { readonly kind: 'command'; readonly name: 'help' | 'plan' | 'upgrade' };

export type Button =
  | {
      readonly label: string;
      readonly action: Action;
      readonly look?: 'plain' | 'main' | 'danger';
    }
  | { readonly label: string; readonly url: string };

/** A file of a result that goes with the words. */
export interface Media {
  readonly as: 'picture' | 'video' | 'audio' | 'voice' | 'document';
  /** What it is called when it is saved. */
  readonly name: string;
  readonly artifact: Artifact;
}

/** One message of a bot. */
export interface Reply {
  readonly text: readonly Span[];
  /** Rows of buttons. */
  readonly buttons: readonly (readonly Button[])[];
  readonly media: readonly Media[];
  /** Only the one who asked should see it, where the platform can do that. */
  readonly isPrivate: boolean;
  /** Platform id of the user whose buttons these are; null: anybody's. */
  readonly ownerId: string | null;
}

/**
 * What a courier is asked to bring out. `key` names it for ever: the same key brings out nothing
 * a second time.
 */
export type Outbound =
  /**
   * A new message in answer to `chat.replyTo`; on Discord the first one of an interaction fills
   * the deferred answer (`@original`), any further is a followup. With `jobId` it is that job's
   * one progress message: later news of the job edits it, and it is dropped when such came first.
   */
  | {
      readonly kind: 'message';
      readonly key: string;
      readonly chat: ChatAddress;
      readonly reply: Reply;
      readonly jobId: string | null;
    }
  /** Replaces words and buttons of a message of ours that is there already. */
  | {
      readonly kind: 'edit';
      readonly key: string;
      readonly chat: ChatAddress;
      readonly messageId: string;
      readonly reply: Reply;
      /** Whether the message carries media: then its caption is what is edited. */
      readonly hasMedia: boolean;
    }
  /** Takes a message of ours away; with `jobId` also what was sent beside that job's message. */
  | {
      readonly kind: 'delete';
      readonly key: string;
      readonly chat: ChatAddress;
      readonly messageId: string;
      readonly jobId: string | null;
    }
  /**
   * A word to the one who pressed a button, for nobody else to see: Telegram's
   * `answerCallbackQuery` (null text: only stops the spinner), Discord's ephemeral followup of a
   * component's interaction (null text: nothing is sent). Worth a few seconds, then dropped.
   */
  | {
      readonly kind: 'note';
      readonly key: string;
      readonly chat: ChatAddress;
      /** Telegram: the callback query. Discord: null. */
      readonly callbackId: string | null;
      readonly text: string | null;
      /** Telegram: a box that has to be closed, instead of a line that fades. */
      readonly isAlert: boolean;
    };
