/**
 * The waiting jobs of one tier and model, in fair order: by tag, then by place. Keeps the sums
 * that a choice needs, so that looking at a line costs the same however long it is.
 * Mostly appended to and taken from the front; elsewhere an insertion moves memory.
 */
import { assert } from '#schema/assert.ts';
import type { LiveEntry } from './state.ts';

/** What orders two waiting jobs of a tier. */
export type Order = Pick<LiveEntry, 'tag' | 'place'>;

/** Whether `one` goes before `other`. */
export function isBefore(one: Order, other: Order): boolean {
  return one.tag < other.tag || (one.tag === other.tag && one.place < other.place);
}

/** One line; see above. */
export class Line {
  readonly model: string;
  #entries: LiveEntry[] = [];
  /** Entries before this index were taken; cut off when they are half of the array. */
  #start = 0;
  /** Price of all its jobs: the measure of their work. */
  #millitokens = 0;
  /** Sums of the jobs' arrivals, in seconds since `#base`, and of their squares. */
  readonly #base: number;
  #seconds = 0;
  #squares = 0;

  constructor(model: string, now: number) {
    this.model = model;
    this.#base = now;
  }

  get size(): number {
    return this.#entries.length - this.#start;
  }

  /** Mean price of its jobs. */
  get meanMillitokens(): number {
    return this.#millitokens / this.size;
  }

  /** The first, or the one after `skip` others; undefined past the end. */
  at(skip: number): LiveEntry | undefined {
    return this.#entries[this.#start + skip];
  }

  add(entry: LiveEntry): void {
    this.#count(entry, 1);
    const entries = this.#entries;
    const last = entries.at(-1);
    if (this.size === 0 || (last && isBefore(last, entry))) {
      entries.push(entry);
      return;
    }
    const index = this.#search(entry);
    if (index === this.#start && this.#start > 0) {
      this.#start -= 1;
      entries[this.#start] = entry;
      return;
    }
    entries.splice(index, 0, entry);
  }

  remove(entry: LiveEntry): void {
    const index = this.#search(entry);
    assert(this.#entries[index] === entry, 'a queued job waits in its line');
    this.#count(entry, -1);
    if (index > this.#start) {
      this.#entries.splice(index, 1);
      return;
    }
    this.#start += 1;
    if (this.#start > 32 && this.#start * 2 > this.#entries.length) {
      this.#entries.splice(0, this.#start);
      this.#start = 0;
    }
  }

  /** How many go before this one. */
  countBefore(order: Order): number {
    return this.#search(order) - this.#start;
  }

  /** Sum of the ages of all its jobs at `now`, in s, and of their squares, in s². */
  ages(now: number): { readonly sum: number; readonly squares: number } {
    const at = (now - this.#base) / 1000;
    const sum = this.size * at - this.#seconds;
    const squares = this.size * at * at - 2 * at * this.#seconds + this.#squares;
    return { sum: Math.max(0, sum), squares: Math.max(0, squares) };
  }

  *[Symbol.iterator](): Generator<LiveEntry> {
    for (let index = this.#start; index < this.#entries.length; index += 1) {
      yield this.#entries[index]!;
    }
  }

  #count(entry: LiveEntry, sign: 1 | -1): void {
    const seconds = (entry.queuedAt - this.#base) / 1000;
    this.#seconds += sign * seconds;
    this.#squares += sign * seconds * seconds;
    this.#millitokens += sign * entry.millitokens;
  }

  /** Index of the first entry that does not go before this one. */
  #search(order: Order): number {
    let low = this.#start;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBefore(this.#entries[middle]!, order)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
