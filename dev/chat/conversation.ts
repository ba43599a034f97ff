/** The doubles' chats as the page shows them: one list of messages for each bot. */
import type { DiscordMessage } from '../doubles/discord/channel.ts';
import type { TelegramMessage } from '../doubles/telegram/chat.ts';

/** A piece of text; `markdown` is Discord's, the page reads it. */
export interface ShownText {
  readonly text: string;
  readonly kind: 'entities' | 'markdown';
  readonly entities: unknown;
}

export interface ShownButton {
  readonly label: string;
  readonly data: string | null;
  readonly url: string | null;
  readonly isDanger: boolean;
}

export interface ShownMessage {
  readonly id: string;
  readonly isMine: boolean;
  readonly isHidden: boolean;
  readonly isThinking: boolean;
  readonly says: ShownText;
  readonly files: readonly {
    readonly path: string;
    readonly kind: string;
    readonly name: string;
  }[];
  readonly buttons: readonly (readonly ShownButton[])[];
  readonly at: number;
  readonly edits: number;
  readonly albumId: string | null;
  readonly answers: string | null;
}

const EPHEMERAL = 64;

export function showTelegram(
  message: TelegramMessage,
  textOf: (id: number) => string,
): ShownMessage {
  const { id, userId, text, entities, file, keyboard, sentAt, edits, albumId, replyTo } = message;
  return {
    id: String(id),
    isMine: userId !== null,
    isHidden: false,
    isThinking: false,
    says: { text, kind: 'entities', entities },
    files: file ? [{ path: `telegram/${file.fileId}`, kind: file.kind, name: file.name }] : [],
    buttons: (keyboard?.inline_keyboard ?? []).map((row) =>
      row.map((button) => ({
        label: button.text,
        data: button.callback_data ?? null,
        url: button.url ?? null,
        isDanger: false,
      })),
    ),
    at: sentAt,
    edits,
    albumId,
    answers: replyTo === null ? null : textOf(replyTo),
  };
}

export function showDiscord(message: DiscordMessage): ShownMessage {
  const { id, botId, content, files, components, sentAt, edits, isThinking, flags } = message;
  return {
    id,
    isMine: botId === null,
    isHidden: (flags & EPHEMERAL) !== 0,
    isThinking,
    says: { text: content, kind: 'markdown', entities: [] },
    files: files.map(({ name, contentType }, index) => ({
      path: `discord/${id}/${index}`,
      kind: contentType.startsWith('image/') ? 'photo' : contentType.split('/')[0]!,
      name,
    })),
    buttons: components.map((row) =>
      row.components.map(({ label, custom_id, url, style }) => ({
        label,
        data: custom_id ?? null,
        url: url ?? null,
        isDanger: style === 4,
      })),
    ),
    at: sentAt,
    edits,
    albumId: null,
    answers: null,
  };
}
