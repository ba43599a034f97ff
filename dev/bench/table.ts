/**
 * A table of text in a terminal, and how figures are written in it: enough digits to compare,
 * none that the spread makes meaningless.
 */
import type { Spread } from './sample.ts';

/** Columns as wide as their widest cell; all but the first `texts` are figures, to the right. */
export function renderTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  texts = 1,
): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const render = (row: readonly string[]) =>
    widths
      .map((width, column) => {
        const cell = row[column] ?? '';
        return column < texts ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [render(head), rule, ...rows.map(render)].join('\n');
}

/** Three significant digits, without an exponent. */
export function tell(value: number): string {
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 6));
}

/** Median, smallest and largest, as three cells. */
export function tellSpread({ median, min, max }: Spread): [string, string, string] {
  return [tell(median), tell(min), tell(max)];
}
