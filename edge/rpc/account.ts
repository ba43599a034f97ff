/** The Account object as its callers see it over RPC. */
import type { JobSpec } from '#schema/job.ts';
import type { PlanId } from '#schema/plan.ts';
import type { JobRecord, JobWaiting, LiveJob, Notice } from '#schema/record.ts';
import type { Scope } from '#schema/scope.ts';
import type { WebhookEndpointRow } from '#schema/webhook.ts';
import type { PlanRefusal } from '../core/admission.ts';
import type { Result } from '../core/result.ts';
import type { EnqueueRefusal } from '../core/wait.ts';
import type { Packed } from './packed.ts';

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
  | { readonly reason: 'key_expired'; readonly expiredAt: number }
  | { readonly reason: 'account_blocked' }
  | { readonly reason: 'plan_required'; readonly needed: PlanId; readonly what: string }
  | { readonly reason: 'scope_required'; readonly scope: Scope; readonly rate: RateState }
  | {
      readonly reason: 'rate_limited';
      readonly scope: 'account' | 'key';
      readonly retryAfterMs: number;
      readonly rate: RateState;
    };

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
  | {
      readonly reason: 'key_budget_exhausted';
      readonly neededMillitokens: number;
      readonly availableMillitokens: number;
      readonly limitMillitokens: number;
      readonly renewsAt: number;
    }
  | {
      readonly reason: 'model_not_allowed';
      readonly model: string;
      readonly allowed: readonly string[];
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

/** A request with an idempotency key, which may have been made before. */
export interface Repeat {
  readonly idempotencyKey: string;
  readonly bodyHash: string;
}

/** The job that each of some requests made, in their order; null for one that made none. */
export interface Recalled {
  readonly principal: Principal;
  readonly jobs: readonly Result<string | null, AdmissionRefusal>[];
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
  /** When a granted plan ends and `planAfter` begins; null for no end. */
  readonly planUntil: number | null;
  readonly planAfter: PlanId;
  readonly day: string;
  readonly spentMillitokens: number;
  readonly heldMillitokens: number;
  /** What the operator gave for the day, beyond the plan. */
  readonly grantedMillitokens: number;
  /** The plan's and what was granted. */
  readonly limitMillitokens: number;
  readonly renewsAt: number;
  readonly jobsOpen: number;
}

/** An API key as its Account knows it; never its secret or a hash of it. */
export interface KeyState {
  readonly id: string;
  readonly name: string;
  /** The last characters of its secret. */
  readonly hint: string;
  /** Empty for all. */
  readonly scopes: readonly Scope[];
  /** Null for all. */
  readonly models: readonly string[] | null;
  readonly requestsPerMinute: number | null;
  readonly budget: {
    readonly day: string;
    readonly limitMillitokens: number;
    readonly spentMillitokens: number;
    readonly heldMillitokens: number;
    readonly renewsAt: number;
  } | null;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  readonly usedAt: number | null;
  /** Until when the secret before the last rotation works. */
  readonly overlapUntil: number | null;
}

/** A key to be made; its secret stays with the caller. */
export interface NewKey {
  readonly id: string;
  readonly secretHash: string;
  readonly hint: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly models: readonly string[] | null;
  readonly dailyMillitokens: number | null;
  readonly requestsPerMinute: number | null;
  readonly expiresAt: number | null;
  /** The request it is made for, where that may come again. */
  readonly repeat?: Repeat;
}

/** Who does something to an account, for the audit. */
export interface Deed {
  /** `admin`, an account id, a key id or an identity. */
  readonly actor: string;
  readonly requestId: string;
  /** The operator says why. */
  readonly reason: string | null;
}

/** Who changes keys: null for the account's owner, or the key that is used for it. */
export interface KeyChange extends Deed {
  readonly byKeyId: string | null;
}

/** Why a key is not made, rotated or revoked. */
export type KeyRefusal =
  | { readonly reason: 'key_not_found' }
  | { readonly reason: 'too_many_keys'; readonly limit: number }
  /** The request was made before, with another body. */
  | { readonly reason: 'idempotency_conflict' }
  /** The request was made before; the key it made was rotated or revoked since. */
  | { readonly reason: 'key_changed' }
  /** A key may not give what it does not have itself. */
  | { readonly reason: 'key_too_narrow'; readonly scopes: readonly Scope[] };

/** What the operator does to an account. */
export type Measure =
  | { readonly kind: 'set_plan'; readonly plan: PlanId; readonly until: number | null }
  /** Tokens for the UTC day of now; a repeat with the same `grantId` gives them once. */
  | { readonly kind: 'grant'; readonly grantId: string; readonly millitokens: number }
  | { readonly kind: 'block' }
  | { readonly kind: 'unblock' }
  /** Changes nothing: the audit tells what was done elsewhere for this account. */
  | {
      readonly kind: 'note';
      readonly action: string;
      readonly target: string;
      readonly detail: Readonly<Record<string, string>>;
    };

/** Who changes the list of webhook endpoints, and how. */
export interface EndpointChange extends Deed {
  readonly action: 'webhook.create' | 'webhook.update' | 'webhook.enable';
  /** For the audit; never a URL, which may hold a secret. */
  readonly detail?: Readonly<Record<string, unknown>>;
  /** The request that an endpoint is made for, where it may come again. */
  readonly repeat?: Repeat;
}

/** Why a webhook endpoint is not kept. */
export type EndpointPutRefusal =
  | { readonly reason: 'endpoint_not_found' }
  | { readonly reason: 'too_many_webhooks'; readonly limit: number }
  | { readonly reason: 'idempotency_conflict' };

/** Why the operator's decision is not carried out. */
export type MeasureRefusal =
  | { readonly reason: 'account_not_found' }
  /** A grant with this id was made, of other tokens or for another reason. */
  | { readonly reason: 'idempotency_conflict' };

/** All the operator sees of an account. */
export interface AccountProfile {
  readonly name: string;
  readonly createdAt: number;
  /** Why it is blocked, or null when it is not. */
  readonly blockReason: string | null;
  readonly state: AccountState;
  readonly keys: readonly KeyState[];
  readonly endpoints: readonly WebhookEndpointRow[];
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
  /** Makes the account, with its first key if there is one. False when it already exists. */
  create(input: {
    id: string;
    name: string;
    plan: PlanId;
    apiKey: { readonly id: string; readonly secretHash: string; readonly hint: string } | null;
    actor: string;
    requestId: string;
  }): Promise<boolean>;
  /** Its keys that are not revoked, oldest first. */
  keys(): Promise<readonly KeyState[]>;
  makeKey(key: NewKey, change: KeyChange): Promise<Result<KeyState, KeyRefusal>>;
  /** Gives a key a new secret; the old one works for `overlapMs` more. */
  rotateKey(
    key: {
      readonly id: string;
      readonly secretHash: string;
      readonly hint: string;
      readonly overlapMs: number;
    },
    change: KeyChange,
  ): Promise<Result<KeyState, KeyRefusal>>;
  /** Revokes a key. False when there is no such key. */
  revokeKey(apiKeyId: string, deed: Deed): Promise<boolean>;
  /** Verifies the caller, and that its key may do this; counts one request. */
  authenticate(caller: Caller, scope: Scope): Promise<Result<Principal, AccessRefusal>>;
  submit(
    caller: Caller,
    input: Packed<SubmitInput>,
  ): Promise<Packed<Result<Submitted, AdmissionRefusal>>>;
  /**
   * Several jobs in one go, each admitted by itself. Counts as one request, or as many as jobs
   * were refused: each asks of the account and its pool what a request of its own would.
   */
  submitAll(
    caller: Caller,
    inputs: Packed<readonly SubmitInput[]>,
  ): Promise<Packed<Result<SubmittedAll, AccessRefusal>>>;
  /** Verifies the caller and finds the jobs of earlier requests; counts nothing. */
  recall(caller: Caller, repeats: readonly Repeat[]): Promise<Result<Recalled, AccessRefusal>>;
  quote(caller: Caller, input: SubmitInput): Promise<Result<Quote, AccessRefusal>>;
  state(
    caller: Caller,
  ): Promise<
    Result<{ principal: Principal; account: AccountState; key: KeyState | null }, AccessRefusal>
  >;
  /** Does what the operator decided and audits it; how the account stands then. */
  administer(measure: Measure, deed: Deed): Promise<Result<AccountProfile, MeasureRefusal>>;
  /** How the account stands, for the operator; null when it was never made. */
  profile(): Promise<AccountProfile | null>;
  /** Keeps or replaces a webhook endpoint; the id of the one that the same request made before. */
  putEndpoint(
    endpoint: WebhookEndpointRow,
    change: EndpointChange,
  ): Promise<Result<string, EndpointPutRefusal>>;
  /** False when there is no such endpoint. */
  deleteEndpoint(id: string, deed: Deed): Promise<boolean>;
  endpoints(): Promise<readonly WebhookEndpointRow[]>;
  /** No more is sent to it until it is put again. False when there is no such endpoint. */
  disableEndpoint(id: string): Promise<boolean>;
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
