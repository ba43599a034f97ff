/**
 * Users of bots under load: each waits for the answer to a command before the next, as people do,
 * and says again what a platform tells them was not taken. What became of each command is noted.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { DiscordServer } from '../doubles/discord/server.ts';
import { command } from '../doubles/discord/user.ts';
import type { Actor } from '../doubles/discord/user.ts';
import type { TelegramServer } from '../doubles/telegram/server.ts';
import { chatOf, write } from '../doubles/telegram/user.ts';
import type { Writer } from '../doubles/telegram/user.ts';

/** What became of one command. */
export interface Outcome {
  readonly place: 'telegram' | 'telegram group' | 'discord';
  readonly wantsPicture: boolean;
  /** Milliseconds until anything stood there, and until the last of it did. */
  readonly answeredMs: number | null;
  readonly endedMs: number | null;
  /** How often it had to be said again. */
  readonly repeats: number;
  /** Pictures that stand there in the end; texts beside the one answer. */
  readonly pictures: () => number;
  readonly spareTexts: () => number;
  /** What stands there, for a report. */
  readonly texts: () => string;
}

const LOOK_MS = 50;
const PATIENCE_MS = 5 * 60_000;
const REPEAT_MS = 1000;
/** Commands beside pictures; a picture is asked for in the others. */
const ASIDES = ['/help', '/plan', '/status'] as const;

function isAside(number: number): boolean {
  return number % 10 >= 7;
}

function aside(number: number): (typeof ASIDES)[number] {
  return ASIDES[number % ASIDES.length] ?? '/help';
}

/** A tiny picture, so that the painter keeps up with the crowd. */
function wish(seed: number): string {
  return `a hill at 64x64, 1 steps, seed ${seed}`;
}

/**
 * What is to be said again, as the answer itself asks: no machine was heard of yet since the
 * Worker came back; jobs that ended within a second still count as under way.
 */
const REFUSED = /No machine that can run|jobs under way/;

/** Waits until something holds; the milliseconds it took, or null. */
async function took(startedAt: number, test: () => boolean): Promise<number | null> {
  while (!test()) {
    if (performance.now() - startedAt > PATIENCE_MS) return null;
    await sleep(LOOK_MS);
  }
  return performance.now() - startedAt;
}

/** One user's commands, one after the other. */
export async function talkOnTelegram(
  server: TelegramServer,
  writer: Writer,
  { count, onOutcome }: { count: number; onOutcome: (outcome: Outcome) => void },
): Promise<void> {
  const { username } = writer.bot;
  const isGroup = writer.chatId !== undefined;
  let repeats = 0;
  for (let number = 0; number < count; number += 1) {
    const wantsPicture = !isAside(number);
    const words = wish(writer.userId * 100 + number);
    const said = isGroup ? `/generate@${username} ${words}` : words;
    const other = isGroup ? `${aside(number)}@${username}` : aside(number);
    const startedAt = performance.now();
    const message = await write(server, writer, { text: wantsPicture ? said : other });
    const { messages } = chatOf(server, writer);
    const replies = () => [...messages.values()].filter(({ replyTo }) => replyTo === message.id);
    const pictures = () => replies().filter(({ file }) => file?.kind === 'photo').length;
    const answeredMs = await took(startedAt, () => replies().length > 0);
    const isRefused = () => replies().some(({ text }) => REFUSED.test(text));
    const isEnded = () => !wantsPicture || pictures() > 0 || isRefused();
    const endedMs = await took(startedAt, isEnded);
    if (wantsPicture && isRefused()) {
      await sleep(REPEAT_MS);
      repeats += 1;
      number -= 1;
      continue;
    }
    onOutcome({
      place: isGroup ? 'telegram group' : 'telegram',
      wantsPicture,
      answeredMs,
      endedMs,
      repeats,
      pictures,
      spareTexts: () => replies().length - 1,
      texts: () =>
        replies()
          .map(({ text }) => text)
          .join(' | '),
    });
    repeats = 0;
  }
}

/** One user's commands, one after the other. */
export async function talkOnDiscord(
  server: DiscordServer,
  actor: Actor,
  { count, onOutcome }: { count: number; onOutcome: (outcome: Outcome) => void },
): Promise<void> {
  let again = 0;
  for (let number = 0; number < count; number += 1) {
    const wantsPicture = !isAside(number);
    const name = wantsPicture
      ? 'generate'
      : { '/help': 'help', '/plan': 'my-plan', '/status': 'status' }[aside(number)];
    const options: Record<string, string> = wantsPicture
      ? { prompt: wish(Number(actor.userId) * 100 + number) }
      : {};
    const startedAt = performance.now();
    let repeats = again;
    again = 0;
    let reaction = await command(server, actor, { name, options });
    while (reaction.answer === null) {
      repeats += 1;
      await sleep(REPEAT_MS);
      reaction = await command(server, actor, { name, options });
    }
    const channel = server.world.open(actor.channelId);
    const { token } = reaction.interaction;
    const replies = () => [...channel.values()].filter((message) => message.token === token);
    const pictures = () => replies().reduce((sum, { files }) => sum + files.length, 0);
    const answeredMs = await took(startedAt, () => replies().length > 0);
    const isSaid = () => replies().some(({ content }) => content !== '');
    const isRefused = () => replies().some(({ content }) => REFUSED.test(content));
    const isEnded = () => (wantsPicture ? pictures() > 0 || isRefused() : isSaid());
    const endedMs = await took(startedAt, isEnded);
    if (wantsPicture && isRefused()) {
      await sleep(REPEAT_MS);
      again += 1;
      number -= 1;
      continue;
    }
    onOutcome({
      place: 'discord',
      wantsPicture,
      answeredMs,
      endedMs,
      repeats,
      pictures,
      spareTexts: () => replies().length - 1,
      texts: () =>
        replies()
          .map(({ content }) => content)
          .join(' | '),
    });
  }
}
