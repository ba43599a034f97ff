/** A job for unit tests: queued, unless told otherwise. */
import { JobView } from '#schema/api.ts';

export function makeJob(part: Partial<JobView> = {}): JobView {
  return JobView.parse({
    id: 'job_01kb0000000000000000000000_main',
    type: 'image',
    status: 'queued',
    sequence: 1,
    model: 'painter',
    created_at: '2026-11-22T16:00:00.000Z',
    started_at: null,
    finished_at: null,
    progress: null,
    queue: null,
    cost: { held: 1, settled: null },
    attempt: 0,
    cancel_requested: false,
    parameters: {},
    metadata: {},
    artifacts: [],
    error: null,
    ...part,
  } satisfies JobView);
}
