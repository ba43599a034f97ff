/** `POST /v1/jobs/batch`: several jobs in one request, each accepted or refused by itself. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { IdempotencyKey, JobBatch, JobBatchView } from '#schema/api.ts';
import { JobRequest } from '#schema/job.ts';
import type { Result } from '../core/result.ts';
import type { AppEnv } from '../env.ts';
import { submitJobs } from '../services/submit-job.ts';
import type { SubmittedJob, SubmitRefusal } from '../services/submit-job.ts';
import { viewJob } from '../services/view-job.ts';
import type { ViewContext } from '../services/view-job.ts';
import { keyed, onInvalid, showRate } from './access.ts';
import { BY_API_KEY, errors, json, KEY_ERRORS } from './describe.ts';
import { toAccessWire, toSubmitWire } from './error.ts';
import { toInvalidWire } from './invalid.ts';
import { refuse, toPartError } from './wire.ts';

type Part = JobBatchView['jobs'][number];

const EXAMPLE = {
  jobs: [
    { type: 'image', prompt: 'a lighthouse at dawn' },
    { type: 'image', prompt: 'a lighthouse at dusk' },
  ],
};

const batchRoute = createRoute({
  method: 'post',
  path: '/v1/jobs/batch',
  tags: ['Jobs'],
  summary: 'Submit several jobs at once',
  description:
    'Each job is as in `POST /v1/jobs` and is accepted or refused by itself: the answer is 200, ' +
    'with a `job` or an `error` for each, in their order. It leaves only after every accepted ' +
    'job is durable. The request counts once against the rate limit, or once for each job that ' +
    'its account or pool refuses, if these are more. An `Idempotency-Key` is for the whole ' +
    'request: repeated with the same jobs at the same places, it makes no job twice.',
  security: BY_API_KEY,
  middleware: keyed,
  request: {
    headers: z.object({ 'idempotency-key': IdempotencyKey.optional() }),
    body: { content: json(JobBatch, EXAMPLE), required: true },
  },
  responses: {
    200: { description: 'What became of each job.', content: json(JobBatchView) },
    ...errors(
      'invalid_request',
      'invalid_json',
      'unsupported_media_type',
      'body_too_large',
      ...KEY_ERRORS,
    ),
  },
});

export const jobBatchRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid }).openapi(
  batchRoute,
  async (c) => {
    const now = Date.now();
    const parsed = c.req.valid('json').jobs.map((sent, place) => ({
      place,
      sent,
      request: JobRequest.safeParse(sent),
    }));
    const submitted = await submitJobs(c.get('env'), {
      credential: c.get('credential'),
      requests: parsed.flatMap(({ place, request }) =>
        request.success ? [{ place, request: request.data }] : [],
      ),
      idempotencyKey: c.req.valid('header')['idempotency-key'] ?? null,
      requestId: c.get('requestId'),
      now,
    });
    if (!submitted.ok) refuse(toAccessWire(submitted.error));
    const { principal, jobs: outcomes } = submitted.value;
    showRate(c, principal);
    const context = { signingKey: c.get('env').signingKey, origin: c.get('origin'), now };
    const jobs = await Promise.all(
      parsed.map(async ({ place, sent, request }): Promise<Part> => {
        if (!request.success) {
          return { error: toPartError(toInvalidWire(request.error, sent), context.origin) };
        }
        return viewPart(outcomes.get(place)!, context);
      }),
    );
    return c.json({ jobs }, 200);
  },
);

async function viewPart(
  outcome: Result<SubmittedJob, SubmitRefusal>,
  context: ViewContext,
): Promise<Part> {
  if (!outcome.ok) return { error: toPartError(toSubmitWire(outcome.error), context.origin) };
  return { job: await viewJob(outcome.value.job, context) };
}
