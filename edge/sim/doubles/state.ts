/** Stands in for edge/core/state: the same, and the checkers know the state of each Scheduler. */
import { emptyState as emptyBare } from '../../core/state.ts';
import type { QueueState } from '../../core/state.ts';
import { Instance } from '../platform/object.ts';
import { theSite } from '../site.ts';

export * from '../../core/state.ts';

export function emptyState(): QueueState {
  const state = emptyBare();
  const { world, states } = theSite();
  if (world.current instanceof Instance) states.set(world.current, state);
  return state;
}
