/** Specs and a grant of jobs for tests. */
import type { JobSpec } from '#schema/job.ts';
import { findModel } from '#schema/model.ts';
import { JobRequest, toSpec } from '#schema/job.ts';
import { assert } from '#schema/assert.ts';

function specOf<T extends JobSpec['type']>(request: { type: T; [field: string]: unknown }) {
  const parsed = JobRequest.parse(request);
  const model = findModel(parsed.model ?? '');
  assert(model, 'a test names a model of the catalog');
  return toSpec(parsed, model, 7) as Extract<JobSpec, { type: T }>;
}

export const IMAGE_SPEC = specOf({ type: 'image', model: 'painter', prompt: 'a red barn' });
export const TEXT_SPEC = specOf({ type: 'text', model: 'chat', prompt: 'Once upon a time' });

/** A lease for what only needs to name one. */
export const GRANT = {
  jobId: 'job_01000000000000000000000001_main',
  fencingToken: 3,
  attempt: 1,
  leaseMs: 1000,
  expiresAt: 0,
  runMsMax: 1000,
  uploadTicket: 'ticket',
  inputs: [],
};
