/** How news and messages that are taken become slots. Whatever was taken before gives none. */
import type { ChatAddress } from '#schema/chat.ts';
import type { JobRecord } from '#schema/record.ts';
import type { Outbound } from '../../chat/message.ts';
import { jobSlot, newSlot, withRecord } from './slot.ts';
import type { Slot } from './slot.ts';
import type { BotStore } from './store.ts';

/** The slot with this record's news, or null when there is none for this bot. */
export function takeRecord(
  store: BotStore,
  { botId, record, now }: { botId: string; record: JobRecord; now: number },
): Slot | null {
  const key = jobSlot(record.id);
  const known = store.find(key);
  if (known) return known.endedAt === null ? withRecord(known, record) : null;
  const notice = record.notices.find(({ kind, courier }) => kind === 'chat' && courier === botId);
  if (notice?.kind !== 'chat') return null;
  const { accountId, id: jobId } = record;
  const wanted = { kind: 'job', record } as const;
  return openSlot(store, { key, chat: notice.chat, accountId, jobId, wanted }, now);
}

/** The slot that an outbound asks for, or null when it did before. */
export function takeOutbound(
  store: BotStore,
  outbound: Exclude<Outbound, { kind: 'note' }>,
  { accountId, now }: { accountId: string | null; now: number },
): Slot | null {
  const { chat } = outbound;
  const jobId = outbound.kind === 'message' ? outbound.jobId : null;
  const key = jobId === null ? `send:${outbound.key}` : jobSlot(jobId);
  if (store.find(key)) return null;
  if (outbound.kind === 'message') {
    const wanted = { kind: 'reply', reply: outbound.reply } as const;
    return openSlot(store, { key, chat, accountId, jobId, wanted }, now);
  }
  const { kind, messageId } = outbound;
  const byBot = chat.platform === 'discord' && chat.interactionToken === null;
  const gone = outbound.kind === 'delete' && outbound.jobId;
  const stage = {
    hasMedia: kind === 'edit' && outbound.hasMedia,
    place: byBot ? 'channel' : 'interaction',
    beside: gone ? store.besideOf(jobSlot(gone), chat.chatId) : [],
  } as const;
  const wanted =
    kind === 'edit'
      ? ({ kind: 'reply', reply: { ...outbound.reply, media: [] } } as const)
      : ({ kind: 'nothing' } as const);
  return newSlot({ key, chat, accountId, jobId: null, wanted, messageId, stage }, now);
}

/** A slot of a new message; the first of a Discord interaction fills its deferred answer. */
function openSlot(
  store: BotStore,
  of: Pick<Slot, 'key' | 'chat' | 'accountId' | 'jobId' | 'wanted'>,
  now: number,
): Slot {
  const { chat, key } = of;
  if (chat.platform === 'telegram') return newSlot(of, now);
  if (chat.interactionToken === null) return newSlot({ ...of, stage: { place: 'direct' } }, now);
  const isFirst = store.takeOrigin(chat.interactionToken, key, now);
  return newSlot({ ...of, stage: { place: isFirst ? 'interaction' : 'followup' } }, now);
}

/** The same user, not in answer to anything. */
export function directly(chat: ChatAddress): ChatAddress {
  return {
    ...chat,
    // A private chat of Telegram has its user's id.
    chatId: chat.platform === 'telegram' ? chat.userId : chat.chatId,
    replyTo: null,
    threadId: null,
    interactionToken: null,
    interactionExpiresAt: null,
  };
}
