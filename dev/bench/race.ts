/**
 * One run of a contender: submit for a while, no further ahead of the ends than a window, then
 * wait until all has ended. The rate counts from the first submit to the last acknowledged end,
 * so neither side of the queue can be left out.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contender } from './contender.ts';

/** A job that has not ended by then is lost. */
const PATIENCE_MS = 60_000;

export interface RaceOptions {
  /** How long jobs are submitted. */
  readonly seconds: number;
  /** Jobs of one submit. */
  readonly batch: number;
  /** Submits under way at once. */
  readonly submitters: number;
  /** Jobs submitted and not yet ended, at most. */
  readonly window: number;
}

/** Jobs per second from submit to acknowledged end. */
export async function race(contender: Contender, options: RaceOptions): Promise<number> {
  const { seconds, batch, submitters, window } = options;
  let submitted = 0;
  let ended = 0;
  let waiting: (() => void)[] = [];
  contender.onEnd(() => {
    ended += 1;
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
  });
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  const submitter = async () => {
    while (performance.now() < until) {
      if (submitted - ended + batch > window) {
        await new Promise<void>((resolve) => waiting.push(resolve));
        continue;
      }
      submitted += batch;
      await contender.submit(batch);
    }
  };
  const late = new AbortController();
  const all = async () => {
    await Promise.all(Array.from({ length: submitters }, submitter));
    while (ended < submitted) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  const patience = sleep(seconds * 1000 + PATIENCE_MS, undefined, { signal: late.signal }).then(
    () => {
      const { system, mode } = contender;
      throw new Error(`${system} (${mode}): ${submitted - ended} of ${submitted} never ended`);
    },
    () => {},
  );
  await Promise.race([all(), patience]).finally(() => late.abort());
  return (submitted * 1000) / (performance.now() - startedAt);
}
