/** A submitted job, from its place in the queue to the picture or the reason there is none. */
import type { JobView, QueueView } from '#schema/api.ts';
import { PLANS, TIERS } from '#schema/plan.ts';
import { formatTokens, joinWords } from '../lib/format.ts';
import type { JobProgress } from '../lib/job-progress.ts';
import { describeError, describeProblem } from '../lib/problem.ts';
import type { JobHandle } from '../lib/use-job.ts';
import { Button } from './button.tsx';
import { Estimate } from './estimate.tsx';
import { ProblemNote } from './problem-note.tsx';
import { Result } from './result.tsx';

interface Props {
  readonly handle: JobHandle;
  readonly apiKey: string;
  readonly onSeed: (seed: number) => void;
}

export function JobPanel({ handle, apiKey, onSeed }: Props) {
  const { current, phase, problem } = handle;
  return (
    <div className="space-y-5" data-testid="job" data-status={current?.job.status ?? phase}>
      <p role="status" className="font-display text-2xl leading-tight font-semibold">
        {headlineOf(handle)}
      </p>
      {current ? <Stage current={current} apiKey={apiKey} onSeed={onSeed} /> : null}
      {phase === 'idle' && !problem ? <Blank /> : null}
      {phase === 'submitting' ? <progress className="bar" aria-label="Submitting" /> : null}
      {phase === 'following' && handle.connection !== 'live' && !problem ? (
        <p role="status" className="text-sm text-gold">
          {handle.connection === 'polling'
            ? 'Live updates are interrupted; the page asks every few seconds instead.'
            : 'The connection is lost; the page tries again. Your job goes on.'}
        </p>
      ) : null}
      {problem ? (
        <ProblemNote text={describeProblem(problem)}>
          {phase === 'following' ? (
            <Button kind="quiet" onClick={handle.resume}>
              Look again
            </Button>
          ) : null}
        </ProblemNote>
      ) : null}
      {phase === 'following' && current ? (
        <div className="flex flex-wrap items-center gap-4">
          <Button kind="quiet" onClick={handle.cancel} disabled={isCancelling(handle)}>
            {isCancelling(handle) ? 'Cancelling…' : 'Cancel'}
          </Button>
          <span className="text-sm text-muted">
            {formatTokens(current.job.cost.held)} held; what is not used comes back.
          </span>
        </div>
      ) : null}
    </div>
  );
}

function isCancelling(handle: JobHandle): boolean {
  return handle.isCancelling || handle.current?.job.cancel_requested === true;
}

/** Changes at the turns of a job only, so that a screen reader is not flooded. */
function headlineOf(handle: JobHandle): string {
  const { current, phase } = handle;
  if (phase === 'submitting') return 'Submitting…';
  if (!current) return handle.problem ? 'It was not submitted' : 'Your picture appears here';
  const { job, progress } = current;
  switch (job.status) {
    case 'created':
      return 'Accepted';
    case 'queued':
      return job.queue ? `Number ${job.queue.position} in the queue` : 'In the queue';
    case 'running':
      if (progress?.stage === 'loading') return 'Loading the model';
      return progress?.stage === 'uploading' ? 'Sending the picture' : 'Painting';
    case 'completed':
      return job.artifacts.length > 1 ? 'Your pictures are ready' : 'Your picture is ready';
    case 'failed':
      return 'It did not work out';
    case 'cancelled':
      return 'Cancelled';
  }
}

function Stage({ current, apiKey, onSeed }: { current: JobProgress } & Omit<Props, 'handle'>) {
  const { job } = current;
  switch (job.status) {
    case 'created':
    case 'queued':
      return <Waiting queue={job.queue} attempt={job.attempt} />;
    case 'running':
      return <Running current={current} />;
    case 'completed':
      return <Result job={job} apiKey={apiKey} onSeed={onSeed} />;
    case 'failed':
      return <Failed job={job} />;
    case 'cancelled':
      return <p className="text-muted">{costOf(job)}</p>;
  }
}

