/**
 * A slot: one place in a chat where at most one message of ours stands, with what it is to show
 * and what it shows. News only replaces what is wanted; the courier then makes the message show
 * it. So the newest wins, nothing older ever comes after it, and a repeat changes nothing.
 *
 * A job has one slot from its command to its result; every other message has one of its own.
 */
import { isTerminal } from '#schema/job.ts';
import type { ChatAddress } from '#schema/chat.ts';
import type { JobRecord } from '#schema/record.ts';
import type { Rank } from '../../core/turn.ts';
import type { Reply } from '../../chat/message.ts';

/** What a message is to show, or that it is to go. */
export type Wanted =
  | { readonly kind: 'reply'; readonly reply: Reply }
  | { readonly kind: 'job'; readonly record: JobRecord }
  | { readonly kind: 'nothing' };

/** What was already done of a delivery that takes several calls, and what was learned of it. */
export interface Stage {
  /** The form that the platform has not refused yet. */
  readonly form: 'media' | 'document' | 'link';
  /** Files that cannot be put into a message by an edit: sent once, even if unanswered. */
  readonly extras: 'due' | 'sent' | 'unanswered';
  /** Messages that go with this one when it is to go. */
  readonly beside?: readonly string[];
  /** The message has a file: its words are a caption. */
  readonly hasMedia: boolean;
  /** The result stands in a new message, which rings; this one is still to be deleted. */
  readonly oldMessageId: string | null;
  readonly rung: boolean;
  /** The message was taken away: only a result is worth a new one. */
  readonly silent: boolean;
  /** Discord: where the message stands; `followup` of an interaction whose first one is another. */
  readonly place: 'interaction' | 'followup' | 'channel' | 'direct';
  /** Discord: the channel of direct messages with this user. */
  readonly directChannelId: string | null;
  /** Telegram: the topic is gone. */
  readonly withoutThread: boolean;
}

export interface Slot {
  readonly key: string;
  readonly chat: ChatAddress;
  readonly accountId: string | null;
  readonly jobId: string | null;
  readonly wanted: Wanted;
  /** Rises with what is wanted; `shown` is that of what stands there, 0 for nothing. */
  readonly revision: number;
  readonly shown: number;
  /** Sequence of the newest record that was taken, 0 for none. */
  readonly sequence: number;
  readonly messageId: string | null;
  readonly stage: Stage;
  readonly tries: number;
  readonly createdAt: number;
  /** When it ended, and how; null while more may come. */
  readonly endedAt: number | null;
  readonly end: SlotEnd | null;
}

/** `shown`: the last there is to show stands there; `gone`: nobody is there; `given_up`. */
export type SlotEnd = 'shown' | 'gone' | 'given_up';

const FIRST_STAGE: Stage = {
  form: 'media',
  extras: 'due',
  hasMedia: false,
  oldMessageId: null,
  rung: false,
  silent: false,
  place: 'interaction',
  directChannelId: null,
  withoutThread: false,
};

/** The slot's key for a job. */
export function jobSlot(jobId: string): string {
  return `job:${jobId}`;
}

/** A slot that shows nothing yet, or whose message is there already. */
export function newSlot(
  of: Pick<Slot, 'key' | 'chat' | 'accountId' | 'jobId' | 'wanted'> & {
    messageId?: string;
    stage?: Partial<Stage>;
  },
  now: number,
): Slot {
  const { wanted, messageId, stage, ...others } = of;
  return {
    ...others,
    wanted,
    revision: 1,
    shown: 0,
    sequence: wanted.kind === 'job' ? wanted.record.sequence : 0,
    messageId: messageId ?? null,
    stage: { ...FIRST_STAGE, ...stage },
    tries: 0,
    createdAt: now,
    endedAt: null,
    end: null,
  };
}

/** The slot with newer news of its job, or null when it knows as much or is over. */
export function withRecord(slot: Slot, record: JobRecord): Slot | null {
  if (record.sequence <= slot.sequence) return null;
  const stage: Stage = { ...slot.stage, form: 'media', extras: 'due' };
  return {
    ...slot,
    wanted: { kind: 'job', record },
    sequence: record.sequence,
    accountId: record.accountId,
    revision: slot.revision + 1,
    stage,
    tries: 0,
  };
}

/** How pressing it is to show what the slot wants; null when it shows it. */
export function rankOf(slot: Slot): Rank | null {
  if (slot.endedAt !== null) return null;
  const last = isLast(slot);
  if (slot.shown >= slot.revision) return slot.stage.oldMessageId === null ? null : 'state';
  if (slot.stage.silent && !last) return null;
  return slot.shown === 0 || last ? 'answer' : 'state';
}

/** Whether nothing more comes by itself once it shows what it wants. */
export function isLast({ wanted, jobId }: Slot): boolean {
  return jobId === null || (wanted.kind === 'job' && isTerminal(wanted.record.status));
}
