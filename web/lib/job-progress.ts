/**
 * A followed job as the page shows it: the newest state, progress and preview.
 * Pure. Events may come twice or late (a replay, a poll beside a stream); a state older than
 * the one at hand changes nothing, and a final state stays.
 */
import type { JobView, Progress } from '#schema/api.ts';
import type { JobEvent, Preview } from '#schema/event.ts';
import { isTerminal } from '#schema/job.ts';

export interface JobProgress {
  readonly job: JobView;
  readonly progress: Progress | null;
  readonly preview: Preview | null;
}

/** How a job begins to be followed. */
export function startProgress(job: JobView): JobProgress {
  return { job, progress: job.progress, preview: null };
}

/** The job after an event. */
export function applyEvent(current: JobProgress, event: JobEvent): JobProgress {
  const { job } = current;
  if (isTerminal(job.status)) {
    // A newer view of an ended job may carry fresh links or the settled cost.
    const isNewer = event.event === 'state' && event.data.status === job.status;
    return isNewer ? { ...current, job: event.data } : current;
  }
  switch (event.event) {
    case 'state':
      if (event.data.sequence < job.sequence) return current;
      return event.data.status === 'running' || isTerminal(event.data.status)
        ? { ...current, job: event.data, progress: event.data.progress ?? current.progress }
        : startProgress(event.data);
    case 'progress':
      return { ...current, progress: event.data };
    case 'preview':
      return { ...current, preview: event.data };
    case 'text':
      return current;
  }
}
