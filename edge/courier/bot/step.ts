/** One call for a slot, on whichever platform its bot is. */
import type { Bot } from '#schema/chat.ts';
import type { Env } from '../../env.ts';
import { contentOf } from './content.ts';
import { stepDiscord } from './discord.ts';
import type { LiveView } from './live.ts';
import { planMedia } from './media.ts';
import type { Step } from './outcome.ts';
import { rankOf } from './slot.ts';
import type { Slot } from './slot.ts';
import { stepTelegram } from './telegram.ts';

/** A step, with what the courier's limits have to know of it. */
export interface Taken {
  readonly step: Step;
  /** What the message was to show of the job's life. */
  readonly view: LiveView;
  /** Messages beside the one that the call was counted as. */
  readonly more: number;
  /** How long the platform takes no more calls to this chat. */
  readonly emptyForMs: number;
}

/** A step that came to nothing by a fault of ours: tried again, a bounded number of times. */
export function faulty(view: LiveView): Taken {
  const fault = { reason: 'unanswered', message: 'our own fault' } as const;
  return { step: { shows: false, fault }, view, more: 0, emptyForMs: 0 };
}

/** Makes the call; throws only on a fault of ours. */
export async function makeStep(call: {
  env: Env;
  bot: Bot;
  slot: Slot;
  view: LiveView;
  /** A bot of the same kind that is free, when this one is not. */
  sister: Bot | null;
  now: number;
}): Promise<Taken> {
  const { env, bot, slot, now } = call;
  const { reply, view } = await contentOf(call);
  if (bot.platform === 'discord') {
    // Only progress is worth a preview, and only as long as it is all that changed.
    const preview = rankOf(slot) === null ? view.preview : null;
    const { emptyForMs, ...step } = await stepDiscord({ env, bot, slot, preview, now }, reply);
    return { step, view, more: 0, emptyForMs };
  }
  const access = { apiUrl: env.telegramApiUrl, token: bot.token };
  const step = await stepTelegram({ env, access, slot, now }, reply);
  const wasAlbum = slot.stage.extras === 'due' && step.stage?.extras !== undefined;
  const album = planMedia(reply?.media ?? [], slot.chat, slot.stage.form).beside.length;
  return { step, view, more: wasAlbum ? Math.max(0, album - 1) : 0, emptyForMs: 0 };
}
