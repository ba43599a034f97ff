/** The bots that are configured, and how each one's courier says it stands. */
import type { BotView } from '#schema/bot.ts';
import type { Env } from '../env.ts';
import { inLanes } from '../io/lane.ts';
import { logWarn } from '../io/log.ts';

/** In the order of the configuration. */
export async function listBots(env: Env): Promise<BotView[]> {
  return inLanes([...env.bots.values()], async ({ id, platform, type }) => {
    try {
      return { id, platform, type, health: await env.botCouriers.getByName(id).health() };
    } catch (error) {
      logWarn('bot.health', { bot: id, message: String(error) });
      return { id, platform, type, health: null };
    }
  });
}
