import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mean } from './figure.ts';
import { flowBound, optimum } from './optimum.ts';
import { Ours } from './ours.ts';
import { replay } from './replay.ts';
import { makeRival } from './rival.ts';
import type { RivalName } from './rival.ts';
import type { TraceJob } from './trace.ts';

const MODELS = ['x', 'y', 'z'];
const RIVALS = ['fifo', 'affinity', 'age_bounded', 'swarmui'] as const;

const step = fc.record({
  gapS: fc.nat(60),
  model: fc.constantFrom(...MODELS),
  serviceS: fc.integer({ min: 1, max: 60 }),
});

function jobsOf(steps: readonly { gapS: number; model: string; serviceS: number }[]): TraceJob[] {
  let arrivalS = 0;
  return steps.map(({ gapS, model, serviceS }, index) => {
    arrivalS += index === 0 ? 0 : gapS;
    return { arrivalS, account: `a${index}`, model, serviceS };
  });
}

/** All orders of these jobs. */
function* orders(jobs: readonly TraceJob[]): Generator<TraceJob[]> {
  if (jobs.length === 0) yield [];
  for (const [index, first] of jobs.entries()) {
    for (const rest of orders(jobs.toSpliced(index, 1))) yield [first, ...rest];
  }
}

/** Whether each model's jobs are in the order of their arrival. */
function isInOrder(order: readonly TraceJob[], jobs: readonly TraceJob[]): boolean {
  return MODELS.every((model) => {
    const own = order.filter((job) => job.model === model);
    return own.every(
      (job, index) => index === 0 || jobs.indexOf(own[index - 1]!) < jobs.indexOf(job),
    );
  });
}

function flowOf(order: readonly TraceJob[], loadS: number): number {
  let [nowS, flowS] = [0, 0];
  let loaded = '';
  for (const { arrivalS, model, serviceS } of order) {
    nowS = Math.max(nowS, arrivalS) + (model === loaded ? 0 : loadS) + serviceS;
    loaded = model;
    flowS += nowS - arrivalS;
  }
  return flowS / order.length;
}

function meanFlow(jobs: readonly TraceJob[], on: { gpus: number; loadS: number }, name: RivalName) {
  const done = replay(jobs, on, makeRival(name)).jobs;
  return mean(done.map(({ waitS, serviceS }) => waitS + serviceS));
}

describe('the optimum', () => {
  it('is the least of all orders that keep those of each model', () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 6 }),
        fc.constantFrom(0, 5, 22, 60),
        (steps, loadS) => {
          const jobs = jobsOf(steps);
          let least = Infinity;
          for (const order of orders(jobs)) {
            if (isInOrder(order, jobs)) least = Math.min(least, flowOf(order, loadS));
          }
          expect(optimum(jobs, loadS)).toBeCloseTo(least, 9);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('waits for a job to come where that is better than to start another', () => {
    const jobs = [
      { arrivalS: 0, account: 'a', model: 'x', serviceS: 100 },
      { arrivalS: 1, account: 'b', model: 'y', serviceS: 1 },
    ];
    // y first: ends at 2 and 102; x first: at 100 and 101.
    expect(optimum(jobs, 0)).toBe((1 + 102) / 2);
  });

  it.each(RIVALS)('is beaten by no replay of %s', (name) => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 9 }), (steps) => {
        const jobs = jobsOf(steps);
        const leastS = optimum(jobs, 22);
        expect(meanFlow(jobs, { gpus: 1, loadS: 22 }, name)).toBeGreaterThanOrEqual(leastS - 1e-9);
      }),
      { numRuns: 40 },
    );
  });

  it('is beaten by no replay of our own policy', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 9 }), (steps) => {
        const jobs = jobsOf(steps);
        const { jobs: done } = replay(jobs, { gpus: 1, loadS: 22 }, new Ours(1, MODELS));
        const flowS = mean(done.map(({ waitS, serviceS }) => waitS + serviceS));
        expect(flowS).toBeGreaterThanOrEqual(optimum(jobs, 22) - 1e-9);
      }),
      { numRuns: 30 },
    );
  });
});

describe('the bound of flow', () => {
  it.each([
    ['one job', [[0, 10]], 1, 10],
    ['one job, which no number of GPUs makes shorter', [[0, 10]], 4, 10],
    [
      'the shorter of two first',
      [
        [0, 10],
        [0, 2],
      ],
      1,
      (2 + 12) / 2,
    ],
    [
      'a shorter one that comes in between',
      [
        [0, 10],
        [1, 2],
      ],
      1,
      (12 + 2) / 2,
    ],
    [
      'a longer one that comes in between waits',
      [
        [0, 10],
        [1, 20],
      ],
      1,
      (10 + 29) / 2,
    ],
    [
      'those that never meet',
      [
        [0, 10],
        [50, 20],
      ],
      1,
      15,
    ],
  ] as const)('of %s is known', (_, spans, gpus, expected) => {
    const jobs = spans.map(([arrivalS, serviceS]) => {
      return { arrivalS, account: 'a', model: 'x', serviceS };
    });
    expect(flowBound(jobs, gpus)).toBeCloseTo(expected, 9);
  });

  it('is not above the flow of any replay, on any number of GPUs', () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom(0, 22),
        fc.constantFrom(...RIVALS),
        (steps, gpus, loadS, name) => {
          const jobs = jobsOf(steps);
          const flowS = meanFlow(jobs, { gpus, loadS }, name);
          expect(flowBound(jobs, gpus)).toBeLessThanOrEqual(flowS + 1e-6);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('is reached by the order of arrival where all are alike and nothing is loaded', () => {
    const jobs = Array.from({ length: 30 }, (_, index) => {
      return { arrivalS: index * 3, account: 'a', model: 'x', serviceS: 10 };
    });
    expect(meanFlow(jobs, { gpus: 1, loadS: 0 }, 'fifo')).toBeCloseTo(flowBound(jobs, 1), 9);
  });
});
