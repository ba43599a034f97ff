import { describe, expect, it } from 'vitest';
import { makeJob } from '../test/job-fixture.ts';
import { applyEvent, startProgress } from './job-progress.ts';

const STEP = { fraction: 0.5, stage: 'running', step: 10, steps: 20 } as const;
const PREVIEW = { content_type: 'image/webp', data: 'AAAA' } as const;

function running() {
  let now = startProgress(makeJob({ status: 'running', sequence: 3 }));
  now = applyEvent(now, { event: 'progress', data: STEP });
  return applyEvent(now, { event: 'preview', data: PREVIEW });
}

describe('applyEvent', () => {
  it('shows the newest progress and preview', () => {
    expect(running()).toMatchObject({ progress: STEP, preview: PREVIEW });
  });

  it('ignores a state older than the one at hand', () => {
    const late = makeJob({ status: 'queued', sequence: 2 });
    expect(applyEvent(running(), { event: 'state', data: late }).job.status).toBe('running');
  });

  it('keeps progress when a newer running state carries none', () => {
    const newer = makeJob({ status: 'running', sequence: 4, cancel_requested: true });
    const now = applyEvent(running(), { event: 'state', data: newer });
    expect(now).toMatchObject({ progress: STEP, job: { cancel_requested: true } });
  });

  it('drops progress and preview when the job is handed back to the queue', () => {
    const back = makeJob({ status: 'queued', sequence: 5, attempt: 1 });
    const now = applyEvent(running(), { event: 'state', data: back });
    expect(now).toEqual({ job: back, progress: null, preview: null });
  });

  it('never leaves a final state', () => {
    const ended = startProgress(makeJob({ status: 'cancelled', sequence: 5 }));
    const other = makeJob({ status: 'completed', sequence: 6 });
    expect(applyEvent(ended, { event: 'state', data: other })).toBe(ended);
    expect(applyEvent(ended, { event: 'progress', data: STEP })).toBe(ended);
  });
});
