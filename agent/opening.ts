/**
 * The first look at the engines: those that have to be started to say what they have are waited
 * for, but not so long that one which hangs keeps the whole box from working.
 */
import type { Capabilities } from '#schema/agent-protocol.ts';
import type { Clock } from './clock.ts';
import type { Fleet } from './fleet.ts';
import { OPEN_MS_MAX } from './limits.ts';
import type { Log } from './log.ts';

export interface Opening {
  readonly clock: Clock;
  readonly log: Log;
  /** Others were announced meanwhile: there is more to announce. */
  readonly onLate: () => void;
}

/** What the engines have, as far as it is known in time. */
export async function openFleet(
  fleet: Fleet,
  { clock, log, onLate }: Opening,
): Promise<Capabilities> {
  const seen = await fleet.discover();
  const survey = fleet.survey();
  const late = Promise.withResolvers<'late'>();
  const cancel = clock.after(OPEN_MS_MAX, () => late.resolve('late'));
  const over = await Promise.race([survey, late.promise]);
  cancel();
  if (over === false) return seen;
  if (over === 'late') {
    const help = 'an engine still starts; what it has is announced when it answers';
    log.warn('survey.late', { waitedMs: OPEN_MS_MAX, help });
    void survey.then((asked) => asked && onLate());
  }
  return fleet.discover();
}
