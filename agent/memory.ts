/**
 * Waits until graphics memory that was given back shows as free: a driver takes its time after a
 * process has ended, and the next engine would run out of memory. Ends when there is enough, when
 * no more comes, or after a bound; whether it is enough, the next engine finds out.
 */
import { MEMORY_POLL_MS, MEMORY_POLLS_MAX, MEMORY_POLLS_STILL } from './process/limits.ts';

export interface MemoryParts {
  /** Free graphics memory, MiB; null where it cannot be told. */
  readonly askFreeMib: () => Promise<number | null>;
  readonly pause: (ms: number) => Promise<unknown>;
}

/** Answers what is free at the end, MiB, or null where that cannot be told. */
export async function awaitMemory(needMib: number, parts: MemoryParts): Promise<number | null> {
  let most = 0;
  let still = 0;
  for (let poll = 0; ; poll++) {
    const free = await parts.askFreeMib();
    if (free === null || free >= needMib) return free;
    still = free > most ? 0 : still + 1;
    most = Math.max(most, free);
    if (still >= MEMORY_POLLS_STILL || poll >= MEMORY_POLLS_MAX) return free;
    await parts.pause(MEMORY_POLL_MS);
  }
}
