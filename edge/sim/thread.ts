/**
 * A thread of the crew: runs the seeds it is sent, each twice, in code that has its bug or none.
 * The second run is there to be the same: its stores and pools are not looked into again.
 */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { findBug } from './bugs.ts';
import type { ThreadData } from './crew.ts';
import { installHooks } from './hooks.ts';

enableCompileCache(join(import.meta.dirname, '../../node_modules/.cache/sim'));
const { bug } = workerData as ThreadData;
installHooks(bug === null ? null : findBug(bug));
// A refusal is an error, and its stack costs more than all else of it; a replay has the stacks.
Error.stackTraceLimit = 0;
const { runSeed } = await import('./run.ts');

parentPort!.on('message', (seed: number) => {
  void runTwice(seed).then((report) => parentPort!.postMessage(report));
});

async function runTwice(seed: number) {
  const first = await runSeed({ seed, print: null });
  if (first.violations.length > 0) return first;
  const second = await runSeed({ seed, print: null, isRepeat: true });
  if (first.hash === second.hash) return first;
  const rule = 'a seed gives the same world twice';
  const detail = `${first.hash} after ${first.steps} steps, ${second.hash} after ${second.steps}`;
  return { ...first, violations: [...first.violations, { rule, detail }] };
}
