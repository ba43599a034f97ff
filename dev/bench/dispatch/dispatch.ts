/**
 * Replays a trace under our policy and its rivals, for several numbers of GPUs and speeds of
 * arrival; compares small windows with the exact optimum; and lets an adversary try to starve a
 * job. Virtual time: nothing depends on the machine.
 */
import { writeFileSync } from 'node:fs';
import type { Report, Target } from '../report.ts';
import { tell } from '../table.ts';
import { BoundWatch, figuresOf, mean, quantile } from './figure.ts';
import type { Figures } from './figure.ts';
import { flowBound, optimum } from './optimum.ts';
import { Ours } from './ours.ts';
import { drawRuns } from './picture.ts';
import { replay } from './replay.ts';
import type { Policy } from './replay.ts';
import { makeRival } from './rival.ts';
import { generateTrace, readTrace } from './trace.ts';
import type { TraceJob } from './trace.ts';

const POLICIES = ['fifo', 'affinity', 'age_bounded', 'swarmui', 'tessera'] as const;
type PolicyName = (typeof POLICIES)[number];

interface Run extends Figures {
  readonly gpus: number;
  readonly speed: number;
  readonly policy: PolicyName;
  /** Share of starts inside the range told when the job came; null for those that tell none. */
  readonly inside_range: number | null;
}

/** Median time of loading a base model on the traced cluster. */
const LOAD_S = 22;
const SETTINGS = [
  [1, 1],
  [2, 1],
  [4, 1],
  [4, 2],
  [8, 4],
  [8, 8],
] as const;
const WINDOW = 12;
const WINDOWS = 400;
const GENERATED = 12_000;
const SEED = 1;

export interface DispatchOptions {
  /** A CSV file; without one, a trace is generated. */
  readonly trace?: string | undefined;
  /** Where to draw the picture. */
  readonly svg?: string | undefined;
}

export function measureDispatch(options: DispatchOptions): Report {
  const trace = options.trace ? readTrace(options.trace) : generateTrace(GENERATED, SEED);
  const models = [...new Set(trace.map(({ model }) => model))];
  const make = (policy: PolicyName, gpus: number): Policy =>
    policy === 'tessera' ? new Ours(gpus, models) : makeRival(policy);
  const runs = SETTINGS.flatMap(([gpus, speed]) => {
    const jobs = trace.map((job) => ({ ...job, arrivalS: job.arrivalS / speed }));
    return POLICIES.map((policy) => runOf(jobs, { gpus, speed, policy }, make(policy, gpus)));
  });
  const windows = measureWindows(trace, models);
  const adversary = POLICIES.map((policy) => ({
    policy,
    cold_max_wait_s: starve(policy === 'tessera' ? new Ours(1, ['hot', 'cold']) : make(policy, 1)),
  }));
  const bounds = SETTINGS.map(([gpus, speed]) => {
    const jobs = trace.map((job) => ({ ...job, arrivalS: job.arrivalS / speed }));
    return { gpus, speed, mean_flow_s: flowBound(jobs, gpus) };
  });
  if (options.svg) writeFileSync(options.svg, drawRuns(runs));
  return {
    name: 'dispatch',
    about: `${trace.length} jobs, loads of ${LOAD_S} s; waits in s until the engine starts`,
    head: [
      'GPUs',
      'speed',
      'policy',
      'mean',
      'p50',
      'p95',
      'p99',
      'max',
      'loading',
      'jain',
      'inside',
      'viol.',
    ],
    texts: 3,
    rows: runs.map(rowOf),
    remarks: [
      ...(options.trace ? [] : ['a generated trace; the targets are meant for a recorded one']),
      ...windows.map(
        ({ policy, ratio_mean, ratio_p95, count }) =>
          `${policy}: ${count} windows of ${WINDOW} jobs take ${ratio_mean.toFixed(3)} of the` +
          ` optimum's mean flow time, p95 ${ratio_p95.toFixed(3)}`,
      ),
      ...adversary.map(
        ({ policy, cold_max_wait_s }) =>
          `${policy}: a hot model at 105% load keeps a cold job waiting ${tell(cold_max_wait_s)} s`,
      ),
    ],
    targets: targetsOf(runs, windows, adversary),
    figures: { runs, windows, adversary, bounds },
  };
}