function Waiting({ queue, attempt }: { queue: QueueView | null; attempt: number }) {
  const ahead = queue
    ? TIERS.flatMap((tier) => {
        const count = queue.ahead[tier] ?? 0;
        return count > 0 ? [`${count} ${PLANS[tier].title} ${count === 1 ? 'job' : 'jobs'}`] : [];
      })
    : [];
  return (
    <div className="space-y-3">
      <progress className="bar" aria-label="Waiting" />
      {queue ? (
        <p data-testid="queue-reason">{queue.reason}</p>
      ) : (
        <p>It gets its place in a moment.</p>
      )}
      <p className="text-muted">
        {ahead.length > 0 ? `Ahead of it: ${joinWords(ahead)}. ` : ''}
        {queue?.estimate ? <Estimate estimate={queue.estimate} /> : null}
      </p>
      {attempt > 0 ? (
        <p className="text-muted">
          It was started {attempt === 1 ? 'once' : `${attempt} times`} before and handed back; it
          keeps its place.
        </p>
      ) : null}
    </div>
  );
}

function Running({ current }: { current: JobProgress }) {
  const { progress, preview, job } = current;
  const hasSteps = progress?.step != null && progress.steps != null && progress.steps > 0;
  return (
    <div className="space-y-3">
      <Frame width={job.parameters.width} height={job.parameters.height}>
        {preview ? (
          <img
            className="absolute inset-0 size-full object-contain"
            src={`data:${preview.content_type};base64,${preview.data}`}
            alt="Preview of the unfinished picture"
            data-testid="preview"
          />
        ) : (
          <span className="text-muted">The first preview comes soon.</span>
        )}
      </Frame>
      <progress
        className="bar"
        aria-label="Progress"
        max={1}
        value={progress && progress.stage !== 'loading' ? progress.fraction : undefined}
      />
      <p className="flex justify-between text-muted tabular-nums">
        <span>{hasSteps ? `Step ${progress.step} of ${progress.steps}` : ' '}</span>
        <span>{progress ? `${Math.round(progress.fraction * 100)} %` : ''}</span>
      </p>
    </div>
  );
}

function Failed({ job }: { job: JobView }) {
  return (
    <div className="space-y-3">
      {job.error ? <ProblemNote text={describeError(job.error)} /> : null}
      <p className="text-muted">{costOf(job)}</p>
    </div>
  );
}

function costOf(job: JobView): string {
  const { settled } = job.cost;
  if (settled === null) return `${formatTokens(job.cost.held)} are being given back.`;
  if (settled === 0) return 'It cost nothing.';
  return `It cost ${formatTokens(settled)} for the steps that were done.`;
}

function Blank() {
  return (
    <>
      <Frame width={1} height={1}>
        <svg viewBox="0 0 60 60" className="size-24 text-line" aria-hidden="true" focusable="false">
          <path
            fill="currentColor"
            d="M3 3h15v15H3zM22 3h16v15H22zM42 3h15v15H42zM3 22h15v16H3zM42 22h15v16H42zM3 42h15v15H3zM22 42h16v15H22zM42 42h15v15H42z"
          />
          <path className="fill-gold" d="M22 22h16v16H22z" opacity=".65" />
        </svg>
      </Frame>
      <p className="text-muted">
        You see its place in the queue, then each step, then the picture. You can cancel at any
        time; unused tokens come back.
      </p>
    </>
  );
}

const RATIO = [
  { above: 1.5, className: 'aspect-video' },
  { above: 1.1, className: 'aspect-4/3' },
  { above: 0.9, className: 'aspect-square' },
  { above: 0, className: 'aspect-3/4' },
];

/** A frame of the picture's shape, by class: inline styles are not allowed here. */
function Frame(props: { width: unknown; height: unknown; children: React.ReactNode }) {
  const ratio = Number(props.width) / Number(props.height) || 1;
  const shape = RATIO.find((entry) => ratio > entry.above)?.className ?? 'aspect-square';
  return (
    <div
      className={`relative flex w-full items-center justify-center overflow-hidden rounded-xl bg-sunken ring-1 ring-line ${shape}`}
    >
      {props.children}
    </div>
  );
}
