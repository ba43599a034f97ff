/**
 * One call to Telegram that brings a slot's message nearer to what it is to show.
 *
 * Telegram knows no idempotency: a send whose answer is lost may stand there or not. So a result
 * is never sent but put into a message that is known by its id: an edit may be repeated. Only
 * what no edit can make (an album, a voice note) is sent beside it, once; when that answer is
 * lost the message links to the files instead, so that none is missing and none shown twice.
 * A result that took long is put into a new message, since an edit does not ring.
 *
 * Progress is words alone, with no half-made picture: a message that has once had a file can
 * never be without one, so a job that is cancelled, fails or is blocked would leave its half
 * standing; each preview would be an upload out of the budget that results wait for; and an edit
 * that brings a picture moves the chat under the reader. The share and the step are told instead.
 */
import type { ApiMethods } from 'grammy/types';
import { z } from 'zod';
import { BOT_RING_AFTER_MS } from '#schema/limits.ts';
import { renderTelegram } from '../../chat/telegram/render.ts';
import type { Media, Reply } from '../../chat/message.ts';
import type { Result } from '../../core/result.ts';
import type { ChatFault } from '../../core/fault.ts';
import type { Env } from '../../env.ts';
import type { FormFile } from '../../io/multipart.ts';
import { callTelegram } from '../../io/telegram.ts';
import type { TelegramAccess } from '../../io/telegram.ts';
import { openFiles, withLinks } from './file.ts';
import { planMedia } from './media.ts';
import type { MediaPlan } from './media.ts';
import type { Step } from './outcome.ts';
import { isLast } from './slot.ts';
import type { Slot } from './slot.ts';

/** Stands for a moment where a result is about to be. */
const SOON = 'Ready.';
const Sent = z.object({ message_id: z.int() });
const SentBeside = z.union([Sent.transform((sent) => [sent]), z.array(Sent)]);
type Album = Parameters<ApiMethods['sendMediaGroup']>[0]['media'];

interface Call {
  readonly env: Env;
  readonly access: TelegramAccess;
  readonly slot: Slot;
  readonly now: number;
}

/** Makes one call for the slot; `reply` is what it is to show. */
export async function stepTelegram(call: Call, reply: Reply | null): Promise<Step> {
  const { slot } = call;
  const { stage, messageId } = slot;
  if (reply === null) return remove(call, messageId, { shows: true });
  if (slot.shown >= slot.revision && stage.oldMessageId !== null) {
    return remove(call, stage.oldMessageId, { shows: true });
  }
  const last = isLast(slot);
  const plan = planMedia(reply.media, slot.chat, stage.form);
  const needsPlace = last && (slot.jobId !== null || reply.media.length > 0);
  if (messageId === null) return sendText(call, needsPlace ? soon(reply) : reply, !needsPlace);
  if (needsPlace && shouldRing(slot)) {
    const step = await sendText(call, soon(reply), false);
    if (step.fault) return step;
    return { ...step, stage: { oldMessageId: messageId, rung: true, hasMedia: false } };
  }
  if (last && plan.beside.length > 0 && stage.extras === 'due') return sendBeside(call, plan);
  return edit(call, reply, plan);
}

function soon({ isPrivate, ownerId }: Reply): Reply {
  return { text: [SOON], buttons: [], media: [], isPrivate, ownerId };
}

/** Whether the user has looked away meanwhile; a cancelled job's user has not. */
function shouldRing({ wanted, stage }: Slot): boolean {
  if (wanted.kind !== 'job' || stage.rung || wanted.record.status === 'cancelled') return false;
  const { finishedAt, createdAt } = wanted.record;
  return finishedAt !== null && finishedAt - createdAt > BOT_RING_AFTER_MS;
}

/** Where a new message goes. */
function placeOf({ chat, stage }: Slot) {
  return {
    chat_id: chat.chatId,
    ...(chat.threadId === null || stage.withoutThread
      ? {}
      : { message_thread_id: Number(chat.threadId) }),
    ...(chat.replyTo === null
      ? {}
      : {
          reply_parameters: {
            message_id: Number(chat.replyTo),
            allow_sending_without_reply: true,
          },
        }),
  };
}

async function sendText(call: Call, reply: Reply, shows: boolean): Promise<Step> {
  const { text, entities, reply_markup } = renderTelegram(reply, { caption: false });
  const sent = await callTelegram(call.access, {
    method: 'sendMessage',
    params: {
      ...placeOf(call.slot),
      text,
      entities,
      link_preview_options: { is_disabled: true },
      ...(reply_markup ? { reply_markup } : {}),
    },
  });
  if (!sent.ok) return { shows: false, fault: sent.error };
  return { messageId: idOf(sent), shows, fault: null };
}

