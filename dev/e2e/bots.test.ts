/**
 * A user's way through the bots, on the whole system and doubles of Telegram and Discord that keep
 * the platforms' limits: first words, a picture in reply, the limit of the plan, an operator's
 * grant, and all of it through a redeployment in the middle.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { BotList } from '#schema/bot.ts';
import { call } from '../api.ts';
import { keepBotSecrets, localBots, privateKeyOf } from '../chat/order.ts';
import { DiscordServer } from '../doubles/discord/server.ts';
import { command, press as pressDiscord, submitModal } from '../doubles/discord/user.ts';
import type { Actor, Reaction } from '../doubles/discord/user.ts';
import type { DiscordMessage } from '../doubles/discord/channel.ts';
import { TelegramServer } from '../doubles/telegram/server.ts';
import type { TelegramMessage } from '../doubles/telegram/chat.ts';
import { chatOf, press, write } from '../doubles/telegram/user.ts';
import type { Writer } from '../doubles/telegram/user.ts';
import { findFreePort } from '../port.ts';
import { removePostgresData } from '../postgres-home.ts';
import { quiet } from '../progress.ts';
import { LocalSystem } from '../system.ts';

const ENDS = { timeout: 60_000, interval: 100 };
const SMALL = 'at 256x256, 4 steps';
/** What costs more than a free day has. */
const DEAR = 'a castle at 1024x1024, 150 steps, 4 images';

let data: string;
let system: LocalSystem;
let telegram: TelegramServer;
let discord: DiscordServer;
let ada: Writer;
let actor: Actor;

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'tessera-bots-'));
  const port = await findFreePort();
  const secrets = keepBotSecrets(data);
  const bots = localBots(secrets);
  const hooks = `http://127.0.0.1:${port}/hooks`;
  const telegramBot = {
    id: bots[0].id,
    token: secrets.telegramToken,
    username: 'local_tessera_bot',
    webhookUrl: `${hooks}/telegram/${bots[0].id}`,
    webhookSecret: secrets.webhookSecret,
  };
  const discordBot = {
    id: bots[1].id,
    applicationId: secrets.applicationId,
    token: secrets.discordToken,
    webhookUrl: `${hooks}/discord/${bots[1].id}`,
  };
  telegram = new TelegramServer([telegramBot], null);
  discord = new DiscordServer([discordBot], null);
  await Promise.all([telegram.start(0), discord.start(0)]);
  ada = { bot: telegramBot, userId: 7001, name: 'Ada' };
  const key = { publicKey: secrets.publicKey, privateKey: privateKeyOf(secrets) };
  actor = { bot: discordBot, key, userId: '8001', name: 'Bob', channelId: '555', guildId: '444' };
  const bindings = {
    BOTS: JSON.stringify(bots),
    TELEGRAM_API_URL: telegram.url,
    DISCORD_API_URL: discord.apiUrl,
  };
  system = new LocalSystem({ data, port, site: false, bindings, print: quiet });
  await system.start();
});

afterAll(async () => {
  await system.stop();
  await Promise.all([telegram.stop(), discord.stop()]);
  removePostgresData(join(data, 'postgres'));
  rmSync(data, { recursive: true, force: true });
});

function repliesTo(message: TelegramMessage): TelegramMessage[] {
  const { messages } = chatOf(telegram, ada);
  return [...messages.values()].filter(({ replyTo }) => replyTo === message.id);
}

/** The only reply to a message, once it satisfies a test. */
async function replyTo(
  message: TelegramMessage,
  test: (reply: TelegramMessage) => boolean,
): Promise<TelegramMessage> {
  return vi.waitFor(() => {
    const replies = repliesTo(message);
    expect(replies.map(({ text, file }) => [text, file?.kind])).toHaveLength(1);
    expect(replies[0]).toSatisfy(test);
    return replies[0]!;
  }, ENDS);
}

function dataOf({ keyboard }: TelegramMessage, label: string): string {
  const buttons = keyboard?.inline_keyboard.flat() ?? [];
  const data = buttons.find(({ text }) => text === label)?.callback_data;
  expect(data, `a button "${label}" in ${JSON.stringify(buttons)}`).toBeDefined();
  return data!;
}

