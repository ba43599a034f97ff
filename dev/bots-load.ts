/**
 * `npm run bots:load`: twelve bots, 300 users and 3,000 commands against doubles of Telegram and
 * Discord that keep the platforms' limits and fail at random, while the Worker is replaced once
 * and killed once. Then: was every command answered, does every picture stand there exactly once,
 * was no limit broken, and is the memory flat? Prints tables; exit code 1 when anything is not so.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Bot } from '#schema/chat.ts';
import { renderTable, tell } from './bench/table.ts';
import { DiscordServer } from './doubles/discord/server.ts';
import { makeSigningKey } from './doubles/discord/user.ts';
import { FaultSource } from './doubles/fault.ts';
import { TelegramServer } from './doubles/telegram/server.ts';
import { talkOnDiscord, talkOnTelegram } from './load/crowd.ts';
import type { Outcome } from './load/crowd.ts';
import { findFreePort } from './port.ts';
import { removePostgresData } from './postgres-home.ts';
import { listGroup } from './process-table.ts';
import { say, tellMs } from './progress.ts';
import { LocalSystem } from './system.ts';

const BOTS = 6;
/** One user in so many writes in a group of three. */
const GROUP_EVERY = 25;
const SHARES = { too_many: 0.02, failed: 0.02, drop_before: 0.01, drop_after: 0.01 };
const PLACES = ['telegram', 'telegram group', 'discord'] as const;
const ARRIVAL_MS = 200;
const LOOK_MS = 250;
const MIB = 1024 * 1024;
/** How much the Worker may grow from the first third of the run to its end. */
const GROWTH_MIB_MAX = 150;

const { values } = parseArgs({
  options: {
    users: { type: 'string', default: '300' },
    commands: { type: 'string', default: '3000' },
    seed: { type: 'string', default: '1' },
    calm: { type: 'boolean', default: false },
  },
});
const users = Number(values.users);
const perUser = Math.round(Number(values.commands) / users);
const seed = Number(values.seed);

const key = makeSigningKey();
const port = await findFreePort();
const hooks = `http://127.0.0.1:${port}/hooks`;
const telegramBots = Array.from({ length: BOTS }, (_, number) => ({
  id: `telegram-${number}`,
  token: `${9000 + number}:load`,
  username: `load_${number}_bot`,
  webhookUrl: `${hooks}/telegram/telegram-${number}`,
  webhookSecret: `webhook-secret-${number}`,
}));
const discordBots = Array.from({ length: BOTS }, (_, number) => ({
  id: `discord-${number}`,
  applicationId: `88${number}`,
  token: `discord-load-${number}`,
  webhookUrl: `${hooks}/discord/discord-${number}`,
}));
const configured: Bot[] = [
  ...telegramBots.map(({ id, token, username, webhookSecret }) => {
    return { id, platform: 'telegram', type: 'image', token, username, webhookSecret } as const;
  }),
  ...discordBots.map(({ id, token, applicationId }) => {
    const { publicKey } = key;
    return { id, platform: 'discord', type: 'image', token, publicKey, applicationId } as const;
  }),
];
const faults = values.calm ? null : new FaultSource(SHARES, seed);
const telegram = new TelegramServer(telegramBots, faults);
const discord = new DiscordServer(discordBots, faults);
await Promise.all([telegram.start(0), discord.start(0)]);

const outcomes: Outcome[] = [];
const onOutcome = (outcome: Outcome) => void outcomes.push(outcome);

/** Half of the users are on either platform; some of Telegram's write in groups. */
async function talk(index: number): Promise<void> {
  // Nobody's users all come within one second for the first time.
  await sleep(index * ARRIVAL_MS);
  const number = Math.floor(index / 2);
  const name = `User${index}`;
  if (index % 2 === 0) {
    const bot = telegramBots[number % BOTS]!;
    const isGroup = number % GROUP_EVERY < 3;
    const group = isGroup ? { chatId: -1_000_000 - Math.floor(number / GROUP_EVERY) } : {};
    const writer = {
      bot: isGroup ? telegramBots[0]! : bot,
      userId: 20_000 + index,
      name,
      ...group,
    };
    await talkOnTelegram(telegram, writer, { count: perUser, onOutcome });
  } else {
    const bot = discordBots[number % BOTS]!;
    const actor = { bot, key, userId: `${20_000 + index}`, name, channelId: `7${number}` };
    await talkOnDiscord(discord, { ...actor, guildId: '6' }, { count: perUser, onOutcome });
  }
}

/** Resident memory of workerd, MiB. */
function workerMib(system: LocalSystem): number | null {
  const group = system.parts.edge?.pid;
  if (group === undefined) return null;
  const found = listGroup(group).find(({ args }) => /workerd serve/.test(args));
  if (!found) return null;
  try {
    const status = readFileSync(`/proc/${found.pid}/status`, 'utf8');
    return (Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024) / MIB;
  } catch {
    return null; // it ended meanwhile
  }
}

/** Replaces the Worker at a third of the run, kills it at two thirds, and reads its memory. */
async function disturb(system: LocalSystem, done: AbortSignal): Promise<string[][]> {
  const total = users * perUser;
  const rows: string[][] = [];
  const deeds: [number, string, () => Promise<void>][] = [
    [0.15, '', async () => {}],
    [0.33, 'replaced', () => system.redeploy({})],
    [0.5, '', async () => {}],
    [0.66, 'killed', async () => killWorker(system)],
    [0.85, '', async () => {}],
    [1, '', async () => {}],
  ];
  for (const [share, name, deed] of deeds) {
    while (outcomes.length < total * share && !done.aborted) await sleep(LOOK_MS);
    rows.push([`${Math.round(share * 100)} %`, tell(workerMib(system) ?? 0), name]);
    if (!values.calm) await deed();
  }
  return rows;
}

