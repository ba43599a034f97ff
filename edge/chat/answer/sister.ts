/** The bots of this platform that make other things, as users call them. */
import type { JobType } from '#schema/model.ts';
import type { Talk } from './talk.ts';

/** The first one of each type, by its name. */
export function sistersOf({ env, bot }: Talk): ReadonlyMap<JobType, string> {
  const names = new Map<JobType, string>();
  for (const other of env.bots.values()) {
    if (other.platform !== bot.platform || names.has(other.type)) continue;
    const isNamed = other.platform === 'telegram' && other.username !== undefined;
    names.set(other.type, isNamed ? `@${other.username}` : other.id);
  }
  return names;
}
