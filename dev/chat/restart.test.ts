import { expect, it } from 'vitest';
import { DiscordWorld } from '../doubles/discord/channel.ts';
import { TelegramWorld } from '../doubles/telegram/chat.ts';

const NOW = Date.UTC(2026, 10, 23);
const MINUTE_MS = 60_000;

function say(world: TelegramWorld): number {
  const chat = world.open('bot', 7, 'Ada');
  const nobody = { userId: 7, botId: null, threadId: null, replyTo: null, albumId: null };
  return world.add(chat, { ...nobody, text: 'hi', entities: [], file: null, keyboard: null }).id;
}

it('numbers nothing as before a restart, since bots remember what they have seen', () => {
  const before = new TelegramWorld(NOW);
  const seen = Array.from({ length: 50 }, () => say(before));
  expect(say(new TelegramWorld(NOW + MINUTE_MS))).toBeGreaterThan(Math.max(...seen));
  const world = new DiscordWorld(NOW);
  const ids = Array.from({ length: 50 }, () => BigInt(world.nextId()));
  const next = BigInt(new DiscordWorld(NOW + MINUTE_MS).nextId());
  expect(ids.every((id) => id < next)).toBe(true);
  expect(String(next)).toMatch(/^\d{18,20}$/);
});
