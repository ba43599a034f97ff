import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BoundWatch, figuresOf, jain, mean, quantile } from './figure.ts';
import { Ours } from './ours.ts';
import { replay } from './replay.ts';
import type { Gpu, Job, Policy, Start } from './replay.ts';
import { makeRival } from './rival.ts';
import type { TraceJob } from './trace.ts';

const MODELS = ['x', 'y', 'z'];
const LOAD_S = 22;

function job(arrivalS: number, model: string, serviceS: number, account = 'a'): TraceJob {
  return { arrivalS, account, model, serviceS };
}

function waits(jobs: readonly TraceJob[], gpus: number, policy: Policy): number[] {
  return replay(jobs, { gpus, loadS: LOAD_S }, policy).jobs.map(({ waitS }) => waitS);
}

const policies: [string, (gpus: number) => Policy][] = [
  ['fifo', () => makeRival('fifo')],
  ['affinity', () => makeRival('affinity')],
  ['age_bounded', () => makeRival('age_bounded')],
  ['swarmui', () => makeRival('swarmui')],
  ['tessera', (gpus) => new Ours(gpus, MODELS)],
];

describe('a replay', () => {
  it('counts a wait until the engine starts, loads only what is not loaded, and the busy time', () => {
    const jobs = [job(0, 'x', 10), job(1, 'x', 10), job(2, 'y', 5), job(100, 'y', 5)];
    const done = replay(jobs, { gpus: 1, loadS: LOAD_S }, makeRival('fifo'));
    // x loads until 22, runs to 32 and 42; y loads until 64, runs to 69, and at 100 at once.
    expect(done.jobs.map(({ waitS }) => waitS)).toEqual([22, 31, 62, 0]);
    expect(done).toMatchObject({ loads: 2, loadS: 2 * LOAD_S, busyS: 2 * LOAD_S + 30 });
  });

  it('starts on each idle GPU, each with its own model', () => {
    const jobs = [job(0, 'x', 10), job(0, 'y', 10), job(50, 'y', 10), job(50, 'x', 10)];
    expect(waits(jobs, 2, makeRival('fifo'))).toEqual([22, 22, 0, 0]);
  });

  const step = fc.record({
    gapS: fc.oneof(fc.constant(0), fc.nat(40)),
    model: fc.constantFrom(...MODELS),
    serviceS: fc.integer({ min: 1, max: 50 }),
  });

  it.each(policies)('of %s runs each job once, one at a time on a GPU, and adds up', (_, make) => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 3 }),
        (steps, gpus) => {
          let arrivalS = 0;
          const jobs = steps.map(({ gapS, model, serviceS }, index) => {
            return job((arrivalS += gapS), model, serviceS, `a${index % 5}`);
          });
          const runs: { gpu: number; fromS: number; toS: number; loadS: number }[] = [];
          const started = new Set<Job>();
          const watch = ({ nowS, gpu, job: of, loadS }: Start) => {
            expect(started.has(of)).toBe(false);
            expect(nowS).toBeGreaterThanOrEqual(of.arrivalS);
            started.add(of);
            runs.push({ gpu: gpu.number, fromS: nowS, toS: nowS + loadS + of.serviceS, loadS });
          };
          const done = replay(jobs, { gpus, loadS: LOAD_S, watch }, make(gpus));
          expect(started.size).toBe(jobs.length);
          for (let gpu = 0; gpu < gpus; gpu += 1) {
            const own = runs.filter((run) => run.gpu === gpu);
            for (const [index, run] of own.entries()) {
              expect(index === 0 || run.fromS >= own[index - 1]!.toS).toBe(true);
            }
          }
          const busyS = runs.reduce((sum, { fromS, toS }) => sum + toS - fromS, 0);
          expect(done.busyS).toBeCloseTo(busyS, 6);
          expect(done.loads).toBe(runs.filter(({ loadS }) => loadS > 0).length);
          expect(done.loadS).toBeCloseTo(done.loads * LOAD_S, 6);
          // A GPU is left idle with work for it only by our own policy, and not for long.
          expect(Math.max(...done.jobs.map(({ waitS }) => waitS))).toBeLessThan(
            jobs.reduce((sum, { serviceS }) => sum + serviceS + LOAD_S, 0) + 3 * LOAD_S,
          );
        },
      ),
      { numRuns: 25 },
    );
  });

  it('stops at a policy that leaves a job waiting for ever', () => {
    const idle: Policy = { submit() {}, start: () => null, end() {}, head: () => null };
    expect(() => replay([job(0, 'x', 1)], { gpus: 1, loadS: 1 }, idle)).toThrow('for ever');
  });
});

