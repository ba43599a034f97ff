/**
 * A reply as Discord takes it: Markdown with everything of a user's escaped, mentions of nobody,
 * components in rows. Pure. docs.discord.com/developers/components/reference
 */
import { assert } from '#schema/assert.ts';
import type {
  APIActionRowComponent,
  APIButtonComponent,
  RESTPostAPIChannelMessageJSONBody,
} from 'discord-api-types/v10';
import { DISCORD_DATA_CHARS_MAX, encodeAction } from '../action.ts';
import type { Button, Reply, Span } from '../message.ts';

/** The numbers of discord-api-types, whose module does not load in workerd. */
const ComponentType = { ActionRow: 1, Button: 2 } as const;
const ButtonStyle = { Primary: 1, Secondary: 2, Danger: 4, Link: 5 } as const;
const MessageFlags = { SuppressEmbeds: 1 << 2, Ephemeral: 1 << 6 } as const;

const CONTENT_CHARS_MAX = 2000;
const ROWS_MAX = 5;
const ROW_BUTTONS_MAX = 5;
const LABEL_CHARS_MAX = 80;

export interface DiscordMessage {
  readonly content: string;
  readonly components: APIActionRowComponent<APIButtonComponent>[];
  readonly allowed_mentions: NonNullable<RESTPostAPIChannelMessageJSONBody['allowed_mentions']>;
  /** Links show no preview; ephemeral where that is asked for and possible. */
  readonly flags: number;
}

/** The fields of a message; files are the caller's. */
export function renderDiscord(reply: Reply): DiscordMessage {
  const rows = reply.buttons.filter((row) => row.length > 0).slice(0, ROWS_MAX);
  const components = rows.map((row): APIActionRowComponent<APIButtonComponent> => ({
    type: ComponentType.ActionRow,
    components: row.slice(0, ROW_BUTTONS_MAX).map((button) => renderButton(button, reply.ownerId)),
  }));
  const content = renderSpans(reply.text);
  const hidden = reply.isPrivate ? MessageFlags.Ephemeral : 0;
  const flags = MessageFlags.SuppressEmbeds | hidden;
  return { content, components, allowed_mentions: { parse: [] }, flags };
}

function renderSpans(spans: readonly Span[]): string {
  let text = '';
  for (const span of spans) {
    const room = CONTENT_CHARS_MAX - text.length;
    const said = typeof span === 'string' ? escapeMarkdown(span) : renderSpan(span);
    const isBlock = typeof span !== 'string' && span.kind === 'quote';
    const piece = isBlock ? `${text === '' || text.endsWith('\n') ? '' : '\n'}${said}\n` : said;
    if (piece.length > room) {
      // Marks are never cut apart: what is too long goes on as plain words.
      text += cut(typeof span === 'string' ? span : span.text, room);
      break;
    }
    text += piece;
  }
  return text.trimEnd();
}

function renderSpan(span: Exclude<Span, string>): string {
  const said = escapeMarkdown(span.text);
  switch (span.kind) {
    case 'bold':
      return `**${said}**`;
    case 'italic':
      return `*${said}*`;
    case 'code':
      return `\`${span.text.replaceAll('`', 'ˋ').replaceAll('\n', ' ')}\``;
    case 'quote':
      return said
        .split('\n')
        .map((line) => `> ${line}`)
        .join('\n');
    case 'link':
      return `[${said}](<${span.url.replaceAll('>', '%3E')}>)`;
  }
}

/** Plain words, whatever they hold; mentions are switched off beside. */
function escapeMarkdown(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[\\*_~`|<>[\]]/g, String.raw`\$&`)
    .replaceAll(/^(\s*)(#{1,3}\s|-#?\s|\d+\.\s)/gm, String.raw`$1\$2`);
}

function cut(text: string, charsMax: number): string {
  const escaped = escapeMarkdown(text);
  if (escaped.length <= charsMax) return escaped;
  let short = escaped.slice(0, Math.max(0, charsMax - 1));
  if (!short.isWellFormed()) short = short.slice(0, -1);
  // An escape without what it escapes would take the next character.
  return `${short.replace(/\\+$/, '')}…`;
}

const STYLES = {
  plain: ButtonStyle.Secondary,
  main: ButtonStyle.Primary,
  danger: ButtonStyle.Danger,
} as const;

function renderButton(button: Button, ownerId: string | null): APIButtonComponent {
  const label = button.label.slice(0, LABEL_CHARS_MAX);
  if ('url' in button) {
    return { type: ComponentType.Button, style: ButtonStyle.Link, label, url: button.url };
  }
  const custom_id = encodeAction(button.action, ownerId);
  assert(custom_id.length <= DISCORD_DATA_CHARS_MAX, 'a button fits its data');
  const style = STYLES[button.look ?? 'plain'];
  return { type: ComponentType.Button, style, label, custom_id };
}
