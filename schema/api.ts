/**
 * Bodies and answers of the public API `/v1` and of the operator's `/admin/v1`.
 * Amounts of tokens are decimal numbers here (0.25), times are ISO 8601 in UTC.
 */
import { z } from 'zod';
import { ContentType, Sha256 } from './artifact.ts';
import { ErrorCode } from './error.ts';
import { AccountId, AgentId, ApiKeyId, JobId } from './id.ts';
import {
  IDEMPOTENCY_KEY_CHARS_MAX,
  JOBS_PER_BATCH_MAX,
  NAME_CHARS_MAX,
  PAGE_DEFAULT,
  PAGE_MAX,
  REASON_CHARS_MAX,
} from './limits.ts';
import { JobStatus } from './job.ts';
import { KeyView } from './key.ts';
import { JobType, ModelId } from './model.ts';
import { PlanId, Tier } from './plan.ts';
import { PastTime } from './time.ts';

const Time = z.iso.datetime().meta({ example: '2026-11-22T16:00:00.000Z' });
const Tokens = z.number().nonnegative().meta({ description: 'Tokens; 1 = one 1024x1024 image.' });

/** Share of the work done, 0 to 1, and what is being done. */
export const Progress = z
  .object({
    fraction: z.number().min(0).max(1),
    stage: z.enum(['loading', 'running', 'uploading']),
    step: z.int().min(0).nullable(),
    steps: z.int().min(0).nullable(),
  })
  .meta({ id: 'Progress' });
export type Progress = z.infer<typeof Progress>;

export const ArtifactView = z
  .object({
    url: z.url().meta({ description: 'Signed; works until `url_expires_at`.' }),
    url_expires_at: Time,
    content_type: ContentType,
    bytes: z.int(),
    sha256: Sha256,
    width: z.int().nullable(),
    height: z.int().nullable(),
    duration_s: z.number().nullable(),
    thumbnail_url: z.url().nullable(),
  })
  .meta({ id: 'Artifact' });
export type ArtifactView = z.infer<typeof ArtifactView>;

/** When a waiting job is expected to start: a range that holds in four of five cases. */
export const StartEstimate = z
  .object({ earliest_at: Time, latest_at: Time })
  .meta({ id: 'StartEstimate' });
export type StartEstimate = z.infer<typeof StartEstimate>;

export const QueueView = z
  .object({
    position: z.int().meta({ description: 'Place in its tier, from 1.' }),
    ahead: z.record(Tier, z.int()).meta({ description: 'Jobs that go first, by tier.' }),
    ahead_s: z.record(Tier, z.int()).meta({ description: 'GPU seconds that they take, by tier.' }),
    model_state: z.enum(['resident', 'loading', 'cold']).meta({
      description: 'Whether a GPU has its model in memory, is loading it, or has to.',
    }),
    agents: z.int().meta({ description: 'GPU boxes online that can run it.' }),
    reason: z.string().meta({ description: 'Why it waits, in one sentence.' }),
    estimate: StartEstimate.nullable(),
  })
  .meta({ id: 'Queue' });
export type QueueView = z.infer<typeof QueueView>;

export const JobView = z
  .object({
    id: JobId,
    type: JobType,
    status: JobStatus,
    sequence: z.int().meta({ description: 'Rises with every change of the job.' }),
    model: ModelId,
    created_at: Time,
    started_at: Time.nullable(),
    finished_at: Time.nullable(),
    progress: Progress.nullable(),
    queue: QueueView.nullable(),
    cost: z.object({ held: Tokens, settled: Tokens.nullable() }),
    attempt: z.int().meta({ description: 'Executions so far, the running one included.' }),
    cancel_requested: z.boolean(),
    parameters: z
      .record(z.string(), z.unknown())
      .meta({ description: 'The parameters with every default filled in.' }),
    metadata: z.record(z.string(), z.string()),
    artifacts: z.array(ArtifactView),
    error: z.object({ code: ErrorCode, message: z.string() }).nullable(),
  })
  .meta({ id: 'Job' });
export type JobView = z.infer<typeof JobView>;

/** What a dry run says: the price, whether it would be accepted now, and when it would start. */
/** Why one job is not made, within an answer that is no error. */
const PartError = z.object({
  code: ErrorCode,
  message: z.string(),
  details: z.record(z.string(), z.unknown()).optional(),
  retry_after_s: z.int().optional().meta({
    description: 'As `Retry-After` of the same error for a single job.',
  }),
});

export const QuoteView = z
  .object({
    dry_run: z.literal(true),
    type: JobType,
    model: ModelId,
    parameters: z.record(z.string(), z.unknown()),
    cost: z.object({ held: Tokens }),
    accepted: z.boolean(),
    refusal: PartError.nullable(),
    queue: QueueView.nullable(),
  })
  .meta({ id: 'Quote' });
export type QuoteView = z.infer<typeof QuoteView>;

/** Body of `POST /v1/jobs/batch`. A job that does not parse is refused alone, so none is parsed here. */
export const JobBatch = z
  .strictObject({
    jobs: z
      .array(z.unknown().meta({ allOf: [{ $ref: '#/components/schemas/JobRequest' }] }))
      .min(1)
      .max(JOBS_PER_BATCH_MAX),
  })
  .meta({ id: 'JobBatch' });
export type JobBatch = z.infer<typeof JobBatch>;

/** What became of each job of a batch, in their order. */
export const JobBatchView = z
  .object({
    jobs: z.array(z.union([z.object({ job: JobView }), z.object({ error: PartError })])),
  })
  .meta({ id: 'JobBatchResult' });
