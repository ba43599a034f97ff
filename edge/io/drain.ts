/**
 * Empties something that an object keeps in its own SQLite until a receiver has it: batch after
 * batch, one at a time. After a failure it waits, longer each time, whoever asks it to go on.
 * Whether there is anything is remembered, since it is asked with every request.
 */
import { DELIVERY_CHECK_MS } from '#schema/limits.ts';
import { backoffMs } from '../core/retry.ts';

interface Source<Item> {
  /** The oldest items, or none. */
  readonly next: () => readonly Item[];
  readonly deliver: (items: readonly Item[]) => Promise<void>;
  readonly remove: (items: readonly Item[]) => void;
  readonly onFailure: (error: unknown) => void;
}

/** See above. */
export class Drain<Item> {
  readonly #source: Source<Item>;
  #pending: boolean;
  #busy = false;
  #failures = 0;
  #retryAt = 0;

  /** `pending` tells whether there may be items already. */
  constructor(source: Source<Item>, pending: boolean) {
    this.#source = source;
    this.#pending = pending;
  }

  /** Call when there are new items. */
  fill(): void {
    this.#pending = true;
  }

  /** When to run again if nothing else does, or null when all has arrived. */
  nextAt(): number | null {
    if (!this.#pending) return null;
    // While it runs, the time of its retry is past.
    if (this.#busy || this.#failures === 0) return Date.now() + DELIVERY_CHECK_MS;
    return this.#retryAt;
  }

  /** Delivers all in order, or as much as the receiver takes; never rejects. */
  async run(): Promise<void> {
    if (!this.#pending || this.#busy || Date.now() < this.#retryAt) return;
    this.#busy = true;
    const { next, deliver, remove, onFailure } = this.#source;
    try {
      for (let batch = next(); batch.length > 0; batch = next()) {
        await deliver(batch);
        remove(batch);
        this.#failures = 0;
      }
      this.#pending = false;
    } catch (error) {
      this.#failures += 1;
      this.#retryAt = Date.now() + backoffMs(this.#failures, Math.random());
      onFailure(error);
    } finally {
      this.#busy = false;
    }
  }
}