function runOf(
  jobs: readonly TraceJob[],
  of: { readonly gpus: number; readonly speed: number; readonly policy: PolicyName },
  policy: Policy,
): Run {
  const longestS = Math.max(...jobs.map(({ serviceS }) => serviceS));
  const bounds = new BoundWatch(LOAD_S, longestS);
  const watch = bounds.see.bind(bounds);
  const replayed = replay(jobs, { gpus: of.gpus, loadS: LOAD_S, watch }, policy);
  const inside_range =
    policy instanceof Ours ? policy.forecasts.inside / policy.forecasts.told : null;
  return { ...of, ...figuresOf(replayed, bounds.violations), inside_range };
}

function rowOf(run: Run): string[] {
  return [
    String(run.gpus),
    `x${run.speed}`,
    run.policy,
    ...[run.mean_wait_s, run.p50_wait_s, run.p95_wait_s, run.p99_wait_s, run.max_wait_s].map(
      (seconds) => seconds.toFixed(0),
    ),
    `${(run.load_share * 100).toFixed(0)}%`,
    run.jain.toFixed(3),
    run.inside_range === null ? '' : `${(run.inside_range * 100).toFixed(0)}%`,
    String(run.violations),
  ];
}

interface WindowRatio {
  readonly policy: PolicyName;
  readonly ratio_mean: number;
  readonly ratio_p95: number;
  readonly count: number;
}

/** Windows of consecutive jobs on one GPU; ours knows what the jobs before each have taught. */
function measureWindows(trace: readonly TraceJob[], models: readonly string[]): WindowRatio[] {
  const step = Math.max(1, Math.floor(trace.length / WINDOWS));
  const ratios = new Map(POLICIES.map((policy) => [policy, [] as number[]]));
  for (let from = 0; from + WINDOW <= trace.length; from += step) {
    const jobs = trace.slice(from, from + WINDOW).map((job) => {
      return { ...job, arrivalS: job.arrivalS - trace[from]!.arrivalS };
    });
    const leastS = optimum(jobs, LOAD_S);
    for (const policy of POLICIES) {
      const made = policy === 'tessera' ? taught(trace, { from, jobs, models }) : makeRival(policy);
      const { jobs: done } = replay(jobs, { gpus: 1, loadS: LOAD_S }, made);
      const flowS = mean(done.map(({ waitS, serviceS }) => waitS + serviceS));
      ratios.get(policy)!.push(flowS / leastS);
    }
  }
  return [...ratios].map(([policy, of]) => {
    const sorted = of.toSorted((one, other) => one - other);
    const ratio_p95 = quantile(sorted, 0.95);
    return { policy, ratio_mean: mean(of), ratio_p95, count: of.length };
  });
}

/** The last jobs of each model are enough: older ones hardly weigh. */
const TAUGHT_MAX = 20;

function taught(
  trace: readonly TraceJob[],
  to: {
    readonly from: number;
    readonly jobs: readonly TraceJob[];
    readonly models: readonly string[];
  },
): Ours {
  const ours = new Ours(1, to.models);
  const wanted = new Map(to.jobs.map(({ model }) => [model, [] as TraceJob[]]));
  for (let index = to.from - 1; index >= 0; index -= 1) {
    const of = wanted.get(trace[index]!.model);
    if (!of) continue;
    of.push(trace[index]!);
    if (of.length < TAUGHT_MAX) continue;
    for (const job of of.toReversed()) ours.learn(job, LOAD_S);
    wanted.delete(trace[index]!.model);
    if (wanted.size === 0) break;
  }
  for (const of of wanted.values()) for (const job of of.toReversed()) ours.learn(job, LOAD_S);
  return ours;
}

const ADVERSARY_S = 6 * 3600;
const ADVERSARY_SERVICE_S = 20;
const COLD_EVERY_S = 600;
const HOT_LOAD = 1.05;
const HOT_ACCOUNTS = 50;

