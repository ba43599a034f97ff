import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mean } from './figure.ts';
import { Random } from './random.ts';
import { generateTrace, readTrace } from './trace.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'trace-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function read(text: string) {
  const file = join(folder, 'trace.csv');
  writeFileSync(file, text);
  return readTrace(file);
}

describe('a trace file', () => {
  it('is read by the names of its columns, in any order, with others between', () => {
    const jobs = read('model,gpu,service_s,account,arrival_s\r\nsdxl,1,12.5,u1,0\r\n,1,3,u2,7\r\n');
    expect(jobs).toEqual([
      { arrivalS: 0, account: 'u1', model: 'sdxl', serviceS: 12.5 },
      { arrivalS: 7, account: 'u2', model: 'unnamed', serviceS: 3 },
    ]);
  });

  it.each([
    ['a column is missing', 'arrival_s,account,model\n0,u,m', 'wants the columns'],
    ['it is empty', '', 'wants the columns'],
    ['a time is no number', 'arrival_s,account,model,service_s\n0,u,m,1\nsoon,u,m,1', 'line 3'],
    ['a time is negative', 'arrival_s,account,model,service_s\n-1,u,m,1', 'line 2'],
    ['a service is negative', 'arrival_s,account,model,service_s\n0,u,m,-1', 'line 2'],
    ['an account is missing', 'arrival_s,account,model,service_s\n0,,m,1', 'line 2'],
    ['a line is cut off', 'arrival_s,account,model,service_s\n0,u,m,1\n5', 'line 3'],
  ])('is refused when %s', (_, text, message) => {
    expect(() => read(text)).toThrow(message);
  });
});

describe('a generated trace', () => {
  const trace = generateTrace(12_000, 1);

  it('is the same for the same seed, and another for another', () => {
    expect(generateTrace(500, 1)).toEqual(generateTrace(500, 1));
    expect(generateTrace(500, 2)).not.toEqual(generateTrace(500, 1));
  });

  it('has as many jobs as asked for, in the order of arrival', () => {
    expect(trace).toHaveLength(12_000);
    for (const [index, { arrivalS, serviceS }] of trace.entries()) {
      expect(index === 0 || arrivalS >= trace[index - 1]!.arrivalS).toBe(true);
      expect(serviceS > 0 && serviceS <= 600).toBe(true);
    }
  });

  it.each([1, 2, 3])('has bursts, few busy models and few busy accounts, with seed %i', (seed) => {
    const jobs = seed === 1 ? trace : generateTrace(12_000, seed);
    const gaps = jobs.slice(1).map(({ arrivalS }, index) => arrivalS - jobs[index]!.arrivalS);
    const meanS = mean(gaps);
    const deviationS = Math.sqrt(mean(gaps.map((gap) => (gap - meanS) ** 2)));
    expect(deviationS / meanS).toBeGreaterThan(5);
    expect(
      shareOfBusiest(
        jobs.map(({ model }) => model),
        10,
      ),
    ).toBeGreaterThan(0.7);
    const accounts = new Set(jobs.map(({ account }) => account)).size;
    const tenth = Math.ceil(accounts / 10);
    expect(
      shareOfBusiest(
        jobs.map(({ account }) => account),
        tenth,
      ),
    ).toBeGreaterThan(0.25);
  });
});

/** Share of all that the most frequent `count` values have. */
function shareOfBusiest(values: readonly string[], count: number): number {
  const counts = [...Map.groupBy(values, (value) => value).values()].map(({ length }) => length);
  const busiest = counts.toSorted((one, other) => other - one).slice(0, count);
  return busiest.reduce((sum, of) => sum + of, 0) / values.length;
}

describe('seeded numbers', () => {
  const random = new Random(5);
  const draw = (next: () => number) => Array.from({ length: 20_000 }, next);

  it('are even between 0 and 1', () => {
    const values = draw(() => random.next());
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(mean(values)).toBeCloseTo(0.5, 1);
  });

  it('have the means and deviations they are named for', () => {
    expect(mean(draw(() => random.exponential(30))) / 30).toBeCloseTo(1, 1);
    const normals = draw(() => random.normal());
    expect(mean(normals)).toBeCloseTo(0, 1);
    expect(mean(normals.map((value) => value * value))).toBeCloseTo(1, 1);
  });

  it('pick by weight', () => {
    const items = [{ weight: 1 }, { weight: 3 }];
    const picked = Array.from({ length: 8000 }, () => random.pick(items));
    expect(picked.filter((item) => item === items[1]).length / 8000).toBeCloseTo(0.75, 1);
  });
});
