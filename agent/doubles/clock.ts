/** A clock that stands still until a test moves it, and a way to await what happens meanwhile. */
import type { Clock } from '../clock.ts';

interface Timer {
  readonly at: number;
  readonly act: () => void;
}

const EPOCH_MS = Date.UTC(2026, 0, 1);

export class TestClock implements Clock {
  #now = 0;
  #timers: Timer[] = [];

  now(): number {
    return this.#now;
  }

  wall(): number {
    return EPOCH_MS + this.#now;
  }

  after(ms: number, act: () => void): () => void {
    const timer = { at: this.#now + ms, act };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Lets time pass; timers go off in their order. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const [next] = this.#timers
        .filter(({ at }) => at <= until)
        .toSorted((one, other) => one.at - other.at);
      if (!next) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.at);
      next.act();
    }
    this.#now = until;
  }

  /** Lets time pass unnoticed, as for a stopped process: timers go off late, at the next `advance`. */
  leap(ms: number): void {
    this.#now += ms;
  }

  /** Drops every timer, as when their process dies. */
  forget(): void {
    this.#timers = [];
  }

  /** A signal that aborts after `ms` of this clock. */
  timeout(ms: number): AbortSignal {
    const abort = new AbortController();
    this.after(ms, () => abort.abort(new Error('time-out')));
    return abort.signal;
  }
}

/** Lets a test wait for a condition without a clock: it is looked at whenever something happened. */
export class Bell {
  #waiting: (() => void)[] = [];

  ring(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const look of waiting) look();
  }

  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (holds()) resolve();
        else this.#waiting.push(look);
      };
      look();
    });
  }
}
