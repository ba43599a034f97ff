/**
 * Tells a press that is meant from one that only repeats it: a finger that tapped twice, or an
 * impatient one, before what came of the first is to be seen. What was meant is counted, and the
 * count is the idempotency key, so that a later press does it again.
 */
import { PRESS_REPEAT_MS } from '#schema/chat-limits.ts';
import { encodeAction } from '../action.ts';
import type { Said } from '../event.ts';
import type { Press } from './speech.ts';
import type { Talk } from './talk.ts';

type Pressed = Extract<Said, { readonly kind: 'press' }>;

/** A press that is meant; `button` names what was pressed, by whom. */
export interface Meant {
  readonly button: string;
  readonly count: number;
}

/** Null for a repeat of the press before it. */
export async function readPress(talk: Talk, { action, messageId }: Pressed): Promise<Meant | null> {
  const { botId, user, at } = talk.event;
  const button = `${botId}:${messageId}:${encodeAction(action, null)}:${user.id}`;
  const last = talk.memory.pressed(button);
  if (last && (at - last.at < PRESS_REPEAT_MS || !(await isTold(talk, last)))) return null;
  return { button, count: (last?.count ?? 0) + 1 };
}

/** The key of the job that a press asks for. */
export function orderKeyOf({ button, count }: Meant): string {
  return `press:${button}:${count}`;
}

/** What is to be remembered of a press, once it was answered. */
export function rememberPress(talk: Talk, { button, count }: Meant): void {
  const { at } = talk.event;
  talk.changes.push({ kind: 'press', button, press: { count, at, jobId: talk.jobId } });
}

/** Whether the presser can see what came of it. */
async function isTold({ env, bot }: Talk, { jobId }: Press): Promise<boolean> {
  return jobId === null || env.botCouriers.getByName(bot.id).isShown(jobId);
}
