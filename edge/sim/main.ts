/**
 * The simulation's command line:
 *   node edge/sim/main.ts [--seed N] [--runs N] [--threads N] [--bug NAME] [--bugs] [--trace]
 * Runs seeds N, N + 1, … each twice, tells how far it is, and sums up. `--bugs` lists the bugs. With `--trace` it runs one
 * seed and prints all that happens. Ends with 1 when a rule was broken.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { BUGS, findBug } from './bugs.ts';
import { simulate } from './crew.ts';
import { installHooks } from './hooks.ts';
import type { Report } from './run.ts';

const INTERVAL_MS = 5000;
/** Failing seeds that are told whole. */
const TOLD_MAX = 3;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '100' },
    threads: { type: 'string', default: String(availableParallelism()) },
    bug: { type: 'string' },
    trace: { type: 'boolean', default: false },
    bugs: { type: 'boolean', default: false },
  },
});

if (values.bugs) for (const { name } of BUGS) console.log(name);
else if (values.trace) await trace();
else await run();

async function trace(): Promise<void> {
  installHooks(values.bug === undefined ? null : findBug(values.bug));
  const { runSeed } = await import('./run.ts');
  const report = await runSeed({ seed: Number(values.seed), print: (line) => console.log(line) });
  tellFailure(report, 0);
  console.log(`hash ${report.hash}, ${report.steps} steps`);
  process.exitCode = report.violations.length > 0 ? 1 : 0;
}

async function run(): Promise<void> {
  const first = Number(values.seed);
  const runs = Number(values.runs);
  const seeds = Array.from({ length: runs }, (_, index) => first + index);
  const startedAt = performance.now();
  const totals = new Map<string, number>();
  let done = 0;
  let steps = 0;
  const failed: Report[] = [];
  const tell = () => {
    const seconds = (performance.now() - startedAt) / 1000;
    const rate = (done / seconds).toFixed(1);
    console.log(`${done}/${runs} seeds, ${failed.length} failed, ${steps} steps, ${rate} seeds/s`);
  };
  const timer = setInterval(tell, INTERVAL_MS);
  const task = { seeds, bug: values.bug ?? null, threads: Number(values.threads) };
  await simulate({ ...task, stopsEarly: false }, (report) => {
    done += 1;
    steps += report.steps;
    for (const [what, count] of Object.entries(report.counts)) {
      totals.set(what, (totals.get(what) ?? 0) + count);
    }
    if (report.violations.length === 0) return;
    failed.push(report);
    if (failed.length <= TOLD_MAX) tellFailure(report, 60);
  });
  clearInterval(timer);
  tell();
  for (const [what, count] of [...totals].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    console.log(`  ${what}: ${count}`);
  }
  tellRules(failed);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

/** How often each rule was broken, by how many seeds and which first. */
function tellRules(failed: readonly Report[]): void {
  const byRule = Map.groupBy(failed, ({ violations }) => violations[0]!.rule);
  for (const [rule, reports] of byRule) {
    const seeds = reports.map(({ seed }) => seed).toSorted((a, b) => a - b);
    console.log(`BROKEN ${rule}: ${seeds.length} seeds: ${seeds.slice(0, 8).join(', ')}`);
  }
}

function tellFailure({ seed, violations, tail }: Report, lines: number): void {
  for (const line of tail.slice(-lines)) if (lines > 0) console.log(`  ${line}`);
  for (const { rule, detail } of violations.slice(0, 5)) {
    console.log(`seed ${seed} BROKEN ${rule}: ${detail}`);
  }
  if (violations.length > 0) console.log(`replay: node edge/sim/main.ts --seed ${seed} --trace`);
}
