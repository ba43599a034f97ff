/**
 * How the cost of a decision grows with the queue: 10, 1,000 and 100,000 waiting jobs of all
 * tiers, many models and accounts, in the very state machine that the Scheduler runs, and through
 * the whole of it with its store. Each run of the state machine is a process of its own, so that
 * no run inherits another's heap.
 */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import type { Report, Target } from './report.ts';
import { percentile, spread, type Spread } from './sample.ts';
import type { CoreFigures } from './scale-core.ts';
import { measureStore, type StoreFigures } from './scale-store.ts';
import { tell } from './table.ts';
import { weighInWorkerd } from './weigh.ts';

export interface ScaleOptions {
  readonly runs: number;
}

const SIZES = [10, 1000, 100_000];
const SAMPLES = 10_000;
const STORE_SAMPLES = 300;
/** The one whose cost is promised. */
const DECISION = 'acquire';
const MIB = 1024 * 1024;
const DECISION_US = 50;
const DECISION_P99_US = 1000;
const STATE_MIB = 40;

interface Line {
  readonly waiting: number;
  readonly operation: string;
  readonly p50Us: Spread;
  readonly p99Us: Spread;
}

/** What the state of so many waiting jobs weighs. */
interface State {
  readonly waiting: number;
  readonly workerdMib: number;
  readonly nodeMib: number;
}

/** The table's unit is microseconds of one operation: its decision and its evolution. */
export async function measureScale({ runs }: ScaleOptions): Promise<Report> {
  const found: CoreFigures[][] = [];
  for (let run = 0; run < runs; run += 1) found.push(await runCore());
  const lines = SIZES.flatMap((waiting, index): Line[] => {
    const ofSize = found.map((run) => run[index]!);
    const line = (operation: Line['operation'], read: (one: CoreFigures) => readonly number[]) => ({
      waiting,
      operation,
      p50Us: spread(ofSize.map((one) => percentile(read(one), 0.5))),
      p99Us: spread(ofSize.map((one) => percentile(read(one), 0.99))),
    });
    return [
      line('submit', ({ submitUs }) => submitUs),
      line(DECISION, ({ acquireUs }) => acquireUs),
      line('complete', ({ completeUs }) => completeUs),
    ];
  });
  const store = await measureStore(SIZES, STORE_SAMPLES);
  lines.push(...store.flatMap((one) => storeLines(one, runs)));
  const inWorkerd = await weighInWorkerd(SIZES);
  const states = SIZES.map((waiting, index) => ({
    waiting,
    workerdMib: inWorkerd[index]! / MIB,
    nodeMib: spread(found.map((run) => run[index]!.stateBytes / MIB)).median,
  }));
  return describe(lines, states);
}

/** Round trips of one size, their samples cut into as many parts as there are runs. */
function storeLines(one: StoreFigures, runs: number): Line[] {
  const line = (operation: string, values: readonly number[]): Line => {
    const length = Math.ceil(values.length / runs);
    const parts = Array.from({ length: runs }, (_, run) =>
      values.slice(run * length, (run + 1) * length),
    );
    return {
      waiting: one.waiting,
      operation,
      p50Us: spread(parts.map((part) => percentile(part, 0.5))),
      p99Us: spread(parts.map((part) => percentile(part, 0.99))),
    };
  };
  return [
    line('one row of a bare object, round trip', one.rowUs),
    line('submit, round trip', one.submitUs),
    line('acquire, round trip', one.acquireUs),
    line('complete, round trip', one.completeUs),
  ];
}

async function runCore(): Promise<CoreFigures[]> {
  const child = fork(
    join(import.meta.dirname, 'scale-core.ts'),
    [JSON.stringify({ sizes: SIZES, samples: SAMPLES })],
    { execArgv: ['--expose-gc'], serialization: 'advanced' },
  );
  return new Promise((resolve, reject) => {
    child.once('message', (figures) => resolve(figures as CoreFigures[]));
    child.once('exit', (code) => reject(new Error(`the run ended (${code}) without figures`)));
  });
}

function describe(lines: readonly Line[], states: readonly State[]): Report {
  const largest = SIZES.at(-1)!;
  const acquire = lines.find((one) => one.waiting === largest && one.operation === DECISION)!;
  const { workerdMib } = states.at(-1)!;
  const targets: Target[] = [
    {
      claim: `a decision with ${largest} waiting takes less than ${DECISION_US} µs (median)`,
      measured: `${tell(acquire.p50Us.median)} µs`,
      met: acquire.p50Us.median < DECISION_US,
    },
    {
      claim: `and less than ${DECISION_P99_US} µs (p99)`,
      measured: `${tell(acquire.p99Us.median)} µs`,
      met: acquire.p99Us.median < DECISION_P99_US,
    },
    {
      claim: `${largest} waiting jobs take less than ${STATE_MIB} MiB of workerd's heap`,
      measured: `${tell(workerdMib)} MiB`,
      met: workerdMib < STATE_MIB,
    },
  ];
  return {
    name: 'scale',
    about: 'microseconds of one operation of the pool, by the number of waiting jobs',
    head: ['waiting', 'operation', 'p50', 'min', 'max', 'p99', 'min', 'max'],
    texts: 2,
    rows: lines.map(({ waiting, operation, p50Us, p99Us }) => [
      String(waiting),
      operation,
      ...[p50Us.median, p50Us.min, p50Us.max, p99Us.median, p99Us.min, p99Us.max].map(tell),
    ]),
    remarks: states.map(
      ({ waiting, workerdMib: mib, nodeMib }) =>
        `state of ${waiting} waiting jobs: ${tell(mib)} MiB of workerd's heap, ` +
        `${tell(nodeMib)} MiB of node's, whose pointers are twice as long`,
    ),
    targets,
    figures: { operations: lines, states },
  };
}
