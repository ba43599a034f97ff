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

/** One of the messages that stand in answer to a command. */
interface Answer {
  readonly text: string;
  readonly pictures: number;
}

interface Command {
  readonly place: Outcome['place'];
  readonly wantsPicture: boolean;
  /** Says it, as often as the platform wants; how often more than once, and what answers it. */
  readonly say: () => Promise<{
    readonly repeats: number;
    readonly answers: () => readonly Answer[];
  }>;
}

/** Sees a command to its end, and says it again as often as the answer asks for that. */
async function follow({ place, wantsPicture, say }: Command): Promise<Outcome> {
  for (let refusals = 0; ; refusals += 1) {
    const startedAt = performance.now();
    const { repeats, answers } = await say();
    const texts = () => answers().map(({ text }) => text);
    const pictures = () => answers().reduce((sum, answer) => sum + answer.pictures, 0);
    const answeredMs = await took(startedAt, () => answers().length > 0);
    const isSaid = () => texts().some((text) => text !== '');
    const isRefused = () => wantsPicture && texts().some((text) => REFUSED.test(text));
    const isEnded = () => (wantsPicture ? pictures() > 0 || isRefused() : isSaid());
    const endedMs = await took(startedAt, isEnded);
    if (isRefused()) {
      await sleep(REPEAT_MS);
      continue;
    }
    return {
      ...{ place, wantsPicture, answeredMs, endedMs, pictures },
      repeats: repeats + refusals,
      spareTexts: () => answers().length - 1,
      texts: () => texts().join(' | '),
    };
  }
}

interface Talk {
  readonly count: number;
  readonly onOutcome: (outcome: Outcome) => void;
}

/** One user's commands, one after the other. */
export async function talkOnTelegram(
  server: TelegramServer,
  writer: Writer,
  { count, onOutcome }: Talk,
): Promise<void> {
  const { username } = writer.bot;
  const isGroup = writer.chatId !== undefined;
  const place = isGroup ? 'telegram group' : 'telegram';
  for (let number = 0; number < count; number += 1) {
    const wantsPicture = !isAside(number);
    const words = wish(writer.userId * 100 + number);
    const said = isGroup ? `/generate@${username} ${words}` : words;
    const other = isGroup ? `${aside(number)}@${username}` : aside(number);
    const say = async () => {
      const message = await write(server, writer, { text: wantsPicture ? said : other });
      const { messages } = chatOf(server, writer);
      const replies = () => [...messages.values()].filter(({ replyTo }) => replyTo === message.id);
      const toAnswer = ({ text, file }: ReturnType<typeof replies>[number]): Answer => ({
        text,
        pictures: file?.kind === 'photo' ? 1 : 0,
      });
      return { repeats: 0, answers: () => replies().map(toAnswer) };
    };
    onOutcome(await follow({ place, wantsPicture, say }));
  }
}

/** One user's commands, one after the other. */
export async function talkOnDiscord(
  server: DiscordServer,
  actor: Actor,
  { count, onOutcome }: Talk,
): Promise<void> {
  for (let number = 0; number < count; number += 1) {
    const wantsPicture = !isAside(number);
    const name = wantsPicture
      ? 'generate'
      : { '/help': 'help', '/plan': 'my-plan', '/status': 'status' }[aside(number)];
    const options: Record<string, string> = wantsPicture
      ? { prompt: wish(Number(actor.userId) * 100 + number) }
      : {};
    const say = async () => {
      let repeats = 0;
      let reaction = await command(server, actor, { name, options });
      while (reaction.answer === null) {
        repeats += 1;
        await sleep(REPEAT_MS);
        reaction = await command(server, actor, { name, options });
      }
      const channel = server.world.open(actor.channelId);
      const { token } = reaction.interaction;
      const replies = () => [...channel.values()].filter((message) => message.token === token);
      const toAnswer = ({ content, files }: ReturnType<typeof replies>[number]): Answer => ({
        text: content,
        pictures: files.length,
      });
      return { repeats, answers: () => replies().map(toAnswer) };
    };
    onOutcome(await follow({ place: 'discord', wantsPicture, say }));
  }
}