describe('the rivals', () => {
  // x is loaded and runs until 42; then y is the older one, and more of x wait.
  const jobs = [job(0, 'x', 20), job(1, 'y', 10), job(2, 'x', 10), job(3, 'x', 10)];

  it.each([
    ['fifo', [22, 63, 94, 103]],
    ['affinity', [22, 83, 40, 49]],
    ['age_bounded', [22, 83, 40, 49]],
    ['swarmui', [22, 83, 40, 49]],
  ] as const)('%s starts in its own order', (name, expected) => {
    expect(waits(jobs, 1, makeRival(name))).toEqual(expected);
  });

  it('bounded by age goes by arrival once the oldest has waited for 300 s', () => {
    const hot = Array.from({ length: 50 }, (_, index) => job(2 + index, 'x', 10));
    const [, coldS] = waits(
      [job(0, 'x', 20), job(1, 'y', 10), ...hot],
      1,
      makeRival('age_bounded'),
    );
    expect(coldS).toBeGreaterThan(300);
    expect(coldS).toBeLessThan(300 + 10 + LOAD_S + 1);
  });

  it('by pressure loads the model of many waiting jobs before that of one older', () => {
    const many = Array.from({ length: 8 }, () => job(2, 'z', 10));
    const [, oneS, firstS] = waits(
      [job(0, 'x', 20), job(1, 'y', 10), ...many],
      1,
      makeRival('swarmui'),
    );
    expect(firstS).toBeLessThan(oneS!);
  });
});

describe('our own policy in a replay', () => {
  it('leaves nothing behind in the pool, and learns the times of the replay', () => {
    const ours = new Ours(2, MODELS);
    const jobs = Array.from({ length: 200 }, (_, index) => {
      return job(index * 9, MODELS[index % 3]!, 12, `a${index % 7}`);
    });
    replay(jobs, { gpus: 2, loadS: LOAD_S }, ours);
    expect(ours.state.jobs.size).toBe(0);
    expect(ours.state.accounts.size).toBe(0);
    expect(ours.forecasts.told).toBe(200);
    expect(ours.state.figures.get('x')!.msPerMillitoken).toBeCloseTo(12, 1);
    expect(ours.state.figures.get('x')!.loadMs).toBeCloseTo(LOAD_S * 1000, -3);
  });
});

describe("Jain's index", () => {
  it.each([
    [[1, 1, 1, 1], 1],
    [[5, 0, 0, 0], 0.25],
    [[1, 3], 0.8],
    [[0, 0], 1],
  ])('of %j is %f', (values, expected) => {
    expect(jain(values)).toBeCloseTo(expected, 12);
  });

  it('is between 1/n and 1, and the same for any unit', () => {
    const values = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(values, (of) => {
        expect(jain(of)).toBeGreaterThanOrEqual(1 / of.length - 1e-9);
        expect(jain(of)).toBeLessThanOrEqual(1 + 1e-9);
        expect(jain(of.map((value) => value * 7))).toBeCloseTo(jain(of), 9);
      }),
    );
  });
});

describe('the figures', () => {
  it.each([
    [0, 1],
    [0.5, 6],
    [0.95, 10],
    [1, 10],
  ])('have the quantile %f of ten values at %i', (share, expected) => {
    expect(quantile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], share)).toBe(expected);
  });

  it('are those of the jobs', () => {
    const jobs = [0, 10, 20, 70].map((waitS, number) => {
      return { ...job(0, 'x', 10, `a${number}`), number, waitS };
    });
    const figures = figuresOf({ jobs, loads: 2, loadS: 40, busyS: 80 }, 3);
    expect(figures).toMatchObject({
      mean_wait_s: 25,
      max_wait_s: 70,
      p99_slowdown: 8,
      load_share: 0.5,
      switches_per_job: 0.5,
      violations: 3,
    });
    expect(figures.jain).toBeCloseTo(jain([1, 0.5, 1 / 3, 1 / 8]), 12);
    expect(mean([])).toBe(0);
  });
});

describe('the watch over bounds', () => {
  const gpu: Gpu = { number: 0, model: 'x', job: null, sinceS: 0, untilS: 0, loadS: 0 };
  const numbered = (number: number): Job => ({ ...job(0, 'x', 100), number, waitS: 0 });

  /** Starts as many others before a head. */
  function passed(count: number, more: (watch: BoundWatch, head: Job) => void = () => {}) {
    const watch = new BoundWatch(LOAD_S, 100);
    const head = numbered(0);
    for (let number = 1; number <= count; number += 1) {
      watch.see({ nowS: 0, gpu, job: numbered(number), head, loadS: 0 });
      more(watch, head);
    }
    return watch.violations;
  }

  it('counts a head that is passed over for too long, once', () => {
    // 26 loads of 22 s, and three times a load and the longest service: 938 s.
    expect(passed(9)).toBe(0);
    expect(passed(10)).toBe(1);
    expect(passed(20)).toBe(1);
  });

  it('begins anew when the head itself starts', () => {
    let count = 0;
    const broken = passed(20, (watch, head) => {
      count += 1;
      if (count === 9) watch.see({ nowS: 0, gpu, job: head, head, loadS: 0 });
    });
    expect(broken).toBe(1);
    const often = passed(20, (watch, head) =>
      watch.see({ nowS: 0, gpu, job: head, head, loadS: 0 }),
    );
    expect(often).toBe(0);
  });
});