/** A hot model's jobs come faster than they can be served; how long does a cold one wait? */
function starve(policy: Policy): number {
  const jobs: TraceJob[] = [];
  const everyS = ADVERSARY_SERVICE_S / HOT_LOAD;
  for (let arrivalS = 0; arrivalS < ADVERSARY_S; arrivalS += everyS) {
    const account = `h${jobs.length % HOT_ACCOUNTS}`;
    jobs.push({ arrivalS, account, model: 'hot', serviceS: ADVERSARY_SERVICE_S });
  }
  for (let arrivalS = COLD_EVERY_S / 2; arrivalS < ADVERSARY_S; arrivalS += COLD_EVERY_S) {
    const account = `c${jobs.length}`;
    jobs.push({ arrivalS, account, model: 'cold', serviceS: ADVERSARY_SERVICE_S });
  }
  const sorted = jobs.toSorted((one, other) => one.arrivalS - other.arrivalS);
  const replayed = replay(sorted, { gpus: 1, loadS: LOAD_S }, policy);
  const cold = replayed.jobs.filter(({ model }) => model === 'cold');
  return Math.max(...cold.map(({ waitS }) => waitS));
}

const MEAN_OF_FIFO_MAX = 0.17;
const WINDOW_RATIO_MAX = 1.11;
const ADVERSARY_MAX = 1.1;
const LIGHT_LOAD_MAX = 1.05;
const INSIDE_MIN = 0.8;

function targetsOf(
  runs: readonly Run[],
  windows: readonly WindowRatio[],
  adversary: readonly { readonly policy: PolicyName; readonly cold_max_wait_s: number }[],
): Target[] {
  const at = (gpus: number, speed: number, policy: PolicyName) =>
    runs.find((run) => run.gpus === gpus && run.speed === speed && run.policy === policy)!;
  const targets: Target[] = [];
  const least = (claim: string, measured: number, most: number) =>
    targets.push({ claim, measured: measured.toFixed(3), met: measured <= most });
  const below = (claim: string, measured: number, most: number) =>
    targets.push({ claim, measured: measured.toFixed(3), met: measured < most });
  const keys = ['mean_wait_s', 'p99_wait_s', 'max_wait_s'] as const;
  const toBest = (gpus: number, speed: number) =>
    Math.max(
      ...keys.map((key) => {
        const rivals = [at(gpus, speed, 'affinity')[key], at(gpus, speed, 'swarmui')[key]];
        return at(gpus, speed, 'tessera')[key] / Math.min(...rivals);
      }),
    );
  for (const [gpus, speed] of [
    [2, 1],
    [4, 2],
    [8, 4],
  ] as const) {
    const [ours, fifo] = [at(gpus, speed, 'tessera'), at(gpus, speed, 'fifo')];
    const where = `${gpus} GPUs x${speed}`;
    least(
      `${where}: mean wait over FIFO's at most 0.17`,
      ours.mean_wait_s / fifo.mean_wait_s,
      MEAN_OF_FIFO_MAX,
    );
    below(`${where}: mean, p99 and max below both rivals'`, toBest(gpus, speed), 1);
  }
  least('4 GPUs x1: nothing above both rivals by 5%', toBest(4, 1), LIGHT_LOAD_MAX);
  const ours = windows.find(({ policy }) => policy === 'tessera')!;
  least('windows over the optimum at most 1.11', ours.ratio_mean, WINDOW_RATIO_MAX);
  const cold = (name: PolicyName) =>
    adversary.find(({ policy }) => policy === name)!.cold_max_wait_s;
  least(
    "adversary: cold wait over FIFO's at most 1.1",
    cold('tessera') / cold('fifo'),
    ADVERSARY_MAX,
  );
  const own = runs.filter(({ policy }) => policy === 'tessera');
  least(
    'bound violations',
    own.reduce((sum, { violations }) => sum + violations, 0),
    0,
  );
  const misses = own.filter(({ inside_range }) => (inside_range ?? 0) < INSIDE_MIN);
  least(
    'settings in which fewer than four of five starts fall inside their range',
    misses.length,
    0,
  );
  const unfair = own.filter((run) => run.jain <= at(run.gpus, run.speed, 'fifo').jain);
  least("settings with a Jain index not above FIFO's", unfair.length, 0);
  return targets;
}
