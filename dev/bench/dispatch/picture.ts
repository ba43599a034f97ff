/** A picture of a replay's figures as SVG: waits and loads of each policy, side by side. */
import type { Figures } from './figure.ts';

export interface Bar extends Figures {
  readonly gpus: number;
  readonly speed: number;
  readonly policy: string;
}

const WIDTH = 920;
const PANEL = 170;
const LEFT = 110;
const BARS = 560;
const ROW = 24;
const COLOURS = ['#9aa0a6', '#7baaf7', '#c58af9', '#fcad70', '#1e8e3e'];

/** One panel for each number of GPUs and speed; waits on a scale of logarithms. */
export function drawRuns(runs: readonly Bar[]): string {
  const panels = [...Map.groupBy(runs, ({ gpus, speed }) => `${gpus} GPUs, arrivals x${speed}`)];
  const longest = Math.max(10, ...runs.map(({ max_wait_s }) => max_wait_s));
  const x = (seconds: number) => LEFT + (BARS * Math.log1p(seconds)) / Math.log1p(longest);
  const body = panels.map(([title, bars], panel) => {
    const top = 40 + panel * PANEL;
    const rows = bars.map((bar, index) => drawBar(bar, { y: top + 14 + index * ROW, index, x }));
    return `<text x="12" y="${top}" font-weight="600">${title}</text>${rows.join('')}`;
  });
  const height = 50 + panels.length * PANEL;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}"`,
    ` font-family="system-ui, sans-serif" font-size="13">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="${LEFT}" y="18">logarithms of seconds; bar: mean wait, line: p95 to max, mark: p99; right: share of GPU time`,
    ` spent loading</text>`,
    ...body,
    '</svg>',
  ].join('');
}

function drawBar(
  bar: Bar,
  at: { readonly y: number; readonly index: number; readonly x: (seconds: number) => number },
): string {
  const { y, index, x } = at;
  const colour = COLOURS[index % COLOURS.length]!;
  const middle = y + 8;
  const line = (from: number, to: number) =>
    `<line x1="${from.toFixed(1)}" x2="${to.toFixed(1)}" y1="${middle}" y2="${middle}"
      stroke="#3c4043"/>`;
  const p99 = x(bar.p99_wait_s).toFixed(1);
  return [
    `<text x="12" y="${y + 13}">${bar.policy}</text>`,
    `<rect x="${LEFT}" y="${y}" width="${(x(bar.mean_wait_s) - LEFT).toFixed(1)}" height="16"`,
    ` fill="${colour}"/>`,
    line(x(bar.p95_wait_s), x(bar.max_wait_s)),
    `<line x1="${p99}" x2="${p99}" y1="${y + 2}" y2="${y + 14}" stroke="#3c4043"/>`,
    `<text x="${LEFT + BARS + 16}" y="${y + 13}">${bar.mean_wait_s.toFixed(0)} s mean,`,
    ` ${(bar.load_share * 100).toFixed(0)}% loading</text>`,
  ].join('');
}
