/** Couriers of Telegram bots for tests: a bot for each test, jobs with their news, time that passes. */
import { runDurableObjectAlarm } from 'cloudflare:test';
import { vi } from 'vitest';
import type { Artifact } from '#schema/artifact.ts';
import type { ChatAddress } from '#schema/chat.ts';
import type { JobRecord } from '#schema/record.ts';
import { asCreated } from '../account/order.ts';
import type { Reply } from '../chat/message.ts';
import { bindings, eventually, newOrder, stubOf } from './world.ts';

let bots = 0;

/** A courier of its own for each test. */
export function newBot() {
  const number = (bots += 1);
  const id = `courier-telegram-${number}`;
  const courier = bindings.BOT_COURIER.getByName(id);
  return { id, token: `${number}:telegram`, courier, stub: stubOf(courier) };
}

/** A private chat. */
export const CHAT: ChatAddress = {
  platform: 'telegram',
  chatId: '77',
  userId: '77',
  replyTo: '5',
  threadId: null,
  interactionToken: null,
  interactionExpiresAt: null,
  attachmentBytesMax: null,
};

/** Another chat. */
export function chat(chatId: string): ChatAddress {
  return { ...CHAT, chatId, userId: chatId };
}

/** A job that runs, asked for in a chat. */
export function newRecord(
  courier: string,
  to: ChatAddress,
  more: Partial<JobRecord> = {},
): JobRecord {
  const notices = [{ kind: 'chat', courier, chat: to } as const];
  const created = asCreated(newOrder('main', 'acc_x', { notices })).record;
  return { ...created, status: 'running', startedAt: created.createdAt, attempt: 1, ...more };
}

async function newArtifact(index: number, content: string): Promise<Artifact> {
  const key = `result/test/${crypto.randomUUID()}`;
  await bindings.ARTIFACTS.put(key, content);
  const bytes = content.length;
  return {
    index,
    key,
    contentType: 'image/png',
    bytes,
    sha256: '0'.repeat(64),
    width: 64,
    height: 64,
    durationS: null,
    thumbnailKey: null,
  };
}

/** The same job at its end, with these results. */
export async function completed(
  record: JobRecord,
  contents: readonly string[],
): Promise<JobRecord> {
  const artifacts = await Promise.all(contents.map((text, index) => newArtifact(index, text)));
  return {
    ...record,
    status: 'completed',
    sequence: record.sequence + 1,
    finishedAt: record.createdAt + 2000,
    settledMillitokens: 250,
    artifacts,
  };
}

/** Lets time, which a test has stopped, pass and the alarm come until something holds. */
export async function until(
  stub: DurableObjectStub,
  probe: () => boolean | Promise<boolean>,
): Promise<void> {
  await eventually(async () => {
    if (await probe()) return true;
    vi.setSystemTime(Date.now() + 500);
    await runDurableObjectAlarm(stub);
    return null;
  });
}

/** A message with nothing but words. */
export function say(text: string): Reply {
  return { text: [text], buttons: [], media: [], isPrivate: false, ownerId: null };
}
