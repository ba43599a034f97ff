/** What all commands of a run have in common: a second passes, it acts, and all is compared. */
import type { AsyncCommand } from 'fast-check';
import { STEP_MS, compare, pass } from './check.ts';
import type { Model } from './model.ts';
import type { System } from './system.ts';

/** One step of a run. */
export type Command = AsyncCommand<Model, System>;

/** A command by its title, as a counterexample shows it, and what it does to both sides. */
export function makeCommand(
  title: string,
  act: (model: Model, system: System) => Promise<void>,
  isPossible: (model: Readonly<Model>) => boolean = () => true,
): Command {
  return {
    check: isPossible,
    run: async (model, system) => {
      await pass(model, system, STEP_MS);
      await act(model, system);
      await compare(model, system);
    },
    toString: () => title,
  };
}

/** The item that a drawn number stands for, or undefined where there is none. */
export function pick<T>(items: readonly T[], draw: number): T | undefined {
  return items[draw % items.length];
}
