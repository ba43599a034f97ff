/**
 * A reply as the Bot API takes it: text with entities (offsets in UTF-16 units, so no text of a
 * user is ever markup) and an inline keyboard. Pure. core.telegram.org/bots/api#messageentity
 */
import { assert } from '#schema/assert.ts';
import type { InlineKeyboardButton, MessageEntity } from 'grammy/types';
import { encodeAction, TELEGRAM_DATA_BYTES_MAX } from '../action.ts';
import type { Button, Reply, Span } from '../message.ts';

/** Longest message and longest caption of a file. */
const TEXT_CHARS_MAX = 4096;
const CAPTION_CHARS_MAX = 1024;

export interface TelegramMessage {
  readonly text: string;
  readonly entities: MessageEntity[];
  readonly reply_markup?: { inline_keyboard: InlineKeyboardButton[][] };
}

/** `caption`: the text goes with a file and may be shorter than a message's. */
export function renderTelegram(
  reply: Reply,
  { caption = reply.media.length > 0 }: { caption?: boolean } = {},
): TelegramMessage {
  const { text, entities } = renderSpans(reply.text, caption ? CAPTION_CHARS_MAX : TEXT_CHARS_MAX);
  const rows = reply.buttons.filter((row) => row.length > 0);
  if (rows.length === 0) return { text, entities };
  const inline_keyboard = rows.map((row) => row.map(renderButton));
  return { text, entities, reply_markup: { inline_keyboard } };
}

function renderSpans(spans: readonly Span[], charsMax: number) {
  let text = '';
  const entities: MessageEntity[] = [];
  for (const span of spans) {
    const plain = typeof span === 'string';
    const block = !plain && span.kind === 'quote';
    if (block && text !== '' && !text.endsWith('\n')) text += '\n';
    const room = charsMax - text.length;
    if (room <= 0) break;
    const said = cut((plain ? span : span.text).toWellFormed(), room);
    if (!plain && said.trim() !== '') {
      entities.push(toEntity(span, text.length, said.length));
    }
    text += said;
    if (block && text.length < charsMax) text += '\n';
  }
  // Telegram trims the end of a text, and an entity may not reach beyond it.
  const trimmed = text.trimEnd();
  const kept = entities
    .filter(({ offset }) => offset < trimmed.length)
    .map((entity) => ({
      ...entity,
      length: Math.min(entity.length, trimmed.length - entity.offset),
    }));
  return { text: trimmed, entities: kept };
}

function toEntity(span: Exclude<Span, string>, offset: number, length: number): MessageEntity {
  switch (span.kind) {
    case 'bold':
    case 'italic':
    case 'code':
      return { type: span.kind, offset, length };
    case 'quote':
      return { type: 'blockquote', offset, length };
    case 'link':
      return { type: 'text_link', offset, length, url: span.url };
  }
}

/** Never ends within a character of two units. */
function cut(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  const short = text.slice(0, Math.max(0, charsMax - 1));
  return `${short.isWellFormed() ? short : short.slice(0, -1)}…`;
}

function renderButton(button: Button): InlineKeyboardButton {
  if ('url' in button) return { text: button.label, url: button.url };
  const callback_data = encodeAction(button.action, null);
  assert(callback_data.length <= TELEGRAM_DATA_BYTES_MAX, 'a button fits its data');
  return { text: button.label, callback_data };
}
