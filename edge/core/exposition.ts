/**
 * Figures as Prometheus reads them (prometheus.io/docs/instrumenting/exposition_formats, text
 * format 0.0.4). Pure.
 */
export type Labels = Readonly<Record<string, string>>;

/** One figure: its labels, its value, and what its name ends with, as a histogram's parts do. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  readonly suffix?: '_bucket' | '_sum' | '_count';
}

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: readonly Sample[];
}

/** What the format is called in a Content-Type. */
export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** A family with no samples is left out. */
export function expose(families: readonly Family[]): string {
  return families
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, help, type, samples }) => {
      const lines = samples.map(
        ({ labels, value, suffix = '' }) => `${name}${suffix}${toLabels(labels)} ${toValue(value)}`,
      );
      return [`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`, ...lines, ''].join(
        '\n',
      );
    })
    .join('');
}

/** A histogram of counts by bound, the last of them beyond all bounds; made cumulative here. */
export function toHistogram(
  labels: Labels,
  { bounds, counts, sum }: { bounds: readonly number[]; counts: readonly number[]; sum: number },
): Sample[] {
  let total = 0;
  const buckets = counts.map((count, index): Sample => {
    total += count;
    const le = index < bounds.length ? String(bounds[index]) : '+Inf';
    return { labels: { ...labels, le }, value: total, suffix: '_bucket' };
  });
  const rest: Sample[] = [
    { labels, value: sum, suffix: '_sum' },
    { labels, value: total, suffix: '_count' },
  ];
  return [...buckets, ...rest];
}

function toLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function toValue(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '+Inf' : '-Inf';
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', String.raw`\"`);
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', String.raw`\n`);
}
