/** Stands in for edge/core/queue: the same, and the checkers hear of every command and decision. */
import { decide as decideBare } from '../../core/queue.ts';
import type { Command } from '../../core/queue.ts';
import type { QueueState } from '../../core/state.ts';
import { theSite } from '../site.ts';

export * from '../../core/queue.ts';

export function decide(
  state: QueueState,
  now: number,
  command: Command,
): ReturnType<typeof decideBare> {
  const decision = decideBare(state, now, command);
  theSite().oracle.onDecided(state, command, decision);
  return decision;
}
