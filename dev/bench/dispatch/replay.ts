/**
 * Replays a trace against a policy in virtual time: jobs arrive, idle GPUs ask, a GPU that has
 * another model loaded loads first. The clock and the GPUs are here, every choice is the
 * policy's. A job's wait ends when its engine starts on it, after the load.
 */
import { assert } from '#schema/assert.ts';
import type { TraceJob } from './trace.ts';

/** A job of a replay. Seconds of virtual time. */
export interface Job extends TraceJob {
  readonly number: number;
  waitS: number;
}

/** A GPU of a replay; it holds one model. */
export interface Gpu {
  readonly number: number;
  model: string | null;
  /** What it runs, or null. */
  job: Job | null;
  /** When its run began (with the load), and when it ends. */
  sinceS: number;
  untilS: number;
  /** How long it loaded before that. */
  loadS: number;
}

/** What is to be compared. */
export interface Policy {
  /** A job has arrived. */
  submit(job: Job, nowS: number): void;
  /** The next job for one of these idle GPUs, or null to leave them idle. */
  start(idle: readonly Gpu[], nowS: number): { readonly gpu: Gpu; readonly job: Job } | null;
  /** A job has ended. */
  end(gpu: Gpu, run: { readonly job: Job; readonly loadS: number }, nowS: number): void;
  /** The job that has the first claim now, or null. */
  head(): Job | null;
  /** When an idle GPU is to be looked at again though nothing happens; Infinity for never. */
  lookAgainAtS?(nowS: number): number;
}

/** One start, as a watcher sees it, before it happens. */
export interface Start {
  readonly nowS: number;
  readonly gpu: Gpu;
  readonly job: Job;
  readonly head: Job | null;
  readonly loadS: number;
}

export interface Replayed {
  readonly jobs: readonly Job[];
  readonly loads: number;
  readonly loadS: number;
  readonly busyS: number;
}

/** Runs all jobs to their end. */
export function replay(
  trace: readonly TraceJob[],
  on: { readonly gpus: number; readonly loadS: number; readonly watch?: (start: Start) => void },
  policy: Policy,
): Replayed {
  const jobs = trace.map((job, number) => ({ ...job, number, waitS: 0 }));
  const gpus = Array.from({ length: on.gpus }, (_, number): Gpu => {
    return { number, model: null, job: null, sinceS: 0, untilS: 0, loadS: 0 };
  });
  const total = { loads: 0, loadS: 0, busyS: 0 };
  let arrived = 0;
  let ended = 0;
  let nowS = 0;
  while (ended < jobs.length) {
    const lookS = policy.lookAgainAtS?.(nowS) ?? Infinity;
    const nextS = Math.min(jobs[arrived]?.arrivalS ?? Infinity, lookS, nextEnd(gpus));
    assert(nextS < Infinity, 'a policy leaves no job waiting for ever');
    nowS = Math.max(nowS, nextS);
    for (const gpu of gpus) {
      if (!gpu.job || gpu.untilS > nowS) continue;
      const { job } = gpu;
      gpu.job = null;
      ended += 1;
      policy.end(gpu, { job, loadS: gpu.loadS }, nowS);
    }
    while (arrived < jobs.length && jobs[arrived]!.arrivalS <= nowS) {
      policy.submit(jobs[arrived]!, nowS);
      arrived += 1;
    }
    for (;;) {
      const idle = gpus.filter(({ job }) => job === null);
      const head = on.watch ? policy.head() : null;
      const chosen = idle.length > 0 ? policy.start(idle, nowS) : null;
      if (!chosen) break;
      const { gpu, job } = chosen;
      const loadS = gpu.model === job.model ? 0 : on.loadS;
      on.watch?.({ nowS, gpu, job, head, loadS });
      Object.assign(gpu, { job, model: job.model, sinceS: nowS, loadS });
      gpu.untilS = nowS + loadS + job.serviceS;
      job.waitS = nowS + loadS - job.arrivalS;
      total.loads += loadS > 0 ? 1 : 0;
      total.loadS += loadS;
      total.busyS += loadS + job.serviceS;
    }
  }
  return { jobs, ...total };
}

function nextEnd(gpus: readonly Gpu[]): number {
  return Math.min(...gpus.map(({ job, untilS }) => (job ? untilS : Infinity)));
}
