/**
 * One line per step: what is being done, then how it ended and how long it took.
 * Works the same on a terminal and in a log file: no spinner, no cursor movement.
 */

/** Where the launcher's lines go; tests and the soak script pass their own. */
export type Say = (line: string) => void;

export const say: Say = (line) => {
  process.stdout.write(`${line}\n`);
};

export const quiet: Say = () => {};

/** Tells how long `ms` is, as a person says it. */
export function tellMs(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/**
 * Runs one step of a start and says how it went.
 * `act` may return a remark, which replaces "done".
 */
export async function step(
  print: Say,
  name: string,
  act: () => Promise<string | void> | string | void,
): Promise<void> {
  const startedAt = performance.now();
  try {
    const remark = await act();
    print(`· ${name}… ${remark ?? 'done'} in ${tellMs(performance.now() - startedAt)}`);
  } catch (error) {
    if (!(error instanceof Stopped))
      print(`· ${name}… failed after ${tellMs(performance.now() - startedAt)}`);
    throw error;
  }
}

/** A failure whose message is all that its reader needs: printed without a stack. */
export class Refusal extends Error {}

/** Somebody asked to stop meanwhile: nothing failed, so nothing is printed. */
export class Stopped extends Error {}
