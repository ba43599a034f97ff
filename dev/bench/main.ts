/**
 * `npm run bench -- NAME [--json FILE]`: runs one benchmark, prints its table and writes its
 * figures. A benchmark never fails by a slow machine: it says what it measured, how far the runs
 * lie apart, and which targets that meets.
 */
import { writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { parseArgs } from 'node:util';
import { Refusal, say } from '../progress.ts';
import { readMachine } from './machine.ts';
import { renderReport, toJson, type Report } from './report.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'string' },
    runs: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '1.5' },
    samples: { type: 'string', default: '250' },
    only: { type: 'string', default: '' },
    trace: { type: 'string' },
    svg: { type: 'string' },
  },
});
const options = {
  runs: readNumber('runs', values.runs),
  seconds: readNumber('seconds', values.seconds),
  samples: readNumber('samples', values.samples),
  only: values.only,
  trace: values.trace,
  svg: values.svg,
};

const BENCHMARKS: Readonly<Record<string, () => Promise<Report>>> = {
  dispatch: async () => (await import('./dispatch/dispatch.ts')).measureDispatch(options),
  throughput: async () => (await import('./throughput.ts')).measureThroughput(options),
  latency: async () => (await import('./latency.ts')).measureLatency(options),
  scale: async () => (await import('./scale.ts')).measureScale(options),
  'idle-gap': async () => (await import('./idle-gap.ts')).measureIdleGap(options),
  stream: async () => (await import('./stream.ts')).measureStream(options),
  api: async () => (await import('./api.ts')).measureApi(options),
  cost: async () => (await import('./cost.ts')).measureCost(),
};

function readNumber(name: string, text: string): number {
  const number = Number(text);
  if (number > 0) return number;
  say(`--${name} takes a number above 0, not ${text}`);
  process.exit(2);
}

async function main(): Promise<void> {
  const run = BENCHMARKS[positionals[0] ?? ''];
  if (run === undefined || positionals.length !== 1) {
    const names = Object.keys(BENCHMARKS).join(' | ');
    throw new Refusal(`npm run bench -- ${names} [--json FILE] [--runs N] [--seconds S]`);
  }
  const machine = readMachine(Date.now());
  const report = await run();
  say(renderReport(report, machine));
  if (values.json !== undefined) writeFileSync(values.json, toJson(report, machine));
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => process.exit(128 + constants.signals[signal]));
}
try {
  await main();
} catch (error) {
  say(error instanceof Refusal ? error.message : String((error as Error).stack ?? error));
  process.exitCode = 1;
}
process.exit(); // a peer's library may hold a timer
