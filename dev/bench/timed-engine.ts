/**
 * In the painter's place in a real agent process: an engine that takes the time of a real one and
 * leaves a result of a real one's size, without the work, so that what is measured is how long it
 * stands still between two jobs. Each run's start and end go to the file of BENCH_RUNS.
 */
import { randomBytes } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobSpec } from '#schema/job.ts';
import type { Engine, RunContext, RunResult } from '../../agent/engines/engine.ts';

const MODEL = 'painter';
const RESULT_BYTES = 5 * 1024 * 1024;
const THUMBNAIL_BYTES = 8 * 1024;
const SERVICE_MS_MIN = 2000;
const SERVICE_MS_SPAN = 3000;
const STEPS = 20;

/** One run as the file has it, in milliseconds since the epoch. */
export interface TimedRun {
  readonly seed: number;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** How long a job with this seed runs: 2 to 5 s, spread evenly. */
export function serviceMs(seed: number): number {
  return SERVICE_MS_MIN + ((seed * 797) % SERVICE_MS_SPAN);
}

/** Has the name of what it replaces: see engine-hook.mjs. */
export function createPainter(): Promise<Engine> {
  const file = process.env['BENCH_RUNS'];
  if (file === undefined) throw new Error('BENCH_RUNS names the file for the runs');
  return Promise.resolve({
    name: MODEL,
    discover: () => Promise.resolve({ version: 'timed', models: [MODEL], batchMax: 1 }),
    resident: () => [MODEL],
    run: (spec, context) => runTimed(spec, context, file),
    free: () => Promise.resolve(),
    close: () => Promise.resolve(),
  });
}

async function runTimed(spec: JobSpec, context: RunContext, file: string): Promise<RunResult> {
  const startedAt = performance.timeOrigin + performance.now();
  const seed = spec.type === 'image' ? spec.seed : 0;
  const { signal, directory, onProgress } = context;
  const endsAt = performance.now() + serviceMs(seed);
  const path = join(directory, 'result.png');
  const small = join(directory, 'thumbnail.webp');
  await writeFile(path, randomBytes(RESULT_BYTES));
  await writeFile(small, randomBytes(THUMBNAIL_BYTES));
  for (let step = 0; step < STEPS; step += 1) {
    onProgress({ fraction: step / STEPS, stage: 'running', step, steps: STEPS });
    const nextAt = endsAt - (serviceMs(seed) * (STEPS - 1 - step)) / STEPS;
    await sleep(Math.max(0, nextAt - performance.now()), undefined, { signal });
  }
  const endedAt = performance.timeOrigin + performance.now();
  appendFileSync(file, `${JSON.stringify({ seed, startedAt, endedAt } satisfies TimedRun)}\n`);
  const size = { width: 1024, height: 1024, durationS: null };
  const thumbnail = { path: small, contentType: 'image/webp' } as const;
  const output = { path, contentType: 'image/png', ...size, thumbnail } as const;
  return { outputs: [output], usage: { steps: spec.type === 'image' ? spec.steps : 0 }, loadMs: 0 };
}
