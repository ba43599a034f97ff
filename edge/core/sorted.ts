/**
 * A sorted set of integers for queues: mostly appended at the end and taken from the front.
 * Insertion elsewhere moves memory, searching is logarithmic. No number is in it twice.
 */
export class SortedNumbers {
  #items: number[] = [];
  /** Items before this index were taken; cut off when they are half of the array. */
  #start = 0;

  get size(): number {
    return this.#items.length - this.#start;
  }

  /** The smallest, or undefined when empty. */
  first(): number | undefined {
    return this.#items[this.#start];
  }

  add(value: number): void {
    const items = this.#items;
    const last = items.at(-1);
    if (this.size === 0 || (last !== undefined && value > last)) {
      items.push(value);
      return;
    }
    const index = this.#search(value);
    if (items[index] === value) return;
    if (index === this.#start && this.#start > 0) {
      this.#start -= 1;
      items[this.#start] = value;
      return;
    }
    items.splice(index, 0, value);
  }

  /** False when it was not there. */
  remove(value: number): boolean {
    const index = this.#search(value);
    if (this.#items[index] !== value) return false;
    if (index > this.#start) {
      this.#items.splice(index, 1);
      return true;
    }
    this.#start += 1;
    if (this.#start > 32 && this.#start * 2 > this.#items.length) {
      this.#items.splice(0, this.#start);
      this.#start = 0;
    }
    return true;
  }

  /** Those not greater than `value`, ascending. */
  upTo(value: number): number[] {
    return this.#items.slice(this.#start, this.#search(value + 1));
  }

  /** How many are smaller than `value`. */
  countBelow(value: number): number {
    return this.#search(value) - this.#start;
  }

  /** Index of the first item that is not smaller. */
  #search(value: number): number {
    let low = this.#start;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#items[middle]! < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
