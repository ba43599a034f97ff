/**
 * Stands in for edge/core/evolve: the same, with every change shown to the checkers before and
 * after it is applied. `evolve` is the only function that alters a pool, so nothing escapes.
 */
import { evolve as evolveBare } from '../../core/evolve.ts';
import type { Change, QueueState } from '../../core/state.ts';
import { Instance } from '../platform/object.ts';
import { theSite } from '../site.ts';

export * from '../../core/evolve.ts';

export function evolve(state: QueueState, change: Change): void {
  const site = theSite();
  const { world, oracle } = site;
  const instance = world.current;
  if (!(instance instanceof Instance)) {
    evolveBare(state, change);
    return;
  }
  world.note('change', JSON.stringify(change));
  const told = oracle.before(instance, state, change);
  evolveBare(state, change);
  site.changed.add(instance);
  oracle.after(state, change);
  if (told) instance.tell(told);
}
