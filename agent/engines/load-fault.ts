/**
 * Models whose load failed: not announced for a while, since every job for one would fail as the
 * first did. After that while one job may try it again; a second failure makes the while longer.
 * What is loaded at last is forgiven.
 */

/** A file that somebody still copies is whole by then. */
export const RETRY_MS_MIN = 10 * 60_000;
/** One that was replaced is found at the latest then, without a restart. */
export const RETRY_MS_MAX = 4 * 60 * 60_000;

interface Fault {
  readonly reason: string;
  readonly until: number;
  readonly restMs: number;
}

export class LoadFaults {
  readonly #now: () => number;
  /** By the model's file: as many as the operator named. */
  readonly #faults = new Map<string, Fault>();

  /** `now` in milliseconds, of any origin. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  note(file: string, reason: string): void {
    const before = this.#faults.get(file);
    const restMs = before ? Math.min(RETRY_MS_MAX, before.restMs * 2) : RETRY_MS_MIN;
    const [words = ''] = reason.split('\n');
    this.#faults.set(file, { reason: words, until: this.#now() + restMs, restMs });
  }

  forgive(file: string): void {
    this.#faults.delete(file);
  }

  /** Why a file is not to be loaded now; null when it may be. */
  reasonOf(file: string): string | null {
    const fault = this.#faults.get(file);
    return fault && this.#now() < fault.until ? fault.reason : null;
  }

  /** For the operator; null when all may be loaded. */
  get trouble(): string | null {
    const out = [...this.#faults].filter(([file]) => this.reasonOf(file) !== null);
    if (out.length === 0) return null;
    const words = out.map(([file, { reason, until }]) => {
      const inMin = Math.ceil((until - this.#now()) / 60_000);
      return `${file} is left out: ${reason}; tried again in ${inMin} min`;
    });
    return words.join('; ');
  }
}
