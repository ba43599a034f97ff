/**
 * The end of a wait: one signal that aborts when the job's does, or when what was expected did
 * not come in time, then with the error that says so. Every wait for a server hangs on one of
 * these, so that none is without an end. Call `end` when the wait is over.
 */

/** Calls `act` once after `ms`; the answer cancels it. */
export type After = (ms: number, act: () => void) => () => void;

/** The timer of the process. */
export function afterReal(ms: number, act: () => void): () => void {
  const timer = setTimeout(act, ms);
  return () => clearTimeout(timer);
}

export class Watch {
  readonly #abort = new AbortController();
  readonly #parent: AbortSignal;
  readonly #after: After;
  readonly #onAbort = () => this.#abort.abort(this.#parent.reason);
  #cancelNext = () => {};
  #cancelWhole = () => {};

  constructor(parent: AbortSignal, after: After) {
    this.#parent = parent;
    this.#after = after;
    if (parent.aborted) this.#onAbort();
    else parent.addEventListener('abort', this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Something must happen within `ms` from now; takes the place of what was expected before. */
  expect(ms: number, late: () => Error): void {
    this.#cancelNext();
    this.#cancelNext = this.#after(ms, () => this.#abort.abort(late()));
  }

  /** All of it must be over within `ms` from now. */
  limit(ms: number, late: () => Error): void {
    this.#cancelWhole();
    this.#cancelWhole = this.#after(ms, () => this.#abort.abort(late()));
  }

  /** Nothing is waited for any more; the signal stays as it is. */
  end(): void {
    this.#cancelNext();
    this.#cancelWhole();
    this.#parent.removeEventListener('abort', this.#onAbort);
  }
}
