/**
 * Runs seeds in threads, each with its own copy of the production code, so that bugs can be
 * planted in one and both cores are used. Every seed is run twice; two runs that differ are a
 * violation like any other.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Report } from './run.ts';

export interface Task {
  readonly seeds: readonly number[];
  /** Name of a planted bug, or null. */
  readonly bug: string | null;
  readonly threads: number;
  /** Ends at the first violation. */
  readonly stopsEarly: boolean;
}

/** What a thread is given when it starts. */
export interface ThreadData {
  readonly bug: string | null;
}

const THREAD = join(import.meta.dirname, 'thread.ts');

/** Runs all seeds; `onReport` hears of each as it is done, in any order. */
export async function simulate(task: Task, onReport: (report: Report) => void): Promise<void> {
  const waiting = [...task.seeds];
  let isStopped = false;
  const lane = async () => {
    const workerData: ThreadData = { bug: task.bug };
    const thread = new Worker(THREAD, { workerData });
    const failed = once(thread, 'error').then(([error]) => Promise.reject(error as Error));
    failed.catch(() => {});
    try {
      for (let seed = waiting.shift(); seed !== undefined && !isStopped; seed = waiting.shift()) {
        thread.postMessage(seed);
        const [report] = (await Promise.race([once(thread, 'message'), failed])) as [Report];
        onReport(report);
        if (task.stopsEarly && report.violations.length > 0) isStopped = true;
      }
    } finally {
      await thread.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(task.threads, waiting.length) }, lane));
}
