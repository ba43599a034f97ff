/** `/v1/jobs`: submit, quote, show, list, cancel. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { CancelView, IdempotencyKey, JobList, JobQuery, JobView, QuoteView } from '#schema/api.ts';
import { JobId } from '#schema/id.ts';
import { isTerminal, JobRequest } from '#schema/job.ts';
import { PREFER_WAIT_S_MAX } from '#schema/limits.ts';
import { toTokens } from '#schema/price.ts';
import type { AppEnv } from '../env.ts';
import type { Quote, SubmitInput } from '../rpc/account.ts';
import { cancelJob } from '../services/cancel-job.ts';
import { findJob, toLive } from '../services/find-job.ts';
import { listJobs } from '../services/list-jobs.ts';
import { quoteJob } from '../services/quote-job.ts';
import { submitJob } from '../services/submit-job.ts';
import { viewJob, viewQueue } from '../services/view-job.ts';
import type { ViewContext } from '../services/view-job.ts';
import { waitForJob } from '../services/wait-for-job.ts';
import { authenticated, keyed, onInvalid, showRate } from './access.ts';
import { BY_API_KEY, errors, json, KEY_ERRORS } from './describe.ts';
import { toAdmissionWire, toFindWire, toListWire, toSubmitWire, withRate } from './error.ts';
import { refuse, toPartError } from './wire.ts';

export const JobPath = z.object({ id: JobId });

const REQUEST_EXAMPLE = {
  type: 'image',
  prompt: 'a lighthouse at dusk, oil on canvas',
  width: 1024,
  height: 768,
};

const submitRoute = createRoute({
  method: 'post',
  path: '/v1/jobs',
  tags: ['Jobs'],
  summary: 'Submit a job, or ask what it would cost',
  description:
    'The answer leaves only after the job is durable. Send an `Idempotency-Key` and repeat the ' +
    'request as often as needed: it makes one job. `Prefer: wait=N` waits up to N seconds for ' +
    'the end; `?dry_run=1` submits nothing.',
  security: BY_API_KEY,
  middleware: keyed,
  request: {
    query: z.strictObject({
      dry_run: z
        .enum(['0', '1', 'false', 'true'])
        .optional()
        .openapi({ description: '1 or true: only quote.' }),
    }),
    headers: z.object({
      'idempotency-key': IdempotencyKey.optional(),
      prefer: z.string().max(200).optional().openapi({ example: 'wait=30' }),
    }),
    body: { content: json(JobRequest, REQUEST_EXAMPLE), required: true },
  },
  responses: {
    200: {
      description:
        'The job has ended, in time for `Prefer: wait` or before; or, for a dry run, the quote.',
      content: json(z.union([JobView, QuoteView])),
    },
    202: { description: 'The job is accepted; `location` has its path.', content: json(JobView) },
    ...errors(
      'invalid_request',
      'invalid_json',
      'unknown_model',
      'unsupported_parameter',
      'unknown_file',
      'webhook_refused',
      'unsupported_media_type',
      'body_too_large',
      'content_blocked',
      'idempotency_conflict',
      'model_not_allowed',
      'key_budget_exhausted',
      'tokens_exhausted',
      'too_many_jobs',
      'queue_full',
      'no_agent',
      'deadline_unreachable',
      ...KEY_ERRORS,
    ),
  },
});

const showRoute = createRoute({
  method: 'get',
  path: '/v1/jobs/{id}',
  tags: ['Jobs'],
  summary: 'Show a job',
  description: 'The truth about a job, live or ended. URLs of results are signed anew each time.',
  security: BY_API_KEY,
  middleware: authenticated('jobs:read'),
  request: { params: JobPath },
  responses: {
    200: { description: 'The job.', content: json(JobView) },
    ...errors('not_found', 'history_unavailable', ...KEY_ERRORS),
  },
});

const listRoute = createRoute({
  method: 'get',
  path: '/v1/jobs',
  tags: ['Jobs'],
  summary: 'List your jobs, newest first',
  description: 'From the history, which may be a second behind a live job.',
  security: BY_API_KEY,
  middleware: authenticated('jobs:read'),
  request: { query: JobQuery },
  responses: {
    200: { description: 'A page of jobs.', content: json(JobList) },
    ...errors('invalid_request', 'history_unavailable', ...KEY_ERRORS),
  },
});

const cancelRoute = createRoute({
  method: 'post',
  path: '/v1/jobs/{id}/cancel',
  tags: ['Jobs'],
  summary: 'Cancel a job',
  description: 'A waiting job is cancelled at once; a running one is stopped on its GPU.',
  security: BY_API_KEY,
  middleware: authenticated('jobs:write'),
  request: { params: JobPath },
  responses: {
    200: { description: 'What became of it.', content: json(CancelView) },
    ...errors('not_found', 'history_unavailable', ...KEY_ERRORS),
  },
});

export const jobRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid })
  .openapi(submitRoute, async (c) => {
    const submission = {
      credential: c.get('credential'),
      request: c.req.valid('json'),
      idempotencyKey: c.req.valid('header')['idempotency-key'] ?? null,
      requestId: c.get('requestId'),
      now: Date.now(),
    };
    const { dry_run } = c.req.valid('query');
    if (dry_run === '1' || dry_run === 'true') {
      const quoted = await quoteJob(c.get('env'), submission);
      if (!quoted.ok) refuse(withRate(toSubmitWire(quoted.error), quoted.error));
      showRate(c, quoted.value.quote.principal);
      return c.json(viewQuote(quoted.value, c.get('origin')), 200);
    }
    const submitted = await submitJob(c.get('env'), submission);
    if (!submitted.ok) refuse(withRate(toSubmitWire(submitted.error), submitted.error));
    showRate(c, submitted.value.principal);
    if (submitted.value.replayed) c.header('idempotent-replayed', 'true');
    let { job } = submitted.value;
    const waitS = parseWait(c.req.valid('header').prefer);
    if (waitS !== null) {
      const waiting = { job, origin: c.get('origin'), waitMs: waitS * 1000 };
      job = await waitForJob(c.get('env'), waiting);
      c.header('preference-applied', `wait=${waitS}`);
    }
    c.header('location', `/v1/jobs/${job.record.id}`);
    const view = await viewJob(job, contextOf(c.var));
    return isTerminal(job.record.status) ? c.json(view, 200) : c.json(view, 202);
  })
  .openapi(showRoute, async (c) => {
    const { accountId } = c.get('principal');
    const found = await findJob(c.get('env'), { jobId: c.req.valid('param').id, accountId });
    if (!found.ok) refuse(toFindWire(found.error));
    return c.json(await viewJob(found.value, contextOf(c.var)), 200);
  })
  .openapi(listRoute, async (c) => {
    const { accountId } = c.get('principal');
    const page = await listJobs(c.get('env'), { accountId, query: c.req.valid('query') });
    if (!page.ok) refuse(toListWire(page.error));
    const context = contextOf(c.var);
    const data = await Promise.all(
      page.value.records.map((record) => viewJob(toLive(record), context)),
    );
    return c.json({ data, next_cursor: page.value.nextCursor }, 200);
  })
  .openapi(cancelRoute, async (c) => {
    const { accountId } = c.get('principal');
    const cancelled = await cancelJob(c.get('env'), { jobId: c.req.valid('param').id, accountId });
    if (!cancelled.ok) refuse(toFindWire(cancelled.error));
    return c.json({ result: cancelled.value }, 200);
  });

function contextOf({ env, origin }: AppEnv['Variables']): ViewContext {
  return { signingKey: env.signingKey, origin, now: Date.now() };
}

/** Seconds of `Prefer: wait=N` (RFC 7240), cut to the limit; null when there is none. */
export function parseWait(prefer: string | undefined): number | null {
  const match = /(?:^|[,;])\s*wait\s*=\s*"?(\d{1,6})"?\s*(?:$|[,;])/i.exec(prefer ?? '');
  return match ? Math.min(Number(match[1]), PREFER_WAIT_S_MAX) : null;
}

function viewQuote(
  { quote, input }: { quote: Quote; input: SubmitInput },
  origin: string,
): QuoteView {
  const { type, model, ...parameters } = input.spec;
  const wire = quote.refusal && toAdmissionWire(quote.refusal);
  return {
    dry_run: true,
    type,
    model,
    parameters,
    cost: { held: toTokens(quote.heldMillitokens) },
    accepted: wire === null,
    refusal: wire && toPartError(wire, origin),
    queue: quote.waiting && viewQueue(quote.waiting),
  };
}
