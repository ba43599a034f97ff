/**
 * The agent protocol, `/agent/v1/*`: HTTPS, JSON, `authorization: Bearer tsa_…`.
 * The agent only calls; the edge never does. Every write names its lease by job id and fencing
 * token; a stale one changes nothing and is answered `lease_lost`. Every call may be repeated.
 * Spans are milliseconds, so that clocks need not agree.
 *
 *   POST register   announce a new session of this agent and what it can run
 *   POST acquire    long poll for a job; also tells which leases are held
 *   POST renew      heartbeat: extends leases, carries progress, previews, health
 *   POST control    long poll, parked while a job runs: cancel and drain at once
 *   PUT  jobs/:job_id/artifacts/:index/:role   bytes of an output, streamed to R2
 *   POST uploads/begin, uploads/finish         a large output in parts, which go by
 *   PUT  jobs/:job_id/artifacts/:index/parts/:part
 *   POST stream     generated text, for the job's feed
 *   POST complete, fail, return   end the attempt; each may acquire the next job
 *   POST leave      goodbye of a session that holds nothing more
 *   GET  socket     the calls that come with every job over one WebSocket: agent-socket.ts
 */
import { z } from 'zod';
import { Progress } from './api.ts';
import { Artifact, ContentType, Sha256 } from './artifact.ts';
import { Preview } from './event.ts';
import { AgentId, JobId } from './id.ts';
import { FileType } from './file.ts';
import { FileId, JobSpec } from './job.ts';
import {
  AGENT_MODELS_MAX,
  ARTIFACTS_MAX,
  BATCH_MAX,
  ENGINE_ERROR_CHARS_MAX,
  FILE_AUDIO_BYTES_MAX,
  INPUTS_MAX,
  JOB_RUN_MS_MAX,
  LEASES_PER_AGENT_MAX,
  NAME_CHARS_MAX,
  POLL_MS,
  SPOOL_JOBS_MAX,
  TEXT_TOKENS_MAX,
  UPLOAD_ID_CHARS_MAX,
  UPLOAD_PARTS_MAX,
} from './limits.ts';
import { ModelId } from './model.ts';
import { Timings, Usage } from './usage.ts';

export const FencingToken = z.int().min(1);

/** Which attempt a call speaks for. */
export const LeaseRef = z.object({ jobId: JobId, fencingToken: FencingToken });
export type LeaseRef = z.infer<typeof LeaseRef>;

/** One run of the agent process; a restart makes a new one. */
const SessionId = z.uuid();

const HeldLeases = z.array(LeaseRef).max(LEASES_PER_AGENT_MAX + SPOOL_JOBS_MAX);
const Models = z.array(ModelId).max(AGENT_MODELS_MAX);

/** What the box has, as asked of the engines themselves. */
export const Capabilities = z.object({
  gpu: z.object({ name: z.string().max(200), vramMib: z.int().min(0) }).nullable(),
  engines: z
    .array(
      z.object({
        engine: z.string().max(NAME_CHARS_MAX),
        version: z.string().max(200),
        models: Models,
        /** Like jobs it runs together in one execution; 1 where it cannot. */
        batchMax: z.int().min(1).max(BATCH_MAX).default(1),
      }),
    )
    .max(20),
});
export type Capabilities = z.infer<typeof Capabilities>;

export const RegisterBody = z.strictObject({
  sessionId: SessionId,
  version: z.string().max(NAME_CHARS_MAX),
  capabilities: Capabilities,
  /** Leases of an earlier session whose finished results are still to be delivered. */
  holding: HeldLeases,
});
export type RegisterBody = z.infer<typeof RegisterBody>;
export const RegisterAnswer = z.object({
  agentId: AgentId,
  heartbeatMs: z.int(),
  leaseMs: z.int(),
  pollMs: z.int(),
  /** Of `holding`: what is no longer held; drop it. */
  lost: z.array(LeaseRef),
  /** Of `holding`: cancelled meanwhile; return it. */
  cancel: z.array(LeaseRef),
});
export type RegisterAnswer = z.infer<typeof RegisterAnswer>;