async function killWorker(system: LocalSystem): Promise<void> {
  const group = system.parts.edge?.pid;
  const found = listGroup(group ?? 0).find(({ args }) => /workerd serve/.test(args));
  if (found) process.kill(found.pid, 'SIGKILL');
}

function quantiles(title: string, all: readonly (number | null)[]): string[] {
  const known = all.filter((ms) => ms !== null).toSorted((a, b) => a - b);
  const at = (share: number) => known[Math.min(known.length - 1, Math.floor(known.length * share))];
  const cells = [0.5, 0.9, 0.99, 1].map((share) => tell((at(share) ?? 0) / 1000));
  return [title, String(known.length), ...cells];
}

/** From a job's end to its result in the chat, as the couriers logged it. */
function deliveryMs(data: string, place: Outcome['place']): number[] {
  const [platform = ''] = place.split(' ');
  const isGroup = place === 'telegram group';
  const lines = readFileSync(join(data, 'logs', 'edge.log'), 'utf8').split('\n');
  return lines.flatMap((line) => {
    if (!line.includes('"op":"bot.deliver"') || !line.includes(`"bot":"${platform}-`)) return [];
    const { ms, group } = JSON.parse(line) as { ms: number | null; group: boolean };
    return ms === null || group !== isGroup ? [] : [ms];
  });
}

function report(data: string, memory: readonly string[][]): boolean {
  const pictures = outcomes.filter(({ wantsPicture }) => wantsPicture);
  const of = (place: string) => outcomes.filter((outcome) => outcome.place === place);
  const head = ['seconds', 'count', '50 %', '90 %', '99 %', 'most'];
  const rows = PLACES.flatMap((place) => [
    quantiles(
      `${place}: command to first answer`,
      of(place).map(({ answeredMs }) => answeredMs),
    ),
    quantiles(`${place}: job's end to its delivery`, deliveryMs(data, place)),
  ]);
  say(`\n${renderTable(head, rows)}\n`);
  say(`${renderTable(['commands done', 'Worker MiB', 'Worker then'], [...memory], 1)}\n`);
  const calls = { ...telegram.calls, ...discord.calls };
  say(`calls: ${JSON.stringify(calls)}\nfaults: ${JSON.stringify(faults?.drawn ?? {})}`);
  const repeats = outcomes.reduce((sum, outcome) => sum + outcome.repeats, 0);
  const spare = outcomes.filter((outcome) => outcome.spareTexts() > 0).length;
  say(`commands said again, as their answer asked or because the Worker was away: ${repeats}`);
  say(`answers whose first words stand there twice (an answer to a send was lost): ${spare}\n`);
  const violations = [...telegram.violations, ...discord.violations];
  const grown = Number(memory.at(-1)?.[1]) - Number(memory[0]?.[1]);
  const claims: [string, number, readonly string[]][] = [
    [
      'every command was answered',
      outcomes.length,
      outcomes.filter(({ answeredMs }) => answeredMs === null).map((outcome) => outcome.texts()),
    ],
    [
      'every picture stands there exactly once',
      pictures.length,
      pictures.filter((outcome) => outcome.pictures() !== 1).map((outcome) => outcome.texts()),
    ],
    ['no limit was broken, no call was wrong', Object.keys(calls).length, violations],
    ['memory is flat', memory.length, grown > GROWTH_MIB_MAX ? [`${tell(grown)} MiB more`] : []],
  ];
  for (const [claim, checked, broken] of claims) {
    const verdict = checked === 0 ? 'NOTHING WAS CHECKED' : 'holds';
    say(
      `${claim}: ${broken.length === 0 ? verdict : `BROKEN ${broken.length} times`} (${checked})`,
    );
    for (const example of broken.slice(0, 5)) say(`    ${example.slice(0, 200)}`);
  }
  return claims.every(([, checked, broken]) => checked > 0 && broken.length === 0);
}

const data = mkdtempSync(join(tmpdir(), 'tessera-bots-load-'));
const bindings = {
  BOTS: JSON.stringify(configured),
  TELEGRAM_API_URL: telegram.url,
  DISCORD_API_URL: discord.apiUrl,
};
const system = new LocalSystem({ data, port, site: false, bindings, print: say });

async function clear(): Promise<void> {
  await system.stop();
  await Promise.all([telegram.stop(), discord.stop()]);
  removePostgresData(join(data, 'postgres'));
  rmSync(data, { recursive: true, force: true });
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => void clear().finally(() => process.exit(1)));
}
try {
  await system.start();
  const startedAt = performance.now();
  const done = new AbortController();
  const disturbing = disturb(system, done.signal);
  const talking = Promise.all(Array.from({ length: users }, (_, index) => talk(index)));
  await talking;
  done.abort();
  const memory = await disturbing;
  say(
    `\n${outcomes.length} commands of ${users} users in ${tellMs(performance.now() - startedAt)}`,
  );
  process.exitCode = report(data, memory) ? 0 : 1;
} catch (error) {
  say(String((error as Error).stack ?? error));
  process.exitCode = 1;
}
await clear();
process.exit();
