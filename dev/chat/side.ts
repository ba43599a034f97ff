/** The two platforms as the page uses them: what stands in the chat, and what the user does. */
import type { KeyObject } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { DiscordServer } from '../doubles/discord/server.ts';
import { command, press as pressDiscord, submitModal } from '../doubles/discord/user.ts';
import type { Actor, Reaction } from '../doubles/discord/user.ts';
import { z } from 'zod';
import type { Outgoing, Upload } from '../doubles/http.ts';
import { TelegramServer } from '../doubles/telegram/server.ts';
import { chatOf, press as pressTelegram, write } from '../doubles/telegram/user.ts';
import type { Writer } from '../doubles/telegram/user.ts';
import { showDiscord, showTelegram } from './conversation.ts';
import type { ShownMessage } from './conversation.ts';
import { localBots } from './order.ts';
import type { ChatOrder } from './order.ts';

/** What a user writes: words, perhaps with a file, perhaps in answer to a message. */
export interface Written {
  readonly text: string;
  readonly file?: { readonly name: string; readonly contentType: string; readonly base64: string };
  readonly replyTo?: string;
}

/** A form that a bot has opened, with one field. */
export interface Form {
  readonly customId: string;
  readonly title: string;
  readonly field: string;
  readonly label: string;
  readonly value: string;
}

/** What a deed brings beside the conversation: a word for the user alone, a form to fill. */
export interface Aside {
  readonly note: string | null;
  readonly form?: Form;
}

export interface Side {
  readonly botName: string;
  /** What to try first. */
  readonly hints: readonly string[];
  /** Messages can be answered, and files be sent. */
  readonly takesReplies: boolean;
  readonly messages: () => ShownMessage[];
  say(written: Written): Promise<Aside>;
  press(pressed: { id: string; data: string }): Promise<Aside>;
  /** Sends a form back. */
  fill(filled: { customId: string; field: string; value: string }): Promise<Aside>;
  file(path: readonly string[]): Outgoing;
}

const USER = { id: 4242, name: 'You' };
const CHANNEL = '1300000000000000001';
/** How long a note takes to come, at most. */
const NOTE_MS = 2000;

export class TelegramSide implements Side {
  readonly botName = 'Tessera on Telegram';
  readonly hints = ['/start', 'a lighthouse in a storm at 512x512', '/models', '/plan', '/status'];
  readonly takesReplies = true;
  readonly server: TelegramServer;
  readonly #writer: Writer;

  constructor({ baseUrl, secrets }: ChatOrder, onChange: () => void) {
    const [{ id }] = localBots(secrets);
    const bot = {
      id,
      token: secrets.telegramToken,
      username: 'local_tessera_bot',
      webhookUrl: `${baseUrl}/hooks/telegram/${id}`,
      webhookSecret: secrets.webhookSecret,
    };
    this.server = new TelegramServer([bot], null);
    this.server.world.onChange(onChange);
    this.#writer = { bot, userId: USER.id, name: USER.name };
  }

  messages = (): ShownMessage[] => {
    const { messages } = chatOf(this.server, this.#writer);
    const textOf = (id: number) => messages.get(id)?.text ?? '';
    return [...messages.values()].map((message) => showTelegram(message, textOf));
  };

  async say({ text, file, replyTo }: Written): Promise<Aside> {
    await write(this.server, this.#writer, {
      text,
      ...(file ? { file: toUpload(file) } : {}),
      ...(replyTo === undefined ? {} : { replyTo: Number(replyTo) }),
    });
    return NOTHING;
  }

  async press({ id, data }: { id: string; data: string }): Promise<Aside> {
    const query = await pressTelegram(this.server, this.#writer, { messageId: Number(id), data });
    for (let waited = 0; waited < NOTE_MS; waited += 50) {
      const note = this.server.notes.get(query);
      if (note) return { note: note.text };
      await sleep(50);
    }
    return NOTHING;
  }

  fill(): Promise<Aside> {
    throw new Error('Telegram has no forms');
  }

  file([fileId]: readonly string[]): Outgoing {
    return serve(this.server.world.files.get(fileId ?? ''));
  }
}

export class DiscordSide implements Side {
  readonly botName = 'Tessera on Discord';
  readonly hints = [
    '/generate a lighthouse in a storm size:512x512',
    '/models',
    '/my-plan',
    '/status',
    '/cancel',
  ];
  readonly takesReplies = false;
  readonly server: DiscordServer;
  readonly #actor: Actor;

