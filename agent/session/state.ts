/**
 * The data of an agent's session: its state, what happens to it (events) and what it wants done
 * (actions). Plain values only; times are milliseconds of the agent's own clock.
 * Holds no rules: those are in the files beside this one and in ../session.ts.
 */
import type {
  AcquireAnswer,
  AcquireBody,
  Capabilities,
  CompleteBody,
  ControlAnswer,
  ControlBody,
  EndAnswer,
  FailBody,
  FailureCode,
  Health,
  LeasedJob,
  LeaseRef,
  RegisterAnswer,
  RegisterBody,
  RenewAnswer,
  RenewBody,
  ReturnBody,
} from '#schema/agent-protocol.ts';
import type { Progress } from '#schema/api.ts';
import type { Artifact } from '#schema/artifact.ts';
import type { ErrorCode } from '#schema/error.ts';
import type { Preview } from '#schema/event.ts';
import type { JobSpec } from '#schema/job.ts';
import type { ModelId } from '#schema/model.ts';
import type { Usage } from '#schema/usage.ts';

/** A granted lease without the work itself, which may be large and private. */
export type Grant = Omit<LeasedJob, 'spec'>;

/** How an attempt is to end. `artifacts` are null until the result is uploaded. */
export type End =
  | { readonly verb: 'complete'; readonly artifacts: readonly Artifact[] | null }
  | {
      readonly verb: 'fail';
      readonly code: FailureCode;
      readonly retryable: boolean;
      readonly detail: string;
    }
  | { readonly verb: 'return'; readonly reason: ReturnBody['reason'] };

export type StopReason = 'cancelled' | 'drain' | 'timeout';

/** `waiting` for the engine, `running`, `stopping` (engine told to), `ending` (edge to be told). */
export type Phase = 'waiting' | 'running' | 'stopping' | 'ending';

export interface Lease {
  /** Unique in this session, also when the same lease is given twice. */
  id: number;
  grant: Grant;
  /** Only until the run starts. */
  spec: JobSpec | null;
  phase: Phase;
  grantedAt: number;
  /** The first lease of its grant; those of one grant run together as far as the engine can. */
  batch: number;
  /** Since when it was to be had: the sending of an ask that was answered at once, or null. */
  hadFrom: number | null;
  /** It lapses then by our own reckoning: sending of the last request that confirmed it + lease. */
  liveUntil: number;
  startedAt: number | null;
  runEndedAt: number | null;
  stopFor: StopReason | null;
  progress: Progress | null;
  preview: Preview | null;
  /** Whether `progress` or `preview` has not been sent yet. */
  fresh: boolean;
  usage: Usage;
  loadMs: number;
  /** Its share of its run, without the loading. */
  serviceMs: number;
  end: End | null;
  /** The try under way to end it: the id of an upload or a call. */
  trying: number | null;
  retryAt: number;
  failures: number;
  /** Its result is in the spool. */
  kept: boolean;
  /** The edge said that it is lost while the call that ends it was on its way. */
  disowned: boolean;
}

interface Bodies {
  register: RegisterBody;
  acquire: AcquireBody;
  control: ControlBody;
  renew: RenewBody;
  complete: CompleteBody;
  fail: FailBody;
  return: ReturnBody;
}
interface Answers {
  register: RegisterAnswer;
  acquire: AcquireAnswer;
  control: ControlAnswer;
  renew: RenewAnswer;
  complete: EndAnswer;
  fail: EndAnswer;
  return: EndAnswer;
}
export type Verb = keyof Bodies;
export type BodyOf<V extends Verb> = Bodies[V];
export type AnswerOf<V extends Verb> = Answers[V];
export type Request = { [V in Verb]: { readonly verb: V; readonly body: Bodies[V] } }[Verb];
export type Answered = { [V in Verb]: { readonly verb: V; readonly answer: Answers[V] } }[Verb];

/** A request in flight. */
export interface Call {
  readonly id: number;
  readonly verb: Verb;
  readonly sentAt: number;
  /** Of a call that ends a lease. */
  readonly leaseId: number | null;
  /** Whether its answer may bring a job. */
  readonly asks: boolean;
  /** Whether it asked before the engine was free. */
  readonly ahead: boolean;
  /** Leases that it named. */
  readonly covers: readonly number[];
}

/** Why a call brought no answer. */
export type CallFailure = { readonly detail: string; readonly retryAfterMs: number | null } & (
  | { readonly reason: 'refused'; readonly code: ErrorCode }
  | { readonly reason: 'unreachable' | 'malformed' | 'aborted' }
);

/** When a kind of request may be sent again. */
export interface Pace {
  failures: number;
  notBefore: number;
}
export type Paced = 'register' | 'acquire' | 'control' | 'renew';

/** How much of a run was done at a moment, 0 to 1. */
export interface Mark {
  readonly at: number;
  readonly done: number;
}

/** Smoothed figures of the runs of one model. */
export interface Learned {
  /** Time of one job, without loading. */
  readonly ms: number;
  /** Length of a run by what its progress foretold: a text ends sooner, a picture is saved yet. */
  readonly stretch: number;
}

/** What has the engine: leases of one grant that run together. */
export interface Run {
  readonly model: ModelId;
  /** With how many it began. */
  readonly jobs: number;
  /** Those whose part goes on, also when the lease itself is gone. */
  readonly leases: readonly number[];
  /** When the work proper began; null as long as its model may still be loading. */
  readonly servedFrom: number | null;
  /** The first and the last that was told of its progress. */
  readonly first: Mark | null;
  readonly last: Mark | null;
}

/** The engine is another session's, or will be next. */
export interface Lent {
  /** When it should be free again, or null when nothing tells. */
  readonly freeAt: number | null;
}

