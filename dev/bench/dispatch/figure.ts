/** The figures of one replay: waits, loads, fairness between accounts, broken bounds. */
import { SKIPS_MAX } from '#schema/limits.ts';
import { bypassMsMax } from '../../../edge/core/dispatch.ts';
import type { Job, Replayed, Start } from './replay.ts';

export interface Figures {
  readonly mean_wait_s: number;
  readonly p50_wait_s: number;
  readonly p95_wait_s: number;
  readonly p99_wait_s: number;
  readonly max_wait_s: number;
  /** 99th percentile of (wait + service) / service. */
  readonly p99_slowdown: number;
  /** Share of the GPUs' busy time spent loading. */
  readonly load_share: number;
  readonly switches_per_job: number;
  /** Jain's index over the accounts' shares of their time in the system that was service. */
  readonly jain: number;
  readonly violations: number;
}

export function figuresOf({ jobs, loads, loadS, busyS }: Replayed, violations: number): Figures {
  const waits = jobs.map(({ waitS }) => waitS).toSorted((one, other) => one - other);
  const slow = jobs
    .map(({ waitS, serviceS }) => (waitS + serviceS) / Math.max(1, serviceS))
    .toSorted((one, other) => one - other);
  return {
    mean_wait_s: mean(waits),
    p50_wait_s: quantile(waits, 0.5),
    p95_wait_s: quantile(waits, 0.95),
    p99_wait_s: quantile(waits, 0.99),
    max_wait_s: waits.at(-1) ?? 0,
    p99_slowdown: quantile(slow, 0.99),
    load_share: busyS === 0 ? 0 : loadS / busyS,
    switches_per_job: loads / jobs.length,
    jain: jain(shares(jobs)),
    violations,
  };
}

function shares(jobs: readonly Job[]): number[] {
  const byAccount = Map.groupBy(jobs, ({ account }) => account);
  return [...byAccount.values()].map((own) => {
    const service = own.reduce((sum, { serviceS }) => sum + serviceS, 0);
    const flow = own.reduce((sum, { serviceS, waitS }) => sum + serviceS + waitS, 0);
    return flow === 0 ? 1 : service / flow;
  });
}

/** 1 when all are equal, 1/n when one has everything (Jain, Chiu and Hawe 1984). */
export function jain(values: readonly number[]): number {
  const sum = values.reduce((all, value) => all + value, 0);
  const squares = values.reduce((all, value) => all + value * value, 0);
  return squares === 0 ? 1 : (sum * sum) / (values.length * squares);
}

export function mean(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0) / Math.max(1, values.length);
}

/** Of values in ascending order. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/**
 * Counts the starts by which a GPU has spent more time on others than it may before the job that
 * has the first claim: its ledger, one service and one load over it, and the forced skips.
 */
export class BoundWatch {
  violations = 0;
  readonly #loadS: number;
  readonly #longestS: number;
  readonly #spent = new Map<number, { readonly head: Job; spentS: number; isCounted: boolean }>();

  constructor(loadS: number, longestS: number) {
    this.#loadS = loadS;
    this.#longestS = longestS;
  }

  see({ nowS, gpu, job, head, loadS }: Start): void {
    if (!head || head === job) {
      this.#spent.delete(gpu.number);
      return;
    }
    let spent = this.#spent.get(gpu.number);
    if (spent?.head !== head) {
      spent = { head, spentS: 0, isCounted: false };
      this.#spent.set(gpu.number, spent);
    }
    spent.spentS += loadS + job.serviceS;
    if (spent.isCounted || spent.spentS <= this.#boundS(nowS - head.arrivalS)) return;
    spent.isCounted = true;
    this.violations += 1;
  }

  #boundS(ageS: number): number {
    const bypassS = bypassMsMax(this.#loadS * 1000, ageS * 1000) / 1000;
    return bypassS + (SKIPS_MAX + 1) * (this.#loadS + this.#longestS);
  }
}
