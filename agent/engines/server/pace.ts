/**
 * Progress of work that tells none: by how long it took before, for each unit of its size. It
 * never says that the work is over, and before a first run it says that nothing is done.
 */
import type { Progress } from '#schema/api.ts';
import type { RunContext } from '../engine.ts';
import type { After } from './watch.ts';

const TICK_MS = 1000;
/** What one more run changes of what is known. */
const WEIGHT = 0.3;
/** As much as may be claimed before the end. */
const CLAIM_MAX = 0.95;

/** What is reported of work that has no steps. */
export function runningAt(fraction: number): Progress {
  return { fraction, stage: 'running', step: null, steps: null };
}

export class Pace {
  readonly #after: After;
  readonly #now: () => number;
  #msPerUnit: number | null = null;

  constructor(after: After, now: () => number = () => performance.now()) {
    this.#after = after;
    this.#now = now;
  }

  /** Does the work, and tells about once a second how much of it should be done. */
  async measure<T>(
    units: number,
    { onProgress }: Pick<RunContext, 'onProgress'>,
    work: () => Promise<T>,
  ): Promise<T> {
    const startedAt = this.#now();
    let cancel = () => {};
    const tick = (): void => {
      cancel = this.#after(TICK_MS, () => {
        onProgress(runningAt(this.#fraction(units, this.#now() - startedAt)));
        tick();
      });
    };
    onProgress(runningAt(0));
    tick();
    try {
      const result = await work();
      this.#learn(units, this.#now() - startedAt);
      return result;
    } finally {
      cancel();
    }
  }

  #fraction(units: number, ms: number): number {
    if (this.#msPerUnit === null) return 0;
    return Math.min(CLAIM_MAX, ms / Math.max(1, this.#msPerUnit * units));
  }

  #learn(units: number, ms: number): void {
    const now = ms / Math.max(1, units);
    this.#msPerUnit =
      this.#msPerUnit === null ? now : now * WEIGHT + this.#msPerUnit * (1 - WEIGHT);
  }
}
