/**
 * What a call made of its slot. Pure: the slot as it is now (news may have come during the call),
 * what was tried of it, and how that went, give the slot to keep and what to do next.
 * A fault is first answered by another form, place or message; only then by a repeat or the end.
 */
import { BOT_KEEP_MS, BOT_TRIES_MAX } from '#schema/limits.ts';
import { judgeFault } from '../../core/fault.ts';
import type { ChatFault } from '../../core/fault.ts';
import { isLast } from './slot.ts';
import type { Slot, SlotEnd, Stage } from './slot.ts';

/** One call to the platform: what it changed, and whether the slot's wish now stands there. */
export interface Step {
  readonly messageId?: string | null;
  readonly stage?: Partial<Stage>;
  /** Messages that were sent beside the one of the slot. */
  readonly beside?: readonly string[];
  readonly shows: boolean;
  readonly fault: ChatFault | null;
}

/** What the courier does after a step. */
export type Next =
  /** Nothing, or whatever the slot now asks for. */
  | { readonly kind: 'go_on' }
  /** Try it again after a pause. */
  | { readonly kind: 'pause' }
  /** The platform said how long. */
  | { readonly kind: 'wait'; readonly ms: number; readonly wide: boolean }
  /** Let all others wait too. */
  | { readonly kind: 'away' };

export interface Settled {
  readonly slot: Slot;
  readonly next: Next;
}

/** Why a slot was given up, for the record. */
export function describeFault(fault: ChatFault): string {
  return 'message' in fault ? `${fault.reason}: ${fault.message}` : fault.reason;
}

/**
 * Takes a step into account. `attempted` is the revision that was to be shown; `counts` is false
 * for a try that failed with everybody else's.
 */
export function settleStep(
  slot: Slot,
  step: Step,
  { attempted, counts, now }: { attempted: number; counts: boolean; now: number },
): Settled {
  const stage = step.stage ? { ...slot.stage, ...step.stage } : slot.stage;
  const messageId = step.messageId === undefined ? slot.messageId : step.messageId;
  const moved: Slot = { ...slot, messageId, stage };
  const { fault } = step;
  if (fault === null || fault.reason === 'unchanged') {
    const stands = step.shows || fault !== null;
    return { slot: shownUpTo(moved, stands ? attempted : moved.shown, now), next: GO_ON };
  }
  if (fault.reason === 'rate_limited') {
    return { slot: moved, next: { kind: 'wait', ms: fault.retryAfterMs, wide: fault.wide } };
  }
  const cured = cure(moved, fault, { attempted, now });
  if (cured) return { slot: cured, next: GO_ON };
  return afterFault(moved, fault, { counts, now });
}

const GO_ON: Next = { kind: 'go_on' };

function shownUpTo(slot: Slot, shown: number, now: number): Slot {
  const next = { ...slot, shown: Math.max(slot.shown, shown), tries: 0 };
  const done = next.shown >= next.revision && next.stage.oldMessageId === null && isLast(next);
  return done ? endSlot(next, 'shown', now) : next;
}

/** Ends a slot: nothing more is tried. */
function endSlot(slot: Slot, end: SlotEnd, endedAt: number): Slot {
  return { ...slot, end, endedAt };
}

/** The slot in another form, place or message that the fault leaves open, or null. */
function cure(
  slot: Slot,
  fault: ChatFault,
  { attempted, now }: { attempted: number; now: number },
): Slot | null {
  const { stage } = slot;
  const last = isLast(slot);
  const change = (more: Partial<Stage>): Slot => ({ ...slot, stage: { ...stage, ...more } });
  switch (fault.reason) {
    case 'chat_moved':
      return moveTo(slot, fault.chatId, now);
    case 'thread_missing':
      return stage.withoutThread ? null : change({ withoutThread: true });
    case 'media_refused':
      if (stage.form === 'link') return null;
      return change({ form: stage.form === 'media' ? 'document' : 'link' });
    case 'refused':
    case 'too_large':
    case 'media_missing':
      return stage.form === 'link' || !hasFiles(slot) ? null : change({ form: 'link' });
    case 'message_missing':
      if (stage.oldMessageId !== null && slot.shown >= slot.revision) {
        return shownUpTo(change({ oldMessageId: null }), slot.shown, now);
      }
      if (slot.jobId === null) return null;
      // Whoever took the progress away still gets the result.
      if (last) return { ...change({ hasMedia: false }), messageId: null };
      return { ...change({ silent: true }), messageId: null, shown: attempted };
    case 'interaction_missing':
      return cureInteraction(slot, { attempted, now });
    case 'chat_missing':
      return slot.chat.platform === 'discord' && stage.place !== 'direct'
        ? { ...change({ place: 'direct' }), messageId: null }
        : null;
    case 'rate_limited':
    case 'unanswered':
    case 'platform_failed':
    case 'token_refused':
    case 'blocked':
    case 'unchanged':
      return null;
  }
}

/** The group under its new id, where nothing of before can be edited or answered. */
function moveTo(slot: Slot, chatId: string, now: number): Slot {
  const chat = { ...slot.chat, chatId, replyTo: null, threadId: null };
  if (slot.jobId === null && slot.messageId !== null) return endSlot(slot, 'gone', now);
  const stage: Stage = { ...slot.stage, hasMedia: false, oldMessageId: null };
  return { ...slot, chat, stage, messageId: null };
}

function hasFiles({ wanted }: Slot): boolean {
  if (wanted.kind === 'job') return wanted.record.artifacts.length > 0;
  return wanted.kind === 'reply' && wanted.reply.media.length > 0;
}

/** Discord may take a moment to know an interaction that it has just made. */
const INTERACTION_YOUNG_MS = 5000;

function cureInteraction(
  slot: Slot,
  { attempted, now }: { attempted: number; now: number },
): Slot | null {
  if (slot.stage.place === 'channel' || slot.stage.place === 'direct') return null;
  if (now - slot.createdAt < INTERACTION_YOUNG_MS) return null;
  if (slot.jobId === null) return endSlot(slot, 'gone', now);
  if (isLast(slot)) {
    return { ...slot, messageId: null, stage: { ...slot.stage, place: 'channel' } };
  }
  return { ...slot, shown: attempted, stage: { ...slot.stage, silent: true } };
}

function afterFault(
  slot: Slot,
  fault: ChatFault,
  { counts, now }: { counts: boolean; now: number },
): Settled {
  const verdict = judgeFault(fault);
  switch (verdict) {
    case 'end':
      return { slot: endSlot(slot, 'gone', now), next: GO_ON };
    case 'give_up':
      return { slot: endSlot(slot, 'given_up', now), next: GO_ON };
    case 'retry_message':
    case 'retry_all': {
      const tries = slot.tries + (counts ? 1 : 0);
      if (tries >= BOT_TRIES_MAX || now - slot.createdAt > BOT_KEEP_MS) {
        return { slot: endSlot(slot, 'given_up', now), next: GO_ON };
      }
      const kind = verdict === 'retry_all' ? 'away' : 'pause';
      return { slot: { ...slot, tries }, next: { kind } };
    }
  }
}