const hasPhoto = ({ file }: TelegramMessage) => file?.kind === 'photo';

async function givePlan(identity: string, plan: string): Promise<void> {
  const bearer = system.credentials.adminKey;
  const accounts = `${system.baseUrl}/admin/v1/accounts`;
  const Found = z.object({ data: z.array(z.object({ id: z.string() })).length(1) });
  const { data: found } = await vi.waitFor(async () => {
    const query = new URLSearchParams({ q: identity });
    return Found.parse(await call(`${accounts}?${query.toString()}`, { bearer }));
  }, ENDS);
  const body = { plan, reason: 'paid by invoice' };
  await call(`${accounts}/${found[0]!.id}/plan`, { method: 'POST', bearer, body });
}

async function shown(
  { interaction }: Reaction,
  test: (message: DiscordMessage) => boolean,
): Promise<DiscordMessage> {
  return vi.waitFor(() => {
    const message = discord.world.open('555').get(interaction.originalId ?? '');
    expect(message?.content ?? 'nothing').toBeDefined();
    expect(message).toSatisfy((known: DiscordMessage | undefined) => !!known && test(known));
    return message!;
  }, ENDS);
}

describe('on Telegram', () => {
  let picture: TelegramMessage;

  it('the first word tells of the free plan, with an example to press', async () => {
    const start = await write(telegram, ada, { text: '/start' });
    const reply = await replyTo(start, ({ text }) => text.includes('20 tokens'));
    expect(reply.keyboard?.inline_keyboard.flat().length).toBeGreaterThan(0);
  });

  it('plain words become a picture, in the one reply to them', async () => {
    const asked = await write(telegram, ada, { text: `a red boat ${SMALL}` });
    picture = await replyTo(asked, hasPhoto);
    expect(picture.edits).toBeGreaterThan(0);
    dataOf(picture, 'Again');
  });

  it('what costs more than the day has is refused, with the way to a plan', async () => {
    const asked = await write(telegram, ada, { text: DEAR });
    const reply = await replyTo(asked, ({ text }) => /token/i.test(text));
    const urls = reply.keyboard?.inline_keyboard.flat().map(({ url }) => url ?? '') ?? [];
    expect(urls.some((url) => url.includes('#plans'))).toBe(true);
  });

  it('a plan that the operator grants is told of', async () => {
    await givePlan('telegram:7001', 'starter');
    await vi.waitFor(() => {
      const texts = [...chatOf(telegram, ada).messages.values()].map(({ text }) => text);
      expect(texts.filter((text) => text.includes('Your plan is now Starter'))).toHaveLength(1);
    }, ENDS);
  });

  it('nothing is lost and nothing comes twice when the Worker is replaced meanwhile', async () => {
    const asked = await Promise.all(
      [1, 2, 3].map((seed) => write(telegram, ada, { text: `a hill ${SMALL}, seed ${seed}` })),
    );
    await system.redeploy({});
    // And a power cut, of which it is told nothing.
    system.parts.edge?.kill();
    const jobs = await Promise.all(asked.map((message) => replyTo(message, hasPhoto)));
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(asked.length);
  });

  it('a button of before works after it, and makes one more picture though tapped twice', async () => {
    const { messages } = chatOf(telegram, ada);
    const photos = () => [...messages.values()].filter(hasPhoto).length;
    const before = photos();
    const again = { messageId: picture.id, data: dataOf(picture, 'Again') };
    await Promise.all([press(telegram, ada, again), press(telegram, ada, again)]);
    await vi.waitFor(() => expect(photos()).toBe(before + 1), ENDS);
    const notes = [...telegram.notes.values()].map(({ text }) => text);
    expect(notes.filter((text) => text === 'On it already.')).toHaveLength(1);
  });

  it('a change to a picture is asked for by a reply to it', async () => {
    const text = 'make it darker';
    const reply = await write(telegram, ada, { text, replyTo: picture.id });
    const changed = await replyTo(reply, hasPhoto);
    expect(changed.text).toContain('a red boat, darker');
  });

  it('an album is taken away as a whole', async () => {
    const { messages } = chatOf(telegram, ada);
    const asked = await write(telegram, ada, { text: `2 images of a mill ${SMALL}` });
    const album = () => repliesTo(asked).filter(({ albumId }) => albumId !== null);
    const words = () => repliesTo(asked).find(({ albumId }) => albumId === null);
    await vi.waitFor(() => {
      expect(album()).toHaveLength(2);
      dataOf(words()!, 'Delete');
    }, ENDS);
    const messageId = words()!.id;
    await press(telegram, ada, { messageId, data: dataOf(words()!, 'Delete') });
    const question = await vi.waitFor(() => {
      const found = [...messages.values()].find(({ replyTo: to }) => to === messageId);
      expect(found).toBeDefined();
      return found!;
    }, ENDS);
    const sure = dataOf(question, 'Yes, delete it');
    await press(telegram, ada, { messageId: question.id, data: sure });
    await vi.waitFor(() => expect(repliesTo(asked)).toEqual([]), ENDS);
  });
});

