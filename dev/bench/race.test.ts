import { describe, expect, it } from 'vitest';
import type { Contender } from './contender.ts';
import { race } from './race.ts';

/** Ends each job in the turn after it was accepted. */
class Instant implements Contender {
  readonly system = 'instant';
  readonly mode = 'bare';
  readonly durability = 'none';
  readonly batches: number[] = [];
  readonly #open: number[] = [];
  openMax = 0;
  #listener = () => {};

  submit(count: number): Promise<void> {
    this.batches.push(count);
    for (let n = 0; n < count; n += 1) this.#open.push(n);
    this.openMax = Math.max(this.openMax, this.#open.length);
    setImmediate(() => {
      for (let n = 0; n < count; n += 1) {
        this.#open.pop();
        this.#listener();
      }
    });
    return Promise.resolve();
  }

  onEnd(listener: () => void): void {
    this.#listener = listener;
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  get open(): number {
    return this.#open.length;
  }
}

describe('race', () => {
  it('submits whole batches within the window and waits for every end', async () => {
    const contender = new Instant();
    const options = { seconds: 0.02, batch: 5, submitters: 3, window: 10 };
    const rate = await race(contender, options);
    expect(rate).toBeGreaterThan(0);
    expect(new Set(contender.batches)).toEqual(new Set([5]));
    expect(contender.openMax).toBeLessThanOrEqual(10);
    expect(contender.open).toBe(0);
  });

  it('fails when a submit fails', async () => {
    const contender = new Instant();
    contender.submit = () => Promise.reject(new Error('refused'));
    const options = { seconds: 0.02, batch: 1, submitters: 1, window: 10 };
    await expect(race(contender, options)).rejects.toThrow('refused');
  });
});
