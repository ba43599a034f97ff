/**
 * Child process: the pool's state machine alone, with more and more waiting jobs of all tiers,
 * many models and accounts. Times each decision with its evolution, and weighs the state after a
 * collection. Run with --expose-gc; tells the figures of one run to its parent.
 */
import { assert } from '#schema/assert.ts';
import { fillPool, type CorePool } from './core-pool.ts';

/** Figures of one size: microseconds of single operations, and bytes of the whole state. */
export interface CoreFigures {
  readonly waiting: number;
  readonly submitUs: readonly number[];
  readonly acquireUs: readonly number[];
  readonly completeUs: readonly number[];
  readonly stateBytes: number;
}

const WARM_UP = 2000;

function heapBytes(): number {
  assert(globalThis.gc, 'run with --expose-gc');
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}

function weigh(waiting: number): number {
  const before = heapBytes();
  const pool = fillPool(waiting);
  const after = heapBytes();
  assert(pool.state.jobs.size === waiting, 'the state is alive until it was weighed');
  return after - before;
}

function measure(waiting: number, samples: number): CoreFigures {
  const stateBytes = weigh(waiting);
  const pool = fillPool(waiting);
  const figures = {
    submitUs: [] as number[],
    acquireUs: [] as number[],
    completeUs: [] as number[],
  };
  const time = (into: number[], act: () => void) => {
    const startedAt = performance.now();
    act();
    into.push((performance.now() - startedAt) * 1000);
  };
  for (let n = 0; n < samples + WARM_UP; n += 1) {
    const next = pool.makeOrder();
    let held!: ReturnType<CorePool['acquire']>;
    time(figures.submitUs, () => pool.enqueue(next));
    time(figures.acquireUs, () => (held = pool.acquire(n)));
    const { model } = pool.state.jobs.get(held.granted.jobId)!;
    // The order is read from the store; any of its kind has the same cost here.
    time(figures.completeUs, () => pool.complete(held, next));
    pool.load(held.caller, model);
    pool.forget(held.granted.jobId);
  }
  const kept = (values: number[]) => values.slice(WARM_UP);
  return {
    waiting,
    stateBytes,
    submitUs: kept(figures.submitUs),
    acquireUs: kept(figures.acquireUs),
    completeUs: kept(figures.completeUs),
  };
}

const { sizes, samples } = JSON.parse(process.argv[2] ?? '') as {
  sizes: number[];
  samples: number;
};
process.send?.(sizes.map((waiting) => measure(waiting, samples)));
