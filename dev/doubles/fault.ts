/**
 * Faults of a platform, drawn from a seed: the same seed gives the same faults to the same calls
 * in the same order. `drop_after` is the mean one: the call was done, and nobody is told.
 */
export type Fault = 'too_many' | 'failed' | 'drop_before' | 'drop_after';

/** Share of calls that each fault takes, 0 to 1. */
export type FaultShares = Readonly<Partial<Record<Fault, number>>>;

/** Draws a fault for each call. */
export class FaultSource {
  readonly #shares: FaultShares;
  #state: number;
  /** How often each was drawn. */
  readonly drawn: Record<Fault, number> = { too_many: 0, failed: 0, drop_before: 0, drop_after: 0 };

  constructor(shares: FaultShares, seed: number) {
    this.#shares = shares;
    this.#state = seed >>> 0;
  }

  draw(): Fault | null {
    let point = this.#random();
    for (const [fault, share] of Object.entries(this.#shares) as [Fault, number][]) {
      if (point < share) {
        this.drawn[fault] += 1;
        return fault;
      }
      point -= share;
    }
    return null;
  }

  /** mulberry32. */
  #random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}