/** A file that a job works on; the signature of its URL is all that fetching it takes. */
export const InputFile = z.object({
  fileId: FileId,
  contentType: FileType,
  bytes: z.int().min(1).max(FILE_AUDIO_BYTES_MAX),
  sha256: Sha256,
  /** Of the edge itself, without its origin; works for MEDIA_URL_MS at least. */
  url: z
    .string()
    .regex(/^\/media\//)
    .max(1000),
});
export type InputFile = z.infer<typeof InputFile>;

/** A job under a lease. */
export const LeasedJob = z.object({
  jobId: JobId,
  spec: JobSpec,
  fencingToken: FencingToken,
  attempt: z.int().min(1),
  /** The lease lapses this long after the request that got it was sent, unless renewed. */
  leaseMs: z.int(),
  /** Epoch milliseconds by the edge's clock; for logs. */
  expiresAt: z.int(),
  /** Longest run; the agent stops the engine then. */
  runMsMax: z.int(),
  /** Send it as `x-upload-ticket` with every artifact. */
  uploadTicket: z.string(),
  /** Those files of the spec that are still kept. */
  inputs: z.array(InputFile).max(INPUTS_MAX).default([]),
});
export type LeasedJob = z.infer<typeof LeasedJob>;

const Ask = z.object({
  /** Models loaded now, in the order of what they would cost to use. */
  resident: Models,
  /** Until its GPU should be free, by its own estimate; above 0 it asks ahead. */
  busyMs: z.int().min(0).max(JOB_RUN_MS_MAX).default(0),
});

export const AcquireBody = Ask.extend({
  sessionId: SessionId,
  /** Every lease the agent knows it has; one it lacks is given again. */
  holding: HeldLeases,
  /** How long to park; 0 answers at once. */
  waitMs: z.int().min(0).max(POLL_MS),
}).strict();
export type AcquireBody = z.infer<typeof AcquireBody>;
export const AcquireAnswer = z.object({
  job: LeasedJob.nullable(),
  /** Like jobs to run together with `job`; each has its own lease and ends by itself. */
  batch: z
    .array(LeasedJob)
    .max(BATCH_MAX - 1)
    .default([]),
  /** Take no more jobs; finish or return what runs, then leave. */
  drain: z.boolean(),
});
export type AcquireAnswer = z.infer<typeof AcquireAnswer>;

export const Health = z.object({
  status: z.enum(['ok', 'degraded']),
  message: z.string().max(500).nullable(),
  vramFreeMib: z.int().min(0).nullable(),
});
export type Health = z.infer<typeof Health>;

export const RenewBody = z.strictObject({
  sessionId: SessionId,
  leases: z
    .array(LeaseRef.extend({ progress: Progress.nullable(), preview: Preview.nullable() }))
    .max(LEASES_PER_AGENT_MAX + SPOOL_JOBS_MAX),
  resident: Models,
  health: Health,
});
export type RenewBody = z.infer<typeof RenewBody>;
export const RenewAnswer = z.object({
  /** Extended; a lease in neither `held` nor `lost` runs out as it is. */
  held: z.array(LeaseRef),
  /** No longer held: stop, drop the result, tell nobody. */
  lost: z.array(LeaseRef),
  /** Its user cancelled, and it gets no more time: stop the engine, then `return` it. */
  cancel: z.array(LeaseRef),
  drain: z.boolean(),
});
export type RenewAnswer = z.infer<typeof RenewAnswer>;

export const ControlBody = z.strictObject({
  sessionId: SessionId,
  holding: HeldLeases,
  waitMs: z.int().min(0).max(POLL_MS),
});
export type ControlBody = z.infer<typeof ControlBody>;
export const ControlAnswer = z.object({
  lost: z.array(LeaseRef),
  cancel: z.array(LeaseRef),
  drain: z.boolean(),
});
export type ControlAnswer = z.infer<typeof ControlAnswer>;

/** Headers of an artifact's upload, beside content-type and content-length. */
export const UPLOAD_HEADERS = {
  fencingToken: 'x-fencing-token',
  sha256: 'x-sha256',
  ticket: 'x-upload-ticket',
  /** Of a part alone. */
  uploadId: 'x-upload-id',
} as const;
export const UploadAnswer = z.object({
  key: z.string(),
  contentType: ContentType,
  bytes: z.int(),
  sha256: Sha256,
});
export type UploadAnswer = z.infer<typeof UploadAnswer>;

/** The result at one place among a job's, with the authority to store it. */
const LargeFile = z.strictObject({
  jobId: JobId,
  fencingToken: FencingToken,
  uploadTicket: z.string().min(1).max(500),
  index: z
    .int()
    .min(0)
    .max(ARTIFACTS_MAX - 1),
  contentType: ContentType,
  bytes: z.int().min(1),
  sha256: Sha256,
});
export const UploadId = z.string().min(1).max(UPLOAD_ID_CHARS_MAX);

/** Begins an upload in parts; an earlier one of the same file is given up. */
export const BeginUploadBody = LargeFile;
export type BeginUploadBody = z.infer<typeof BeginUploadBody>;
export const BeginUploadAnswer = z.object({
  uploadId: UploadId,
  /** Of every part but the last, which may be smaller. */
  partBytes: z.int().min(1),
});
export type BeginUploadAnswer = z.infer<typeof BeginUploadAnswer>;

/** Number of a part, from 1. */
export const PartNumber = z.int().min(1).max(UPLOAD_PARTS_MAX);
/** What finishing the upload takes as the proof that the part is there. */
export const PartAnswer = z.object({ etag: z.string().min(1).max(UPLOAD_ID_CHARS_MAX) });
export type PartAnswer = z.infer<typeof PartAnswer>;

/** Makes the file of its parts; its whole SHA-256 is compared then. */
export const FinishUploadBody = LargeFile.extend({
  uploadId: UploadId,
  /** Of all parts in order, the first of them that of part 1. */
  etags: z.array(PartAnswer.shape.etag).min(1).max(UPLOAD_PARTS_MAX),
});
export type FinishUploadBody = z.infer<typeof FinishUploadBody>;

export const StreamBody = z.strictObject({
  jobId: JobId,
  fencingToken: FencingToken,
  uploadTicket: z.string().max(500),
  /** UTF-16 units of the answer before `text`; a repeat is recognised by it. */
  offset: z.int().min(0),
  text: z.string().max(TEXT_TOKENS_MAX * 16),
});
export type StreamBody = z.infer<typeof StreamBody>;
/** False: text before `offset` is missing; send from where it is whole. */
export const StreamAnswer = z.object({ appended: z.boolean() });
export type StreamAnswer = z.infer<typeof StreamAnswer>;

/** Asks for the next job in the same request; answered at once. */
const Next = Ask.extend({ holding: HeldLeases }).nullable();

export const CompleteBody = z.strictObject({
  sessionId: SessionId,
  lease: LeaseRef,
  artifacts: z.array(Artifact).max(ARTIFACTS_MAX),
  usage: Usage,
  timings: Timings,
  next: Next,
});
export type CompleteBody = z.infer<typeof CompleteBody>;

/** Why an attempt failed. `internal` to the operator: `detail` is logged, never shown to users. */
export const FailureCode = z.enum([
  'job_failed',
  'job_timeout',
  'engine_out_of_memory',
  'engine_rejected',
  'engine_unavailable',
  'model_unavailable',
  'content_blocked',
  'input_unreadable',
  'result_too_large',
]);
export type FailureCode = z.infer<typeof FailureCode>;

export const FailBody = z.strictObject({
  sessionId: SessionId,
  lease: LeaseRef,
  code: FailureCode,
  /** Whether another attempt may end better. */
  retryable: z.boolean(),
  detail: z.string().max(ENGINE_ERROR_CHARS_MAX),
  usage: Usage,
  timings: Timings,
  next: Next,
});
export type FailBody = z.infer<typeof FailBody>;

export const ReturnBody = z.strictObject({
  sessionId: SessionId,
  lease: LeaseRef,
  reason: z.enum(['cancelled', 'drain', 'engine_away']),
  usage: Usage,
  timings: Timings,
  next: Next,
});
export type ReturnBody = z.infer<typeof ReturnBody>;

/** How the attempt ended for the edge; `lease_lost` is an error answer, not one of these. */
export const EndAnswer = z.object({
  status: z.enum(['completed', 'failed', 'cancelled', 'queued']),
  next: AcquireAnswer.nullable(),
});
export type EndAnswer = z.infer<typeof EndAnswer>;

/** The session ends: its polls are given up and it is offline at once. */
export const LeaveBody = z.strictObject({ sessionId: SessionId });
export type LeaveBody = z.infer<typeof LeaveBody>;
export const LeaveAnswer = z.object({ left: z.literal(true) });
export type LeaveAnswer = z.infer<typeof LeaveAnswer>;
