/**
 * Chats: bots, and where in a chat an answer goes. Platform ids are decimal texts: Discord's do
 * not fit a number.
 */
import { z } from 'zod';
import { BOTS_MAX } from './chat-limits.ts';
import { JobType } from './model.ts';

export const Platform = z.enum(['telegram', 'discord']);
export type Platform = z.infer<typeof Platform>;

export const BotId = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'lower case, digits and dashes');
export type BotId = z.infer<typeof BotId>;

/** One bot of the secret `BOTS`. */
export const Bot = z.discriminatedUnion('platform', [
  z.strictObject({
    id: BotId,
    platform: z.literal('telegram'),
    type: JobType,
    token: z.string().min(1),
    webhookSecret: z.string().regex(/^[A-Za-z0-9_-]{16,256}$/),
    /** Its name without the @; `npm run deploy` shows it. */
    username: z.string().optional(),
  }),
  z.strictObject({
    id: BotId,
    platform: z.literal('discord'),
    type: JobType,
    token: z.string().min(1),
    publicKey: z.string().regex(/^[0-9a-f]{64}$/),
    applicationId: z.string().regex(/^\d{1,20}$/),
  }),
]);
export type Bot = z.infer<typeof Bot>;

/** The secret `BOTS`: a JSON list; none when it is not set. */
export const Bots = z
  .string()
  .default('[]')
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      // Not what was sent: it is a secret.
      context.addIssue({ code: 'custom', message: 'BOTS is not JSON' });
      return z.NEVER;
    }
  })
  .pipe(z.array(Bot).max(BOTS_MAX))
  .refine((bots) => new Set(bots.map(({ id }) => id)).size === bots.length, {
    message: 'two bots have the same id',
  });

/** Where a job was asked from, and where its result goes. */
export interface ChatAddress {
  readonly platform: Platform;
  /** Telegram: chat id. Discord: channel id. */
  readonly chatId: string;
  /** Who asked. */
  readonly userId: string;
  /** Telegram: the message that is answered. Discord: null. */
  readonly replyTo: string | null;
  /** Telegram: topic of a forum. Discord: null. */
  readonly threadId: string | null;
  /** Discord: the interaction's token, good until `interactionExpiresAt`. Telegram: null. */
  readonly interactionToken: string | null;
  /** Epoch ms. */
  readonly interactionExpiresAt: number | null;
  /** Discord: largest file that the place takes, bytes. */
  readonly attachmentBytesMax: number | null;
}
