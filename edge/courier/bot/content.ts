/** What a slot's message is to say now: the reply as it was given, or the job's news in words. */
import type { Bot, Platform } from '#schema/chat.ts';
import { poolOfJob } from '#schema/id.ts';
import { isTerminal } from '#schema/job.ts';
import { BOT_TEXT_BYTES_MAX, DISCORD_TEXT_CHARS_MAX } from '#schema/limits.ts';
import type { JobRecord } from '#schema/record.ts';
import type { Reply } from '../../chat/message.ts';
import { endReply, progressReply } from '../../chat/reply/job.ts';
import type { Env } from '../../env.ts';
import { getObject } from '../../io/r2.ts';
import { logWarn } from '../../io/log.ts';
import type { LiveView } from './live.ts';
import type { Slot } from './slot.ts';

interface Asked {
  readonly env: Env;
  readonly slot: Slot;
  readonly view: LiveView;
  readonly sister: Bot | null;
  readonly now: number;
}

/** The reply to show, null for none; and the view that it is made of. */
export async function contentOf(
  asked: Asked,
): Promise<{ readonly reply: Reply | null; readonly view: LiveView }> {
  const { env, slot, view, now } = asked;
  const { wanted } = slot;
  switch (wanted.kind) {
    case 'nothing':
      return { reply: null, view };
    case 'reply':
      return { reply: wanted.reply, view };
    case 'job': {
      const { record } = wanted;
      if (isTerminal(record.status)) {
        const text = await readText(env, record);
        const fits = text !== null && fitsMessage(text, slot.chat.platform);
        return { reply: endReply({ record, text: fits ? text : null }), view };
      }
      const known = await withPlace(env, record, view);
      const { waiting, progress } = known;
      const sister = asked.sister && nameOf(asked.sister);
      return { reply: progressReply({ record, waiting, progress, now, sister }), view: known };
    }
  }
}

/** A job that waits is told with its place, which only its Scheduler knows. */
async function withPlace(env: Env, record: JobRecord, view: LiveView): Promise<LiveView> {
  const isWaiting = record.status === 'created' || record.status === 'queued';
  if (!isWaiting || view.waiting !== null) return view;
  try {
    const { id, accountId } = record;
    const live = await env.schedulers.getByName(poolOfJob(id)!).find(id, accountId);
    return { ...view, waiting: live?.waiting ?? null };
  } catch (error) {
    logWarn('bot.ask_place', { job_id: record.id, message: String(error) });
    return view;
  }
}

/** A short text is shown itself; a longer one, or one that is marked up, goes as a file. */
async function readText(env: Env, { artifacts }: JobRecord): Promise<string | null> {
  const [first] = artifacts;
  if (artifacts.length !== 1 || first?.contentType !== 'text/plain') return null;
  if (first.bytes > BOT_TEXT_BYTES_MAX) return null;
  const found = await getObject(env.artifacts, first.key, { range: null, ifNoneMatch: null });
  return found.kind === 'body' ? found.object.text() : null;
}

/** Discord's messages are half as long, and marks in them are written with two characters. */
function fitsMessage(text: string, platform: Platform): boolean {
  if (platform === 'telegram') return true;
  const marks = text.match(/[\\*_~`|<>[\]#-]/g)?.length ?? 0;
  return text.length + marks <= DISCORD_TEXT_CHARS_MAX;
}

function nameOf(bot: Bot): { name: string; url: string | null } {
  if (bot.platform === 'telegram' && bot.username !== undefined) {
    return { name: `@${bot.username}`, url: `https://t.me/${bot.username}` };
  }
  return { name: bot.id, url: null };
}
