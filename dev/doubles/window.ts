/** A sliding window: how many things happened within a span, and when there is room again. */
export class SlidingWindow {
  readonly #max: number;
  readonly #spanMs: number;
  #times: number[] = [];

  constructor(max: number, spanMs: number) {
    this.#max = max;
    this.#spanMs = spanMs;
  }

  /** Milliseconds until `count` more fit, 0 for now. */
  waitMs(now: number, count = 1): number {
    this.#times = this.#times.filter((time) => time > now - this.#spanMs);
    const tooMany = this.#times.length + count - this.#max;
    if (tooMany <= 0) return 0;
    const free = this.#times[Math.min(tooMany, this.#times.length) - 1] ?? now;
    return free + this.#spanMs - now;
  }

  add(now: number, count = 1): void {
    for (let index = 0; index < count; index += 1) this.#times.push(now);
  }

  /** How many there are in the span that ends now. */
  size(now: number): number {
    return this.#times.filter((time) => time > now - this.#spanMs).length;
  }
}
