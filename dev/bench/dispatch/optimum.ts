/**
 * What no policy can beat. `optimum`: the least mean flow time (arrival to end) of a few jobs on
 * one GPU, known in advance, each model's jobs in the order of arrival: a dynamic programme over
 * the jobs done per model and the model loaded last, keeping the Pareto set of time and flow.
 * `flowBound`: a lower bound for any number of jobs, by serving the shortest remaining one first
 * on one GPU as fast as all together, without any load (Schrage 1968).
 */
import type { TraceJob } from './trace.ts';

/** Time and total flow of a schedule so far. Seconds. */
type Point = readonly [timeS: number, flowS: number];

/** Least mean flow time in s. */
export function optimum(jobs: readonly TraceJob[], loadS: number): number {
  const lines = [...Map.groupBy(jobs, ({ model }) => model).values()];
  let layer = new Map<string, Point[]>([[[...lines.map(() => 0), -1].join(), [[0, 0]]]]);
  for (let done = 0; done < jobs.length; done += 1) {
    const next = new Map<string, Point[]>();
    for (const [key, points] of layer) {
      const state = key.split(',').map(Number);
      for (const [index, line] of lines.entries()) {
        const job = line[state[index]!];
        if (!job) continue;
        const spanS = (state.at(-1) === index ? 0 : loadS) + job.serviceS;
        const after = state.with(index, state[index]! + 1).with(-1, index);
        const reached = points.map(([timeS, flowS]): Point => {
          const endS = Math.max(timeS, job.arrivalS) + spanS;
          return [endS, flowS + endS - job.arrivalS];
        });
        const known = next.get(after.join());
        if (known) known.push(...reached);
        else next.set(after.join(), reached);
      }
    }
    layer = new Map([...next].map(([key, points]) => [key, pareto(points)]));
  }
  const flows = [...layer.values()].flatMap((points) => points.map(([, flowS]) => flowS));
  return Math.min(...flows) / jobs.length;
}

function pareto(points: Point[]): Point[] {
  const kept: Point[] = [];
  for (const point of points.toSorted((one, other) => one[0] - other[0] || one[1] - other[1])) {
    if (kept.length === 0 || point[1] < kept.at(-1)![1]) kept.push(point);
  }
  return kept;
}

/** A mean flow time in s that no schedule of these jobs on these GPUs is below. */
export function flowBound(jobs: readonly TraceJob[], gpus: number): number {
  const left: { readonly arrivalS: number; restS: number }[] = [];
  let nowS = 0;
  let flowS = 0;
  const workUntil = (untilS: number) => {
    while (left.length > 0 && nowS < untilS) {
      const shortest = left.reduce((one, other) => (other.restS < one.restS ? other : one));
      const spanS = Math.min(shortest.restS, untilS - nowS);
      nowS += spanS;
      shortest.restS -= spanS;
      if (shortest.restS > 1e-9) continue;
      left.splice(left.indexOf(shortest), 1);
      flowS += nowS - shortest.arrivalS;
    }
    nowS = Math.max(nowS, Math.min(untilS, Number.MAX_VALUE));
  };
  for (const { arrivalS, serviceS } of jobs) {
    workUntil(arrivalS);
    left.push({ arrivalS, restS: serviceS / gpus });
  }
  workUntil(Infinity);
  const least = jobs.reduce((sum, { serviceS }) => sum + serviceS, 0);
  return Math.max(flowS, least) / jobs.length;
}
