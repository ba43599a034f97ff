/**
 * The Worker's bindings, parsed once, and the interface of each Durable Object as its callers
 * see it over RPC. The only edge file that reads the raw environment.
 * Objects are named: an Account by its account id, a Scheduler by its pool, a Feed by its job id.
 */
import { z } from 'zod';
import type {
  AcquireAnswer,
  AcquireBody,
  CompleteBody,
  ControlAnswer,
  ControlBody,
  EndAnswer,
  FailBody,
  LeaseRef,
  LeaveAnswer,
  LeaveBody,
  RegisterAnswer,
  RegisterBody,
  RenewAnswer,
  RenewBody,
  ReturnBody,
} from '#schema/agent-protocol.ts';
import type { AgentView, Availability, Progress, QueueOverview } from '#schema/api.ts';
import type { Preview, TextDelta } from '#schema/event.ts';
import { PoolId } from '#schema/id.ts';
import type { JobSpec } from '#schema/job.ts';
import type { PlanId } from '#schema/plan.ts';
import type { JobOrder, JobRecord, JobWaiting, LiveJob } from '#schema/record.ts';
import type { PlanRefusal } from './core/admission.ts';
import type { Result } from './core/result.ts';
import type { EnqueueRefusal } from './core/wait.ts';

/** How a rate limit stands after a request; for the `RateLimit-*` headers. */
export interface RateState {
  readonly limit: number;
  readonly remaining: number;
  readonly resetMs: number;
}

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
  /** Verifies a key and counts one request. */
  authenticate(secretHash: string): Promise<Result<Principal, AccessRefusal>>;
  submit(secretHash: string, input: SubmitInput): Promise<Result<Submitted, AdmissionRefusal>>;
  /**
   * Several jobs in one go, each admitted by itself. Counts as one request, or as many as jobs
   * were refused: each asks of the account and its pool what a request of its own would.
   */
  submitAll(
    secretHash: string,
    inputs: readonly SubmitInput[],
  ): Promise<Result<SubmittedAll, AccessRefusal>>;
  quote(secretHash: string, input: SubmitInput): Promise<Result<Quote, AccessRefusal>>;
  state(
    secretHash: string,
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

/** What a pool offers now. */
export interface PoolSurvey {
  readonly models: Readonly<Record<string, Availability>>;
  readonly agentsOnline: number;
  readonly agentsKnown: number;
}

export type AgentRefusal =
  | { readonly reason: 'unauthorized' }
  | { readonly reason: 'not_registered' }
  | { readonly reason: 'lease_lost'; readonly lease: LeaseRef };

/** A long poll: its answer, or the place where it waits. */
export type Poll<T> = { readonly answer: T } | { readonly parked: ParkedPoll<T> };

/** A parked poll. It is given up when its caller disposes of it or is gone. */
export interface ParkedPoll<T> {
  wait(): Promise<T>;
  [Symbol.dispose](): void;
}

/** Who calls the Scheduler on behalf of an agent. */
export interface AgentCredential {
  readonly agentId: string;
  readonly secretHash: string;
}

export interface EnqueueOptions {
  /** Its user already has our word: it is then never refused. */
  readonly accepted: boolean;
  /** Its user took it back before it came here. */
  readonly cancelled: boolean;
}

/** A job that was taken, as it stands, or why it was not. */
export type Enqueued = Result<LiveJob, EnqueueRefusal>;
/** What came of an offer; null for no answer: then the job may or may not have been taken. */
export type Offered = Enqueued | null;

/** One pool: its queue, agents and leases; the truth of every live job. */
export interface SchedulerObject {
  /** Takes a job, once however often it is called. */
  enqueue(order: JobOrder, options: EnqueueOptions): Promise<Enqueued>;
  /**
   * Takes jobs in one go, each by itself; answers in their order. One that came too late, for
   * example, gets no answer.
   */
  enqueueAll(orders: readonly JobOrder[], options: EnqueueOptions): Promise<Offered[]>;
  /** Would `enqueue` take it, and when would it start? Changes nothing. */
  preview(order: JobOrder): Promise<Result<JobWaiting, EnqueueRefusal>>;
  /** A job of this account that is live or not yet in the history, or null. */
  find(jobId: string, accountId: string): Promise<LiveJob | null>;
  /** As `find`; from now on the job's Feed is told of every change. */
  watch(jobId: string, accountId: string): Promise<LiveJob | null>;
  cancel(jobId: string, accountId: string): Promise<CancelResult>;
  /** Of these jobs, those that are here: live, or ended and not yet in the history. */
  known(jobIds: readonly string[]): Promise<readonly string[]>;
  survey(): Promise<PoolSurvey>;
  overview(): Promise<QueueOverview>;

  /** False when the pool has as many agents as it may. */
  issueAgent(input: {
    agentId: string;
    name: string;
    secretHash: string;
    requestId: string;
  }): Promise<boolean>;
  revokeAgent(agentId: string, requestId: string): Promise<boolean>;
  drainAgent(agentId: string, requestId: string): Promise<boolean>;
  agents(): Promise<AgentView[]>;

  register(
    agent: AgentCredential,
    body: RegisterBody,
  ): Promise<Result<RegisterAnswer, AgentRefusal>>;
  /** Parks until a job is there; the caller stops waiting after `waitMs`. */
  acquire(
    agent: AgentCredential,
    body: AcquireBody,
  ): Promise<Result<Poll<AcquireAnswer>, AgentRefusal>>;
  /** `watched` lists the jobs whose Feed wants progress. */
  renew(
    agent: AgentCredential,
    body: RenewBody,
  ): Promise<Result<RenewAnswer & { watched: readonly string[] }, AgentRefusal>>;
  control(
    agent: AgentCredential,
    body: ControlBody,
  ): Promise<Result<Poll<ControlAnswer>, AgentRefusal>>;
  complete(agent: AgentCredential, body: CompleteBody): Promise<Result<EndAnswer, AgentRefusal>>;
  fail(agent: AgentCredential, body: FailBody): Promise<Result<EndAnswer, AgentRefusal>>;
  return(agent: AgentCredential, body: ReturnBody): Promise<Result<EndAnswer, AgentRefusal>>;
  leave(agent: AgentCredential, body: LeaveBody): Promise<Result<LeaveAnswer, AgentRefusal>>;
}

/** One job's live events. */
export interface FeedObject {
  /** Idempotent on the record's sequence. */
  publish(record: JobRecord): Promise<void>;
  progress(progress: Progress, preview: Preview | null): Promise<void>;
  /** Appends text at its offset; a repeat changes nothing. False when a part before it is missing. */
  text(fencingToken: number, delta: TextDelta): Promise<boolean>;
  /**
   * Server-sent events after `lastEventId` (0 = from the start), then live ones until the job
   * ends. `record` is the caller's knowledge, used when it is newer; `origin` is that of the
   * result's URLs. Null when there are too many readers.
   */
  subscribe(reader: {
    record: JobRecord;
    lastEventId: number;
    origin: string;
  }): Promise<Subscription | null>;
}

/** A reader's events, and its place among the readers: to be disposed of when it has left. */
export interface Subscription {
  readonly events: ReadableStream<Uint8Array>;
  /** The platform disposes of it too when the request that holds it ends. */
  readonly place: { [Symbol.dispose](): void };
}

/** Durable Objects of one class, by name. */
export interface Objects<T> {
  getByName(name: string): T;
}

/** What the platform binds; see wrangler.toml. */
export interface Bindings {
  ENVIRONMENT: string;
  PUBLIC_URL?: string;
  POOLS?: string;
  DATABASE_URL?: string;
  DATABASE_WS_PROXY?: string;
  ADMIN_KEY?: string;
  SIGNING_KEY?: string;
  METRICS_TOKEN?: string;
  ACCOUNT: Objects<AccountObject>;
  SCHEDULER: Objects<SchedulerObject>;
  FEED: Objects<FeedObject>;
  ARTIFACTS: R2Bucket;
  ASSETS?: Fetcher;
}

const Settings = z.object({
  ENVIRONMENT: z.enum(['local', 'production']),
  PUBLIC_URL: z.url().optional(),
  POOLS: z
    .string()
    .default('main')
    .transform((list) => list.split(',').map((pool) => pool.trim()))
    .pipe(z.array(PoolId).min(1)),
  DATABASE_URL: z.string().min(1),
  DATABASE_WS_PROXY: z.string().optional(),
  ADMIN_KEY: z.string().min(24, 'ADMIN_KEY needs at least 24 characters'),
  SIGNING_KEY: z.string().min(32, 'SIGNING_KEY needs at least 32 characters'),
  METRICS_TOKEN: z.string().min(16).optional(),
});

/** Settings and bindings, checked: what all edge code is given. */
export interface Env {
  readonly environment: 'local' | 'production';
  /** Origin of public URLs, or null: then the request's own. */
  readonly publicUrl: string | null;
  readonly pools: readonly string[];
  readonly databaseUrl: string;
  readonly databaseWsProxy: string | null;
  readonly adminKey: string;
  readonly signingKey: string;
  readonly metricsToken: string | null;
  readonly accounts: Objects<AccountObject>;
  readonly schedulers: Objects<SchedulerObject>;
  readonly feeds: Objects<FeedObject>;
  readonly artifacts: R2Bucket;
  /** The site's static files; absent in tests. */
  readonly assets: Fetcher | null;
}

const PARSED = new WeakMap<Bindings, Env>();

/** Checks the bindings once per isolate; throws a sentence that names what is missing. */
export function parseEnv(bindings: Bindings): Env {
  const known = PARSED.get(bindings);
  if (known) return known;
  const settings = Settings.safeParse(bindings);
  if (!settings.success) {
    throw new Error(`settings: ${z.prettifyError(settings.error)}`);
  }
  const env: Env = {
    environment: settings.data.ENVIRONMENT,
    publicUrl: settings.data.PUBLIC_URL?.replace(/\/$/, '') ?? null,
    pools: settings.data.POOLS,
    databaseUrl: settings.data.DATABASE_URL,
    databaseWsProxy: settings.data.DATABASE_WS_PROXY ?? null,
    adminKey: settings.data.ADMIN_KEY,
    signingKey: settings.data.SIGNING_KEY,
    metricsToken: settings.data.METRICS_TOKEN ?? null,
    accounts: bindings.ACCOUNT,
    schedulers: bindings.SCHEDULER,
    feeds: bindings.FEED,
    artifacts: bindings.ARTIFACTS,
    assets: bindings.ASSETS ?? null,
  };
  PARSED.set(bindings, env);
  return env;
}

/** The Hono environment: bindings, and what middleware leaves for the routes. */
export interface AppEnv {
  Bindings: Bindings;
  Variables: { env: Env; requestId: string; origin: string };
}
