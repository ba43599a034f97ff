/**
 * What a benchmark hands back, the same for all: one table, remarks below it, targets with
 * whether they are met, and its figures for the JSON file.
 */
import type { Machine } from './machine.ts';
import { tellMachine } from './machine.ts';
import { renderTable } from './table.ts';

/** A promise about a figure, and whether this run kept it. */
export interface Target {
  readonly claim: string;
  readonly measured: string;
  readonly met: boolean;
}

export interface Report {
  readonly name: string;
  /** One line: what is measured, in which units. */
  readonly about: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Columns of text before those of figures. */
  readonly texts: number;
  readonly remarks: readonly string[];
  readonly targets: readonly Target[];
  /** The figures themselves. */
  readonly figures: Readonly<Record<string, unknown>>;
}

/** The report as it is printed. */
export function renderReport(report: Report, machine: Machine): string {
  const { name, about, head, rows, texts, remarks, targets } = report;
  return [
    `${name}: ${about}`,
    tellMachine(machine),
    '',
    renderTable(head, rows, texts),
    ...(remarks.length > 0 ? ['', ...remarks] : []),
    ...(targets.length > 0 ? ['', ...targets.map(tellTarget)] : []),
  ].join('\n');
}

function tellTarget({ claim, measured, met }: Target): string {
  return `${met ? 'met   ' : 'MISSED'}  ${claim}: ${measured}`;
}

/** The report as it is written to the JSON file. */
export function toJson(report: Report, machine: Machine): string {
  const { name, about, targets, remarks, figures } = report;
  return `${JSON.stringify({ name, about, machine, ...figures, targets, remarks }, null, 2)}\n`;
}