export type JobBatchView = z.infer<typeof JobBatchView>;

export const CancelView = z
  .object({ result: z.enum(['cancelled', 'cancel_requested', 'already_finished']) })
  .meta({ id: 'Cancel' });
export type CancelView = z.infer<typeof CancelView>;

export const JobQuery = z.strictObject({
  cursor: z.string().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_DEFAULT),
  type: JobType.optional(),
  status: JobStatus.optional(),
  created_after: PastTime.optional(),
  created_before: PastTime.optional(),
});
export type JobQuery = z.infer<typeof JobQuery>;

export const JobList = z
  .object({ data: z.array(JobView), next_cursor: z.string().nullable() })
  .meta({ id: 'JobList' });
export type JobList = z.infer<typeof JobList>;

export const IdempotencyKey = z
  .string()
  .regex(/^[\x21-\x7e]+$/, 'printable ASCII without spaces')
  .min(1)
  .max(IDEMPOTENCY_KEY_CHARS_MAX);

export const Availability = z.enum(['resident', 'installed', 'offline']);
export type Availability = z.infer<typeof Availability>;

export const ModelView = z
  .object({
    id: ModelId,
    object: z.literal('model'),
    created: z.int(),
    owned_by: z.literal('tessera'),
    type: JobType,
    title: z.string(),
    description: z.string(),
    plan: PlanId.meta({ description: 'The least plan that may use it.' }),
    price: z.object({
      tokens: Tokens,
      per: z.string().meta({ description: 'What the price is for.', example: '1024x1024 image' }),
    }),
    limits: z.record(z.string(), z.unknown()),
    defaults: z.record(z.string(), z.unknown()),
    accepts: z.array(z.string()),
    availability: Availability.meta({
      description: 'resident: loaded on a GPU; installed: on an online GPU box; offline: on none.',
    }),
  })
  .meta({ id: 'Model' });
export type ModelView = z.infer<typeof ModelView>;

export const ModelList = z
  .object({ object: z.literal('list'), data: z.array(ModelView) })
  .meta({ id: 'ModelList' });
export type ModelList = z.infer<typeof ModelList>;

export const AccountView = z
  .object({
    id: AccountId,
    plan: PlanId,
    plan_until: Time.nullable().meta({ description: 'When a plan given for a time ends.' }),
    tier: Tier,
    balance: z.object({
      day: z.iso.date(),
      limit: Tokens.meta({ description: "The plan's and what was granted." }),
      granted: Tokens.meta({ description: 'What the operator gave for the day.' }),
      spent: Tokens,
      held: Tokens,
      available: Tokens,
      renews_at: Time,
    }),
    limits: z.object({
      requests_per_minute: z.int(),
      jobs_open: z.int(),
      side_px: z.int(),
      keys: z.int(),
      webhooks: z.int(),
    }),
    jobs_open: z.int(),
    key: KeyView.nullable().meta({ description: 'The API key of this request, with its budget.' }),
  })
  .meta({ id: 'Account' });
export type AccountView = z.infer<typeof AccountView>;

export const HealthView = z
  .object({
    status: z.enum(['ok', 'degraded']),
    version: z.string(),
    dependencies: z.object({
      scheduler: z.enum(['ok', 'down']),
      database: z.enum(['ok', 'down']),
      storage: z.enum(['ok', 'down']),
    }),
    agents: z.object({ online: z.int(), known: z.int() }),
  })
  .meta({ id: 'Health' });
export type HealthView = z.infer<typeof HealthView>;

const Name = z.string().trim().min(1).max(NAME_CHARS_MAX);

export const CreateAccount = z
  .strictObject({ name: Name, plan: PlanId })
  .meta({ id: 'CreateAccount' });
export type CreateAccount = z.infer<typeof CreateAccount>;
export const CreatedAccount = z
  .object({ id: AccountId, plan: PlanId, api_key: z.string(), api_key_id: ApiKeyId })
  .meta({ id: 'CreatedAccount' });
export type CreatedAccount = z.infer<typeof CreatedAccount>;

export const CreateAgent = z
  .strictObject({
    name: Name,
    reason: z.string().trim().min(1).max(REASON_CHARS_MAX).optional(),
  })
  .meta({ id: 'CreateAgent' });
export type CreateAgent = z.infer<typeof CreateAgent>;
export const CreatedAgent = z
  .object({ id: AgentId, token: z.string().meta({ description: 'Shown once.' }) })
  .meta({ id: 'CreatedAgent' });
export type CreatedAgent = z.infer<typeof CreatedAgent>;

export const AgentView = z
  .object({
    id: AgentId,
    name: z.string(),
    online: z.boolean(),
    draining: z.boolean(),
    revoked: z.boolean(),
    last_seen_at: Time.nullable(),
    gpu: z.string().nullable(),
    models: z.array(ModelId),
    resident: z.array(ModelId),
    jobs: z.array(JobId),
  })
  .meta({ id: 'Agent' });
export type AgentView = z.infer<typeof AgentView>;

/** How the pool stands: what waits by tier, what runs. */
export const QueueOverview = z
  .object({
    waiting: z.record(Tier, z.int()),
    running: z.int(),
    undelivered: z.object({
      postgres: z.int(),
      account: z.int(),
      feed: z.int(),
      courier: z.int(),
    }),
  })
  .meta({ id: 'QueueOverview' });
export type QueueOverview = z.infer<typeof QueueOverview>;
