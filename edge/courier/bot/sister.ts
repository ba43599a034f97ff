/**
 * The other bots of the same platform and type: when this one is near its limits, users are told
 * of one that is free. The others are asked rarely, and only then; what they said is believed for
 * a while, so the answer of now is that of the last question.
 */
import type { Bot } from '#schema/chat.ts';
import { BOT_SISTER_MS } from '#schema/limits.ts';
import type { Env } from '../../env.ts';
import { logWarn } from '../../io/log.ts';

export class Sisters {
  readonly #env: Env;
  readonly #bot: Bot | null;
  #askedAt = -Infinity;
  #free: Bot | null = null;

  constructor(env: Env, bot: Bot | null) {
    this.#env = env;
    this.#bot = bot;
  }

  /** A free bot of the same kind, if this one is busy and one is known. Asks for the next time. */
  free(isBusy: boolean, now: number): Bot | null {
    if (!isBusy) return null;
    if (now - this.#askedAt >= BOT_SISTER_MS) {
      this.#askedAt = now;
      void this.#ask();
    }
    return this.#free;
  }

  async #ask(): Promise<void> {
    const bot = this.#bot;
    const others = [...this.#env.bots.values()].filter(
      ({ id, platform, type }) => id !== bot?.id && platform === bot?.platform && type === bot.type,
    );
    const healths = await Promise.all(
      others.map(async (other) => {
        try {
          return { other, health: await this.#env.botCouriers.getByName(other.id).health() };
        } catch (error) {
          logWarn('bot.ask_sister', { bot: other.id, message: String(error) });
          return null;
        }
      }),
    );
    const free = healths
      .filter((found) => found !== null)
      .filter(({ health }) => health.status === 'ok' && health.load < FREE_LOAD)
      .toSorted((a, b) => a.health.load - b.health.load);
    this.#free = free[0]?.other ?? null;
  }
}

/** A bot that has used less of its limits than this is worth being sent to. */
const FREE_LOAD = 0.5;
