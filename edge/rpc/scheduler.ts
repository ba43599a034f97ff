/** The Scheduler object as its callers see it over RPC. */
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
import type { AgentView, Availability, QueueOverview } from '#schema/api.ts';
import type { JobOrder, JobWaiting, LiveJob } from '#schema/record.ts';
import type { Result } from '../core/result.ts';
import type { EnqueueRefusal } from '../core/wait.ts';
import type { CancelResult } from './account.ts';
import type { Packed } from './packed.ts';

/** What a pool offers now. */
export interface PoolSurvey {
  readonly models: Readonly<Record<string, Availability>>;
  /** Those of agents that were heard of lately: they may be had soon. */
  readonly recent: readonly string[];
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

/** An agent's credential on the request that opens its socket. */
export const SOCKET_HEADERS = { agentId: 'x-agent-id', secretHash: 'x-secret-hash' } as const;

export interface EnqueueOptions {
  /** Its user already has our word: it is then never refused. */
  readonly accepted: boolean;
  /** Its user took it back before it came here. */
  readonly cancelled: boolean;
  /** The life of the Account that offers it; a first offer of an earlier life is not taken. */
  readonly epoch?: number;
}

/** What did this account take ahead of its disk, after that ordinal? Asked by its life `epoch`. */
export interface AheadQuestion {
  readonly accountId: string;
  readonly epoch: number;
  readonly after: number;
}

/** Jobs that an account took ahead of its disk, in their order. */
export interface TakenAhead {
  readonly orders: readonly JobOrder[];
  /** Ask again, after the last of these. */
  readonly isMore: boolean;
}

/** A job that was taken, as it stands, or why it was not. */
export type Enqueued = Result<LiveJob, EnqueueRefusal>;
/** What came of an offer; null for no answer: then the job may or may not have been taken. */
export type Offered = Enqueued | null;

/** What came of a heartbeat, and who else wants its news. */
export interface Renewal extends RenewAnswer {
  /** Jobs whose Feed wants progress. */
  readonly watched: readonly string[];
  /** Jobs that chats follow, with the bots. */
  readonly chats: readonly { readonly jobId: string; readonly courier: string }[];
}

/** One pool: its queue, agents and leases; the truth of every live job. */
export interface SchedulerObject {
  /** Takes a job, once however often it is called. */
  enqueue(order: JobOrder, options: EnqueueOptions): Promise<Enqueued>;
  /**
   * Takes jobs in one go, each by itself; answers in their order. One that came too late, for
   * example, gets no answer.
   */
  enqueueAll(
    orders: Packed<readonly JobOrder[]>,
    options: EnqueueOptions,
  ): Promise<Packed<readonly Offered[]>>;
  /**
   * What this account took ahead of its disk after that ordinal. From now on first offers of
   * lives before `epoch` are not taken.
   */
  takenAhead(question: AheadQuestion): Promise<TakenAhead>;
  /** Would `enqueue` take it, and when would it start? Changes nothing. */
  preview(order: JobOrder): Promise<Result<JobWaiting, EnqueueRefusal>>;
  /** A job of this account (null: anyone's), live or not yet in the history; or null. */
  find(jobId: string, accountId: string | null): Promise<LiveJob | null>;
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
    reason?: string | undefined;
  }): Promise<boolean>;
  revokeAgent(agentId: string, requestId: string, reason?: string): Promise<boolean>;
  drainAgent(agentId: string, requestId: string, reason?: string): Promise<boolean>;
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
  renew(agent: AgentCredential, body: RenewBody): Promise<Result<Renewal, AgentRefusal>>;
  control(
    agent: AgentCredential,
    body: ControlBody,
  ): Promise<Result<Poll<ControlAnswer>, AgentRefusal>>;
  complete(agent: AgentCredential, body: CompleteBody): Promise<Result<EndAnswer, AgentRefusal>>;
  fail(agent: AgentCredential, body: FailBody): Promise<Result<EndAnswer, AgentRefusal>>;
  return(agent: AgentCredential, body: ReturnBody): Promise<Result<EndAnswer, AgentRefusal>>;
  leave(agent: AgentCredential, body: LeaveBody): Promise<Result<LeaveAnswer, AgentRefusal>>;
  /** Opens the socket of the agent that SOCKET_HEADERS name: 101, or 401. */
  fetch(request: Request): Promise<Response>;
}
