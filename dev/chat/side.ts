/** The two platforms as the page uses them: what stands in the chat, and what the user does. */
import type { KeyObject } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { DiscordServer } from '../doubles/discord/server.ts';
import { command, press as pressDiscord } from '../doubles/discord/user.ts';
import type { Actor, Reaction } from '../doubles/discord/user.ts';
import type { Outgoing, Upload } from '../doubles/http.ts';
import { TelegramServer } from '../doubles/telegram/server.ts';
import { chatOf, press as pressTelegram, write } from '../doubles/telegram/user.ts';
import type { Writer } from '../doubles/telegram/user.ts';
import { showDiscord, showTelegram } from './conversation.ts';
import type { ShownMessage } from './conversation.ts';
import { localBots } from './order.ts';
import type { ChatOrder } from './order.ts';

export interface Side {
  readonly botName: string;
  /** What to try first. */
  readonly hints: readonly string[];
  readonly messages: () => ShownMessage[];
  /** Resolves with a word for the user alone, or null. */
  say(said: { text: string }): Promise<string | null>;
  press(pressed: { id: string; data: string }): Promise<string | null>;
  file(path: readonly string[]): Outgoing;
}

const USER = { id: 4242, name: 'You' };
const CHANNEL = '1300000000000000001';
/** How long a note takes to come, at most. */
const NOTE_MS = 2000;

export class TelegramSide implements Side {
  readonly botName = 'Tessera on Telegram';
  readonly hints = ['/start', 'a lighthouse in a storm at 512x512', '/plan', '/status'];
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

  async say({ text }: { text: string }): Promise<null> {
    await write(this.server, this.#writer, { text });
    return null;
  }

  async press({ id, data }: { id: string; data: string }): Promise<string | null> {
    const query = await pressTelegram(this.server, this.#writer, { messageId: Number(id), data });
    for (let waited = 0; waited < NOTE_MS; waited += 50) {
      const note = this.server.notes.get(query);
      if (note) return note.text;
      await sleep(50);
    }
    return null;
  }

  file([fileId]: readonly string[]): Outgoing {
    return serve(this.server.world.files.get(fileId ?? ''));
  }
}

export class DiscordSide implements Side {
  readonly botName = 'Tessera on Discord';
  readonly hints = ['/generate a lighthouse in a storm', '/my-plan', '/status', '/cancel'];
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

  /** A slash command; its words go into the first option, as Discord's own line has it. */
  async say({ text }: { text: string }): Promise<string | null> {
    const [, name = 'generate', words = ''] = /^\/([a-z-]+)\s*([\s\S]*)$/.exec(text) ?? [
      '',
      'generate',
      text,
    ];
    const { userId } = this.#actor;
    this.server.world.add(CHANNEL, { botId: null, userId, content: `/${name} ${words}` });
    const option = name === 'generate' ? 'prompt' : 'job_id';
    const options: Record<string, string> = words === '' ? {} : { [option]: words };
    return noteOf(await command(this.server, this.#actor, { name, options }));
  }

  async press({ id, data }: { id: string; data: string }): Promise<string | null> {
    const message = this.server.world.open(CHANNEL).get(id);
    if (!message) throw new Error('this message is gone');
    const reaction = await pressDiscord(this.server, this.#actor, { message, customId: data });
    if (reaction.answer?.type !== 9) return noteOf(reaction);
    return `A form opens here on Discord: ${reaction.answer.data.title}`;
  }

  file([id, index]: readonly string[]): Outgoing {
    return serve(this.server.world.open(CHANNEL).get(id ?? '')?.files[Number(index)]);
  }
}

function noteOf({ answer }: Reaction): string | null {
  return answer === null ? 'The application did not respond' : null;
}

function serve(upload: Upload | undefined): Outgoing {
  if (!upload) return { status: 404, body: { error: 'no such file' } };
  return { status: 200, headers: { 'content-type': upload.contentType }, body: upload.bytes };
}