function idOf(sent: { readonly value: unknown }): string {
  return String(Sent.parse(sent.value).message_id);
}

async function remove(
  { access, slot }: Call,
  messageId: string | null,
  { shows }: { shows: boolean },
): Promise<Step> {
  if (messageId === null) return { shows, fault: null };
  const chat_id = slot.chat.chatId;
  const ids = [messageId, ...(slot.stage.beside ?? [])].map(Number);
  const removed =
    ids.length === 1
      ? await callTelegram(access, {
          method: 'deleteMessage',
          params: { chat_id, message_id: ids[0]! },
        })
      : await callTelegram(access, {
          method: 'deleteMessages',
          params: { chat_id, message_ids: ids },
        });
  if (!removed.ok) return { shows: false, fault: removed.error };
  return { stage: { oldMessageId: null }, shows, fault: null };
}

/** An album or a voice note, once; see above. */
async function sendBeside(call: Call, plan: MediaPlan): Promise<Step> {
  const files = await openFiles(call.env, plan.beside);
  if (!files.ok) return { shows: false, fault: files.error };
  const sent = await callBeside(call, plan.beside, files.value);
  if (sent.ok) {
    const beside = SentBeside.parse(sent.value).map(({ message_id }) => String(message_id));
    return { stage: { extras: 'sent' }, beside, shows: false, fault: null };
  }
  if (sent.error.reason !== 'unanswered') return { shows: false, fault: sent.error };
  return { stage: { extras: 'unanswered' }, shows: false, fault: null };
}

async function callBeside(
  { access, slot }: Call,
  media: readonly Media[],
  files: readonly FormFile[],
): Promise<Result<unknown, ChatFault>> {
  const place = placeOf(slot);
  const [first] = media;
  if (first && media.length === 1 && first.as === 'voice') {
    const params = { ...place, voice: `attach://${files[0]!.field}` };
    return callTelegram(access, { method: 'sendVoice', params, files });
  }
  const items = media.map((item, index) => inputMedia(item, files[index]!.field));
  // It holds pictures and videos, or files of one kind: the plan saw to it.
  const params = { ...place, media: items as Album };
  return callTelegram(access, { method: 'sendMediaGroup', params, files });
}

function inputMedia({ as, artifact }: Media, field: string) {
  const media = `attach://${field}`;
  const { width, height, durationS } = artifact;
  const size = width === null || height === null ? {} : { width, height };
  const span = durationS === null ? {} : { duration: Math.round(durationS) };
  switch (as) {
    case 'picture':
      return { type: 'photo', media } as const;
    case 'video':
      return { type: 'video', media, ...size, ...span, supports_streaming: true } as const;
    case 'audio':
      return { type: 'audio', media, ...span } as const;
    case 'voice':
    case 'document':
      return { type: 'document', media } as const;
  }
}

async function edit(call: Call, reply: Reply, plan: MediaPlan): Promise<Step> {
  const { env, access, slot, now } = call;
  const { stage, chat } = slot;
  const isLost = stage.extras === 'unanswered';
  const links = [...plan.links, ...(isLost ? plan.beside : [])];
  const worded = await withLinks(env, reply, { links, isLost, now });
  const [inside] = plan.inside;
  const caption = inside !== undefined || stage.hasMedia;
  const { text, entities, reply_markup } = renderTelegram(worded, { caption });
  const message = {
    chat_id: chat.chatId,
    message_id: Number(slot.messageId),
    ...(reply_markup ? { reply_markup } : {}),
  };
  if (inside) {
    const files = await openFiles(env, [inside]);
    if (!files.ok) return { shows: false, fault: files.error };
    const media = {
      ...inputMedia(inside, files.value[0]!.field),
      caption: text,
      caption_entities: entities,
    };
    const edited = await callTelegram(access, {
      method: 'editMessageMedia',
      params: { ...message, media },
      files: files.value,
    });
    // The same again: an earlier try whose answer was lost.
    const stands = edited.ok || edited.error.reason === 'unchanged';
    if (stands) return { stage: { hasMedia: true }, shows: true, fault: null };
    return { shows: false, fault: edited.error };
  }
  const edited = stage.hasMedia
    ? await callTelegram(access, {
        method: 'editMessageCaption',
        params: { ...message, caption: text, caption_entities: entities },
      })
    : await callTelegram(access, {
        method: 'editMessageText',
        params: { ...message, text, entities, link_preview_options: { is_disabled: true } },
      });
  return { shows: edited.ok, fault: edited.ok ? null : edited.error };
}
