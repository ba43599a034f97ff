/**
 * Child process of the launcher: doubles of Telegram and Discord, each with one bot, and a page
 * to chat with both in a browser. Everything is in memory: a restart begins empty conversations,
 * while the bots and their jobs know theirs.
 */
import { listen } from '../doubles/http.ts';
import type { Incoming, Outgoing } from '../doubles/http.ts';
import { say } from '../progress.ts';
import { DiscordSide, TelegramSide } from './side.ts';
import type { Aside, Side, Written } from './side.ts';
import { privateKeyOf, type ChatOrder } from './order.ts';
import { readPage } from './page.ts';

const CHANGE_MS = 25_000;

/** Waits of pages for a change. */
class Changes {
  #count = 0;
  #wake = new Set<() => void>();

  get count(): number {
    return this.#count;
  }

  note(): void {
    this.#count += 1;
    for (const wake of this.#wake) wake();
    this.#wake.clear();
  }

  /** Resolves when the count is another, or after a while. */
  async after(seen: number): Promise<void> {
    if (seen !== this.#count) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, CHANGE_MS);
      this.#wake.add(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

async function main(order: ChatOrder): Promise<void> {
  const changes = new Changes();
  const note = () => changes.note();
  const telegram = new TelegramSide(order, note);
  const discord = new DiscordSide(order, privateKeyOf(order.secrets), note);
  await telegram.server.start(order.ports.telegram);
  await discord.server.start(order.ports.discord);
  const sides: Record<string, Side> = { telegram, discord };
  const page = await listen(order.ports.page, (incoming) => answer(incoming, sides, changes));
  process.on('SIGTERM', () => {
    const stops = [page.stop(), telegram.server.stop(), discord.server.stop()];
    void Promise.all(stops).finally(() => process.exit(0));
  });
  process.send?.({ ready: true });
}

async function answer(
  { method, path, query, body }: Incoming,
  sides: Record<string, Side>,
  changes: Changes,
): Promise<Outgoing> {
  const [, part = '', name = '', ...rest] = path.split('/');
  const side = sides[name];
  if (method === 'GET' && part === '') return readPage();
  if (method === 'GET' && part === 'state') {
    await changes.after(Number(query.get('seen') ?? -1));
    const shown = Object.entries(sides).map(([platform, one]) => ({
      platform,
      botName: one.botName,
      hints: one.hints,
      takesReplies: one.takesReplies,
      messages: one.messages(),
    }));
    return { status: 200, body: { seen: changes.count, sides: shown } };
  }
  if (method === 'GET' && part === 'file' && side) return side.file(rest);
  if (method === 'POST' && part === 'say' && side) return did(() => side.say(body as Written));
  if (method === 'POST' && part === 'press' && side) {
    return did(() => side.press(body as { id: string; data: string }));
  }
  if (method === 'POST' && part === 'fill' && side) {
    return did(() => side.fill(body as Parameters<Side['fill']>[0]));
  }
  return { status: 404, body: { error: 'nothing here' } };
}

/** What a user did, and what they alone get of it. */
async function did(deed: () => Promise<Aside>): Promise<Outgoing> {
  try {
    return { status: 200, body: await deed() };
  } catch (error) {
    say(`chat: ${String(error)}`);
    return { status: 502, body: { note: error instanceof Error ? error.message : 'failed' } };
  }
}

await main(JSON.parse(process.env['TESSERA_CHAT'] ?? '') as ChatOrder);