describe('on Discord', () => {
  let result: DiscordMessage;

  it('a command is answered at once, and its answer becomes the picture', async () => {
    const prompt = `a red boat ${SMALL}`;
    const reaction = await command(discord, actor, { name: 'generate', options: { prompt } });
    expect(reaction.answer?.type).toBe(5);
    result = await shown(reaction, ({ files }) => files.length === 1);
    expect(result.files[0]?.contentType).toMatch(/^image\//);
  });

  it('a limit is told with the way to a plan', async () => {
    const options = { prompt: DEAR };
    const reaction = await command(discord, actor, { name: 'generate', options });
    const message = await shown(reaction, ({ content }) => /token/i.test(content));
    const urls = message.components.flatMap((row) => row.components.map(({ url }) => url ?? ''));
    expect(urls.some((url) => url.includes('#plans'))).toBe(true);
  });

  it('a button works after a redeployment', async () => {
    await system.redeploy({});
    const again = result.components
      .flatMap((row) => row.components)
      .find(({ label }) => label === 'Again');
    const customId = again?.custom_id ?? '';
    const reaction = await pressDiscord(discord, actor, { message: result, customId });
    await shown(reaction, ({ files }) => files.length === 1);
  });

  it('a form with other words makes a picture of them', async () => {
    const edit = result.components
      .flatMap((row) => row.components)
      .find(({ label }) => label === 'Edit');
    const pressed = { message: result, customId: edit?.custom_id ?? '' };
    const { answer } = await pressDiscord(discord, actor, pressed);
    if (answer?.type !== 9) throw new Error(`a form opens, not ${JSON.stringify(answer)}`);
    const { custom_id: customId, components } = answer.data;
    const field = /"custom_id":"([^"]+)"/.exec(JSON.stringify(components))?.[1] ?? '';
    const value = `a green boat ${SMALL}`;
    const reaction = await submitModal(discord, actor, { customId, field, value });
    const message = await shown(reaction, ({ files }) => files.length === 1);
    expect(message.content).toContain('a green boat');
  });

  it('a plan that the operator grants is told of directly', async () => {
    await givePlan('discord:8001', 'pro');
    await vi.waitFor(() => {
      const messages = [...discord.world.open('98001').values()];
      expect(messages.map(({ content }) => content).join()).toContain('Your plan is now Pro');
    }, ENDS);
  });
});

it('the operator sees both bots in good health, and no platform saw a mistake', async () => {
  const bearer = system.credentials.adminKey;
  const { data: bots } = BotList.parse(await call(`${system.baseUrl}/admin/v1/bots`, { bearer }));
  expect(bots.map(({ id, health }) => [id, health?.status, health?.given_up])).toEqual([
    ['local-telegram', 'ok', 0],
    ['local-discord', 'ok', 0],
  ]);
  expect(telegram.violations).toEqual([]);
  expect(discord.violations).toEqual([]);
});