export interface Session {
  readonly sessionId: string;
  readonly version: string;
  capabilities: Capabilities;
  /** How long a drain lets the running job go on, ms. */
  readonly drainMs: number;
  heartbeatMs: number;
  pollMs: number;
  registered: boolean;
  leases: Lease[];
  calls: Call[];
  run: Run | null;
  lent: Lent | null;
  /** When the engine last became free for this session. */
  freeAt: number;
  /** Whether the engines are being asked what they have, and no job may be asked for before. */
  discovering: boolean;
  /** Of calls that do not park: the smoothed time of one, and how far from it they are. */
  roundTrip: { readonly ms: number; readonly spreadMs: number } | null;
  /** What runs of a model took in this session. */
  learned: Readonly<Record<ModelId, Learned>>;
  /** Runs in a row that ended because their engine was away. */
  awayRuns: number;
  pace: Record<Paced, Pace>;
  /** When the last heartbeat was sent. */
  renewedAt: number;
  resident: readonly ModelId[];
  health: Health;
  drain: { readonly since: number; readonly byEdge: boolean } | null;
  exited: boolean;
  /** The last id given to a lease, call or upload. */
  sequence: number;
}

/** How a run of an engine ended. */
export type RunOutcome =
  | {
      readonly kind: 'done';
      /** Whether files or the rest of a text have to be sent before the end is told. */
      readonly delivers: boolean;
      readonly usage: Usage;
      readonly loadMs: number;
    }
  | {
      readonly kind: 'failed';
      readonly code: FailureCode;
      readonly retryable: boolean;
      readonly detail: string;
    }
  | { readonly kind: 'stopped' };

export type UploadFailure =
  | CallFailure
  | { readonly reason: 'unreadable'; readonly detail: string; readonly retryAfterMs: null };
export type UploadOutcome =
  | { readonly ok: true; readonly artifacts: readonly Artifact[] }
  | { readonly ok: false; readonly failure: UploadFailure };

/** What can happen to a session. */
export type Happening =
  | { readonly type: 'tick' }
  | ({ readonly type: 'answered'; readonly id: number } & Answered)
  | { readonly type: 'unanswered'; readonly id: number; readonly failure: CallFailure }
  | {
      readonly type: 'progressed';
      readonly lease: number;
      readonly progress: Progress | null;
      readonly preview: Preview | null;
      /** Work done so far, as far as the engine tells. */
      readonly usage: Usage;
    }
  | { readonly type: 'run_ended'; readonly lease: number; readonly outcome: RunOutcome }
  | {
      readonly type: 'upload_ended';
      readonly lease: number;
      readonly trying: number;
      readonly outcome: UploadOutcome;
    }
  /** A call outside this state machine (text stream) was told `lease_lost`. */
  | { readonly type: 'lease_refused'; readonly lease: number }
  | { readonly type: 'observed'; readonly resident: readonly ModelId[]; readonly health: Health }
  | { readonly type: 'discovered'; readonly capabilities: Capabilities }
  /** Several sessions share an engine: whether it is another's now or next. */
  | { readonly type: 'lent'; readonly lent: Lent | null }
  | { readonly type: 'drain' };

/** What happened, when, and a random number in [0, 1) to decide with. */
export type SessionEvent = Happening & { readonly at: number; readonly random: number };

export type JobOperation =
  | 'job.acquire'
  | 'job.start'
  | 'job.upload'
  | 'job.complete'
  | 'job.fail'
  | 'job.return'
  | 'job.cancel'
  | 'job.keep'
  | 'job.lost';
export type SessionOperation = 'session.register' | 'session.drain' | 'edge.away' | 'edge.back';

export type SessionAction =
  | ({ readonly do: 'call'; readonly id: number; readonly timeoutMs: number } & Request)
  | { readonly do: 'abort_call'; readonly id: number }
  /** Run these together; `run_ended` must follow for each. */
  | { readonly do: 'start'; readonly jobs: readonly StartedJob[] }
  /** Abort what the lease does: its part of a run, or its upload. */
  | { readonly do: 'stop'; readonly lease: number }
  | {
      readonly do: 'upload';
      readonly lease: number;
      readonly trying: number;
      readonly grant: Grant;
    }
  /** Put the result into the spool. */
  | ({ readonly do: 'keep'; readonly lease: number } & Kept)
  /** The lease is over: stop what it still does and remove its files. */
  | { readonly do: 'drop'; readonly lease: number }
  /** Ask the engines anew what they have; `discovered` must follow. */
  | { readonly do: 'discover' }
  | {
      readonly do: 'log';
      readonly op: JobOperation;
      readonly ref: LeaseRef;
      readonly attempt: number;
      readonly fields: Readonly<Record<string, string | number | boolean | null>>;
    }
  | {
      readonly do: 'log';
      readonly op: SessionOperation;
      readonly ref: null;
      readonly fields: Readonly<Record<string, string | number | boolean | null>>;
    }
  | { readonly do: 'exit'; readonly code: number; readonly reason: 'drained' | 'unauthorized' };

/** One job of a run that begins. */
export interface StartedJob {
  readonly lease: number;
  readonly grant: Grant;
  readonly spec: JobSpec;
}

/** A finished result that could not be delivered yet. */
export interface Kept {
  readonly grant: Grant;
  readonly usage: Usage;
  readonly loadMs: number;
  readonly serviceMs: number;
}

/** One turn of `step`: the state being made and the actions so far. */
export interface Turn {
  readonly state: Session;
  readonly at: number;
  readonly random: number;
  readonly actions: SessionAction[];
}

export function refOf(lease: Lease): LeaseRef {
  return { jobId: lease.grant.jobId, fencingToken: lease.grant.fencingToken };
}
