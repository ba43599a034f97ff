/**
 * The two bots that a local system has, one of each platform, and what its chats' process is told.
 * Their secrets are made once and kept with the others.
 */
import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import type { Bot } from '#schema/chat.ts';
import { readJson, writeJson } from '../disk.ts';

const BotSecrets = z.object({
  telegramToken: z.string(),
  webhookSecret: z.string(),
  discordToken: z.string(),
  applicationId: z.string(),
  publicKey: z.string(),
  privateKeyPem: z.string(),
});
export type BotSecrets = z.infer<typeof BotSecrets>;

/** What the launcher passes in TESSERA_CHAT, as JSON: it holds secrets, so never an argument. */
export interface ChatOrder {
  readonly baseUrl: string;
  readonly secrets: BotSecrets;
  readonly ports: { readonly page: number; readonly telegram: number; readonly discord: number };
}

/** Reads DATA/bots.json, or makes it. */
export function keepBotSecrets(data: string): BotSecrets {
  const file = join(data, 'bots.json');
  const kept = BotSecrets.safeParse(readJson(file));
  if (kept.success) return kept.data;
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const secrets = {
    telegramToken: `100001:${randomBytes(24).toString('base64url')}`,
    webhookSecret: randomBytes(24).toString('base64url'),
    discordToken: randomBytes(36).toString('base64url'),
    applicationId: '1200000000000000001',
    publicKey: publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex'),
    privateKeyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  };
  writeJson(file, secrets);
  return secrets;
}

/** The configuration of the local bots, as the secret BOTS has it. */
export function localBots(secrets: BotSecrets): [Bot, Bot] {
  return [
    {
      id: 'local-telegram',
      platform: 'telegram',
      type: 'image',
      token: secrets.telegramToken,
      webhookSecret: secrets.webhookSecret,
      username: 'local_tessera_bot',
    },
    {
      id: 'local-discord',
      platform: 'discord',
      type: 'image',
      token: secrets.discordToken,
      publicKey: secrets.publicKey,
      applicationId: secrets.applicationId,
    },
  ];
}

/** The variables of a Worker whose bots are connected to the doubles. */
export function chatBindings({ secrets, ports }: ChatOrder): Record<string, string> {
  return {
    BOTS: JSON.stringify(localBots(secrets)),
    TELEGRAM_API_URL: `http://127.0.0.1:${ports.telegram}`,
    DISCORD_API_URL: `http://127.0.0.1:${ports.discord}/api/v10`,
  };
}

export function privateKeyOf({ privateKeyPem }: BotSecrets): KeyObject {
  return createPrivateKey(privateKeyPem);
}
