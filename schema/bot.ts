/** How bots stand, as the operator and the other bots see it. */
import { z } from 'zod';
import { BotId, Platform } from './chat.ts';
import { JobType } from './model.ts';

const Time = z.iso.datetime();

/** One bot's health, counted since its courier last started where nothing else is said. */
export const BotHealth = z
  .object({
    status: z.enum(['ok', 'busy', 'limited', 'failing']).meta({
      description:
        'busy: answers wait longer than they should; limited: the platform told the bot to wait; ' +
        'failing: the platform does not answer, or refuses the token.',
    }),
    load: z.number().min(0).max(1).meta({
      description: 'Share of the calls that the platform allows the bot which are used up.',
    }),
    waiting: z.int().meta({ description: 'Messages to be sent or edited.' }),
    oldest_wait_s: z.number().meta({ description: 'Since when the oldest answer waits.' }),
    calls_last_minute: z.int(),
    limited_until: Time.nullable(),
    calls: z.int(),
    failures: z.int().meta({ description: 'Calls that the platform did not do.' }),
    rate_limited: z.int().meta({ description: 'Calls that the platform refused as too many.' }),
    delivered: z.int().meta({ description: 'Results that stand in a chat.' }),
    given_up: z.int().meta({ description: 'Messages that were given up and are on record.' }),
    last_given_up: z.array(z.object({ at: Time, slot: z.string(), reason: z.string() })),
  })
  .meta({ id: 'BotHealth' });
export type BotHealth = z.infer<typeof BotHealth>;

/** One bot, for the operator. */
export const BotView = z
  .object({
    id: BotId,
    platform: Platform,
    type: JobType,
    health: BotHealth.nullable().meta({ description: 'Null when its courier does not answer.' }),
  })
  .meta({ id: 'Bot' });
export type BotView = z.infer<typeof BotView>;

export const BotList = z.object({ data: z.array(BotView) }).meta({ id: 'BotList' });
export type BotList = z.infer<typeof BotList>;
