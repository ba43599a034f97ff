/** The finished picture with what it took, and a link that is renewed when it has expired. */
import { useState } from 'react';
import type { MouseEvent } from 'react';
import type { ArtifactView, JobView } from '#schema/api.ts';
import { readJob } from '../lib/api.ts';
import { formatBytes, formatSpan, formatTokens } from '../lib/format.ts';
import { describeProblem } from '../lib/problem.ts';
import type { Problem } from '../lib/problem.ts';
import { Button, buttonClass } from './button.tsx';
import { ProblemNote } from './problem-note.tsx';

interface Props {
  readonly job: JobView;
  readonly apiKey: string;
  readonly onSeed: (seed: number) => void;
}

export function Result({ job, apiKey, onSeed }: Props) {
  const [artifacts, setArtifacts] = useState(job.artifacts);
  const [problem, setProblem] = useState<Problem | null>(null);
  const seed = typeof job.parameters.seed === 'number' ? job.parameters.seed : null;

  /** Signed links last an hour; a page left open longer asks for fresh ones first. */
  async function download(event: MouseEvent<HTMLAnchorElement>, index: number) {
    const artifact = artifacts[index];
    if (!artifact || Date.parse(artifact.url_expires_at) > Date.now() + 5000) return;
    event.preventDefault();
    const link = event.currentTarget;
    const answer = await readJob(apiKey, job.id);
    setProblem(answer.ok ? null : answer.problem);
    const fresh = answer.ok ? answer.value.artifacts[index] : undefined;
    if (!answer.ok || !fresh) return;
    setArtifacts(answer.value.artifacts);
    link.href = fresh.url;
    link.click();
  }

  return (
    <div className="space-y-5">
      {artifacts.map((artifact, index) => (
        <figure key={artifact.sha256} className="space-y-4">
          <img
            className="w-full rounded-xl bg-sunken ring-1 ring-line"
            src={artifact.url}
            width={artifact.width ?? undefined}
            height={artifact.height ?? undefined}
            alt={describePicture(job)}
            data-testid="picture"
          />
          <figcaption className="flex flex-wrap items-center gap-3">
            <a
              className={buttonClass('primary')}
              href={artifact.url}
              download
              onClick={(event) => void download(event, index)}
              data-testid="download"
            >
              Download
            </a>
            {seed === null ? null : (
              <Button kind="quiet" onClick={() => onSeed(seed)}>
                Keep this seed
              </Button>
            )}
          </figcaption>
        </figure>
      ))}
      {problem ? <ProblemNote text={describeProblem(problem)} /> : null}
      <Facts job={job} artifact={artifacts[0]} seed={seed} />
    </div>
  );
}

function describePicture(job: JobView): string {
  const { prompt } = job.parameters;
  return typeof prompt === 'string' ? `Picture made from: ${prompt}` : 'The picture';
}

function Facts(props: { job: JobView; artifact: ArtifactView | undefined; seed: number | null }) {
  const { job, artifact, seed } = props;
  const tookMs =
    job.started_at && job.finished_at
      ? Date.parse(job.finished_at) - Date.parse(job.started_at)
      : null;
  const rows: [string, string][] = [];
  if (artifact?.width && artifact.height) {
    rows.push(['Size', `${artifact.width} × ${artifact.height}, ${formatBytes(artifact.bytes)}`]);
  }
  if (seed !== null) rows.push(['Seed', String(seed)]);
  rows.push(['Model', job.model]);
  if (tookMs !== null) rows.push(['Took', formatSpan(tookMs)]);
  rows.push(['Cost', formatTokens(job.cost.settled ?? job.cost.held)]);
  return (
    <dl className="grid grid-cols-2 gap-x-6 gap-y-3 border-t border-line pt-4" data-testid="facts">
      {rows.map(([term, value]) => (
        <div key={term}>
          <dt className="text-sm text-muted">{term}</dt>
          <dd className="font-medium tabular-nums">{value}</dd>
        </div>
      ))}
      <div className="col-span-2">
        <dt className="text-sm text-muted">Job</dt>
        <dd className="font-mono text-sm break-all">{job.id}</dd>
      </div>
    </dl>
  );
}
