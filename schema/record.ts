/**
 * The record of a job as the edge's parts hand it to one another: by the Scheduler to the
 * Account (settlement), the Feed (live state) and Postgres (history). Receivers are idempotent
 * on (id, sequence): a record replaces any with a lower sequence.
 */
import type { Artifact } from './artifact.ts';
import type { Progress } from './api.ts';
import type { ChatAddress } from './chat.ts';
import type { ErrorCode } from './error.ts';
import type { JobSpec, JobStatus } from './job.ts';
import type { Tier } from './plan.ts';
import type { Timings, Usage } from './usage.ts';

/** Who is to be told how a job goes, beside those who ask. */
export type Notice = WebhookNotice | ChatNotice;

/** An HTTPS endpoint, told of the job's end. */
export interface WebhookNotice {
  readonly kind: 'webhook';
  /** Name of the courier object: the endpoint's id, or `job:<account id>` for a URL of one job. */
  readonly courier: string;
  /** Only for a URL of one job; a registered endpoint's are the courier's own. */
  readonly url: string | null;
  readonly secret: string | null;
}

/** A chat, told of every change of the job and of its progress. */
export interface ChatNotice {
  readonly kind: 'chat';
  /** The bot's id, which names the courier object. */
  readonly courier: string;
  readonly chat: ChatAddress;
}

/** What is known of a job from its admission on, and never changes. */
export interface JobOrder {
  readonly id: string;
  readonly accountId: string;
  readonly apiKeyId: string | null;
  readonly requestId: string;
  readonly tier: Tier;
  readonly spec: JobSpec;
  readonly metadata: Readonly<Record<string, string>>;
  readonly heldMillitokens: number;
  /** UTC day (YYYY-MM-DD) whose tokens are held. */
  readonly day: string;
  readonly createdAt: number;
  /** Epoch ms by which it must start, or null. */
  readonly deadlineAt: number | null;
  readonly notices: readonly Notice[];
  /** Of a job whose Account may not have written it yet: all else that it would restore. */
  readonly ahead?: AheadMark;
}

/** What an Account knows of a job beside its order. */
export interface AheadMark {
  /** Counts the account's jobs that were taken so. */
  readonly ordinal: number;
  readonly idempotency: { readonly key: string; readonly bodyHash: string } | null;
}

/** Why a job failed, in words for its user. */
export interface JobFailure {
  readonly code: ErrorCode;
  readonly message: string;
}

/** A job as it stands. Times are epoch milliseconds. */
export interface JobRecord extends JobOrder {
  readonly status: JobStatus;
  readonly sequence: number;
  readonly attempt: number;
  readonly agentId: string | null;
  readonly queuedAt: number | null;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  readonly cancelRequestedAt: number | null;
  readonly settledMillitokens: number | null;
  readonly artifacts: readonly Artifact[];
  readonly usage: Usage;
  readonly timings: Timings | null;
  readonly error: JobFailure | null;
}

/** Where a waiting job stands, computed when asked. */
export interface JobWaiting {
  readonly position: number;
  /** Jobs that go first, and the GPU time they take, by tier. */
  readonly ahead: Readonly<Record<Tier, number>>;
  readonly aheadMs: Readonly<Record<Tier, number>>;
  readonly modelState: 'resident' | 'loading' | 'cold';
  /** Agents online that can run it. */
  readonly agents: number;
  readonly reason: string;
  readonly earliestStartAt: number | null;
  readonly latestStartAt: number | null;
}

/** A live job with what only the Scheduler knows. */
export interface LiveJob {
  readonly record: JobRecord;
  readonly progress: Progress | null;
  readonly waiting: JobWaiting | null;
}
