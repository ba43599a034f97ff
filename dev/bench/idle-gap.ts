/**
 * How long a busy GPU stands still for the control plane: the real agent process, 100 ms of round
 * trip and a home's uplink away from the edge, with results of 5 MB and a queue that is never
 * empty. The engine itself notes when each run begins and ends; a gap is all between two runs.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { call } from '../api.ts';
import { REQUEST } from './contender.ts';
import { startDelayProxy, type DelayProxy, type Distance } from './delay-proxy.ts';
import type { Report } from './report.ts';
import { percentile, spread } from './sample.ts';
import { Stand } from './stand.ts';
import { tell } from './table.ts';
import type { TimedRun } from './timed-engine.ts';

export interface IdleGapOptions {
  /** Parts into which the run is cut, to show their spread. */
  readonly runs: number;
}

const DISTANCE: Distance = { roundTripMs: 100, uplinkBytesPerS: 5_000_000 };
const JOBS_A_RUN = 8;
const PATIENCE_MS = 10_000;
const LOOK_MS = 250;
/** The first gaps are those of an agent that has learned nothing yet. */
const WARM_UP = 2;
const SHARE_MAX = 0.01;

/** The table's unit is the share of time without a run, in per cent. */
export async function measureIdleGap({ runs }: IdleGapOptions): Promise<Report> {
  let proxy: DelayProxy | undefined;
  const hook = join(import.meta.dirname, 'engine-hook.mjs');
  const stand = await Stand.start({
    agent: (folder) => ({
      TESSERA_ENGINES: 'painter',
      BENCH_RUNS: join(folder, 'runs.jsonl'),
      NODE_OPTIONS: `--import=${hook}`,
    }),
    proxy: async (port) => {
      proxy = await startDelayProxy(port, DISTANCE);
      return `http://127.0.0.1:${proxy.port}`;
    },
  });
  try {
    const jobs = WARM_UP + runs * JOBS_A_RUN + 1;
    const found = await runAll(stand, jobs);
    return describe(found, runs);
  } finally {
    await stand.stop();
    await proxy?.close();
  }
}

async function runAll(stand: Stand, jobs: number): Promise<TimedRun[]> {
  const bearer = await stand.createAccount('admin');
  for (let seed = 1; seed <= jobs; seed += 1) {
    const body = { ...REQUEST, seed };
    await call(`${stand.url}/v1/jobs`, { method: 'POST', bearer, body });
  }
  const file = join(stand.folder, 'runs.jsonl');
  let lastAt = performance.now();
  for (let count = 0; ; await sleep(LOOK_MS)) {
    const found = readRuns(file);
    if (found.length > count) lastAt = performance.now();
    count = found.length;
    if (count >= jobs) return found;
    if (performance.now() - lastAt > PATIENCE_MS) throw new Error(`only ${count} of ${jobs} ran`);
  }
}

function readRuns(file: string): TimedRun[] {
  try {
    const lines = readFileSync(file, 'utf8').split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as TimedRun);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** A stretch of runs, and what lay between them. */
export interface Stretch {
  /** Of the time from the first start to the last start, the part in which nothing ran. */
  readonly share: number;
  readonly gapsMs: readonly number[];
}

/** The gaps after each of these runs but the last. */
export function gapsIn(runs: readonly TimedRun[]): Stretch {
  const gapsMs = runs.slice(1).map((run, index) => run.startedAt - runs[index]!.endedAt);
  const wholeMs = runs.at(-1)!.startedAt - runs[0]!.startedAt;
  return { share: gapsMs.reduce((sum, gap) => sum + gap, 0) / wholeMs, gapsMs };
}

function describe(found: readonly TimedRun[], runs: number): Report {
  const stretches = Array.from({ length: runs }, (_, run) => {
    const from = WARM_UP + run * JOBS_A_RUN;
    return gapsIn(found.slice(from, from + JOBS_A_RUN + 1));
  });
  const shares = spread(stretches.map(({ share }) => share));
  const gapsMs = stretches.flatMap(({ gapsMs: gaps }) => gaps);
  const all = gapsIn(found.slice(WARM_UP));
  return {
    name: 'idle-gap',
    about: 'share of time in which a busy GPU waits for the control plane, per cent',
    head: ['distance', 'jobs', 'share', 'min', 'max', 'gap p50, ms', 'gap max, ms'],
    texts: 1,
    rows: [
      [
        `${DISTANCE.roundTripMs} ms round trip, ${DISTANCE.uplinkBytesPerS / 1e6} MB/s up`,
        String(gapsMs.length),
        tell(all.share * 100),
        tell(shares.min * 100),
        tell(shares.max * 100),
        tell(percentile(gapsMs, 0.5)),
        tell(Math.max(...gapsMs)),
      ],
    ],
    remarks: [
      'the real agent process; its engine takes 2 to 5 s a job and leaves 5 MB',
      `min and max are those of ${runs} stretches of ${JOBS_A_RUN} jobs`,
      `the first ${WARM_UP} gaps, before the agent knows its round trip and run times: ${gapsIn(
        found.slice(0, WARM_UP + 1),
      )
        .gapsMs.map((ms) => tell(ms))
        .join(' and ')} ms`,
    ],
    targets: [
      {
        claim: `a busy GPU waits at most ${SHARE_MAX * 100} % of the time`,
        measured: `${tell(all.share * 100)} %`,
        met: all.share <= SHARE_MAX,
      },
    ],
    figures: { distance: DISTANCE, share: all.share, stretches: shares, gaps_ms: gapsMs },
  };
}
