/** The Account object as its callers see it over RPC. */
import type { JobSpec } from '#schema/job.ts';
import type { PlanId } from '#schema/plan.ts';
import type { JobRecord, JobWaiting, LiveJob, Notice } from '#schema/record.ts';
import type { Scope } from '#schema/scope.ts';
import type { PlanRefusal } from '../core/admission.ts';
import type { Result } from '../core/result.ts';
import type { EnqueueRefusal } from '../core/wait.ts';

/** How a rate limit stands after a request; for the `RateLimit-*` headers. */
export interface RateState {
  readonly limit: number;
  readonly remaining: number;
  readonly resetMs: number;
}

/** Who calls: the holder of a key, or a bot of ours for a user whom its platform has verified. */
export type Caller =
  | { readonly kind: 'key'; readonly secretHash: string }
  | { readonly kind: 'identity' };

/** Who a request speaks for, once its key was verified. */
export interface Principal {
  readonly accountId: string;
  readonly apiKeyId: string | null;
  readonly plan: PlanId;
  readonly rate: RateState;
}

/** Why a credential opens nothing. */
export type AccessRefusal =
  | { readonly reason: 'unauthorized' }
  | { readonly reason: 'account_blocked' }
  | { readonly reason: 'plan_required'; readonly needed: PlanId; readonly what: string }
  | { readonly reason: 'rate_limited'; readonly retryAfterMs: number; readonly rate: RateState };

/** Why a job is not admitted, and how the rate stands when the request was counted. */
export type AdmissionRefusal = { readonly rate?: RateState } & (
  | AccessRefusal
  | PlanRefusal
  | EnqueueRefusal
  | { readonly reason: 'idempotency_conflict' }
  | {
      readonly reason: 'tokens_exhausted';
      readonly neededMillitokens: number;
      readonly availableMillitokens: number;
      readonly limitMillitokens: number;
      readonly renewsAt: number;
    }
  | { readonly reason: 'too_many_jobs'; readonly limit: number }
);

export interface SubmitInput {
  readonly jobId: string;
  readonly pool: string;
  readonly spec: JobSpec;
  readonly metadata: Readonly<Record<string, string>>;
  readonly deadlineS: number | null;
  readonly idempotencyKey: string | null;
  /** SHA-256 of the canonical body, hex; empty where there is no key to compare it for. */
  readonly bodyHash: string;
  readonly requestId: string;
  /** Beside the account's own endpoints, which the Account adds. */
  readonly notices: readonly Notice[];
}

/** `replayed` names the job an earlier request with the same key made. */
export type Submitted =
  | { readonly replayed: false; readonly principal: Principal; readonly job: LiveJob }
  | { readonly replayed: true; readonly principal: Principal; readonly jobId: string };

/** What became of each job of a submit, in their order. */
export interface SubmittedAll {
  readonly principal: Principal;
  readonly jobs: readonly Result<Submitted, AdmissionRefusal>[];
}

/** What a dry run learns. */
export interface Quote {
  readonly principal: Principal;
  readonly heldMillitokens: number;
  readonly refusal: AdmissionRefusal | null;
  readonly waiting: JobWaiting | null;
}

export interface AccountState {
  readonly id: string;
  readonly plan: PlanId;
  readonly day: string;
  readonly spentMillitokens: number;
  readonly heldMillitokens: number;
  readonly limitMillitokens: number;
  readonly renewsAt: number;
  readonly jobsOpen: number;
}

/** What came of a cancel. */
export type CancelResult = 'cancelled' | 'cancel_requested' | 'already_finished' | 'unknown';

/** One settlement: what the Scheduler tells the Account of a job that ended. */
export interface Settlement {
  readonly jobId: string;
  readonly settledMillitokens: number;
}

/** One account: its keys, limits, holds and the jobs it has accepted. */
export interface AccountObject {
  /** Makes the account with its first key. False when it already exists. */
  create(input: {
    id: string;
    name: string;
    plan: PlanId;
    apiKeyId: string;
    secretHash: string;
    requestId: string;
  }): Promise<boolean>;
  /** Revokes a key. False when there is no such key. */
  revokeKey(apiKeyId: string, requestId: string): Promise<boolean>;
  /** Verifies the caller, and that its key may do this; counts one request. */
  authenticate(caller: Caller, scope: Scope): Promise<Result<Principal, AccessRefusal>>;
  submit(caller: Caller, input: SubmitInput): Promise<Result<Submitted, AdmissionRefusal>>;
  /**
   * Several jobs in one go, each admitted by itself. Counts as one request, or as many as jobs
   * were refused: each asks of the account and its pool what a request of its own would.
   */
  submitAll(
    caller: Caller,
    inputs: readonly SubmitInput[],
  ): Promise<Result<SubmittedAll, AccessRefusal>>;
  quote(caller: Caller, input: SubmitInput): Promise<Result<Quote, AccessRefusal>>;
  state(
    caller: Caller,
  ): Promise<Result<{ principal: Principal; account: AccountState }, AccessRefusal>>;
  /** A job accepted here that the Scheduler may not know yet, or null. Caller has authenticated. */
  findCreated(jobId: string): Promise<JobRecord | null>;
  /** Cancels a job whose hand-over was not answered yet; it still passes the Scheduler. */
  cancelCreated(jobId: string): Promise<CancelResult>;
  /**
   * Ends holds; a job that is no longer open is skipped. Answers the jobs that need nothing
   * more: one whose hand-over is under way is left out, so that the offer still finds it known.
   */
  settle(settlements: readonly Settlement[]): Promise<readonly string[]>;
}
