/** What a benchmark ran on: a figure without its machine says little. */
import { readFileSync } from 'node:fs';
import { cpus, loadavg, totalmem, type } from 'node:os';

const GIB = 1024 ** 3;

/** As it stands in the JSON beside the figures. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly system: string;
  readonly node: string;
  readonly workerd: string;
  /** Mean count of runnable processes of the minute before: other work on the machine. */
  readonly loadBefore: number;
  readonly at: string;
}

/** Reads it now, at `now` in epoch milliseconds. */
export function readMachine(now: number): Machine {
  const cores = cpus();
  return {
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memoryGib: Math.round(totalmem() / GIB),
    system: type(),
    node: process.version,
    workerd: readVersion('workerd'),
    loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    at: new Date(now).toISOString(),
  };
}

function readVersion(name: string): string {
  const file = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** One line for the head of a report. */
export function tellMachine(machine: Machine): string {
  const { cpu, cores, memoryGib, system, node, workerd, loadBefore } = machine;
  return (
    `${cores} cores of ${cpu}, ${memoryGib} GiB, ${system}, node ${node}, workerd ${workerd}, ` +
    `load before ${loadBefore}`
  );
}