  constructor({ baseUrl, secrets }: ChatOrder, privateKey: KeyObject, onChange: () => void) {
    const [, { id }] = localBots(secrets);
    const bot = {
      id,
      applicationId: secrets.applicationId,
      token: secrets.discordToken,
      webhookUrl: `${baseUrl}/hooks/discord/${id}`,
    };
    this.server = new DiscordServer([bot], null);
    this.server.world.onChange(onChange);
    const key = { publicKey: secrets.publicKey, privateKey };
    const user = { userId: `4242000000000000${USER.id}`, name: USER.name };
    this.#actor = { bot, key, ...user, channelId: CHANNEL };
  }

  messages = (): ShownMessage[] => {
    return [...this.server.world.open(CHANNEL).values()].map((message) => showDiscord(message));
  };

  /** A slash command, with its options as Discord's own line shows them: `size:512x512`. */
  async say({ text }: Written): Promise<Aside> {
    const [, name = 'generate', words = ''] = /^\/([a-z-]+)\s*([\s\S]*)$/.exec(text) ?? [
      '',
      'generate',
      text,
    ];
    const { userId } = this.#actor;
    this.server.world.add(CHANNEL, { botId: null, userId, content: `/${name} ${words}` });
    const options = readOptions(words, MAIN_OPTIONS[name] ?? 'job_id');
    return asideOf(await command(this.server, this.#actor, { name, options }));
  }

  async press({ id, data }: { id: string; data: string }): Promise<Aside> {
    const message = this.server.world.open(CHANNEL).get(id);
    if (!message) throw new Error('this message is gone');
    return asideOf(await pressDiscord(this.server, this.#actor, { message, customId: data }));
  }

  async fill(filled: { customId: string; field: string; value: string }): Promise<Aside> {
    return asideOf(await submitModal(this.server, this.#actor, filled));
  }

  file([id, index]: readonly string[]): Outgoing {
    return serve(this.server.world.open(CHANNEL).get(id ?? '')?.files[Number(index)]);
  }
}

const NOTHING: Aside = { note: null };
/** The option that takes the words after a command. */
const MAIN_OPTIONS: Readonly<Record<string, string>> = { generate: 'prompt', tessera: 'setting' };
const OPTION =
  /(?:^|\s)(size|count|model|steps|seed|guidance|strength|negative_prompt):("[^"]*"|\S+)/g;

function readOptions(words: string, main: string): Record<string, string | number> {
  const options: Record<string, string | number> = {};
  for (const [, name = '', value = ''] of words.matchAll(OPTION)) {
    const plain = value.replaceAll('"', '');
    options[name] = /^\d+(?:\.\d+)?$/.test(plain) ? Number(plain) : plain;
  }
  const rest = words.replaceAll(OPTION, '').trim();
  return rest === '' ? options : { ...options, [main]: rest };
}

const Field = z.object({ custom_id: z.string(), value: z.string().default('') });
/** What a form of ours has: one field with its label. */
const Fields = z.tuple([z.object({ label: z.string(), component: Field })]);

function asideOf({ answer }: Reaction): Aside {
  if (answer === null) return { note: 'The application did not respond' };
  if (answer.type !== 9) return NOTHING;
  const { custom_id: customId, title, components } = answer.data;
  const [{ label, component }] = Fields.parse(components);
  const { custom_id: field, value } = component;
  return { note: null, form: { customId, title, field, label, value } };
}

function toUpload({ name, contentType, base64 }: NonNullable<Written['file']>) {
  const kind = contentType.startsWith('image/') ? ('photo' as const) : ('voice' as const);
  return { kind, name, contentType, bytes: new Uint8Array(Buffer.from(base64, 'base64')) };
}

function serve(upload: Upload | undefined): Outgoing {
  if (!upload) return { status: 404, body: { error: 'no such file' } };
  return { status: 200, headers: { 'content-type': upload.contentType }, body: upload.bytes };
}
