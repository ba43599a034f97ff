/**
 * The state of one pool, and the changes it is made of: its live jobs, the lines they wait in,
 * its agents, and what it has learned. Data alone: `evolve` alters it, one `Change` at a time.
 *
 * A job's way: enqueued -> granted -> ended, with requeued and cancel_requested between.
 * It keeps its tag and place from the first enqueue to its end, so a job handed back goes to the
 * front. The state is an index: bodies and results stay with the store.
 */
import type { Capabilities } from '#schema/agent-protocol.ts';
import type { Artifact } from '#schema/artifact.ts';
import type { JobStatus } from '#schema/job.ts';
import { TIERS } from '#schema/plan.ts';
import type { Tier } from '#schema/plan.ts';
import type { JobFailure, JobOrder } from '#schema/record.ts';
import type { Timings, Usage } from '#schema/usage.ts';
import type { Figures } from './figures.ts';
import { firstErrors } from './forecast.ts';
import type { Errors } from './forecast.ts';
import type { Line } from './line.ts';
import { SortedNumbers } from './sorted.ts';

/** The right of one agent session to run one attempt. */
export interface Lease {
  readonly agentId: string;
  readonly sessionId: string;
  readonly expiresAt: number;
}

/** A job in the index: what choosing, leasing and expiry need of it. Times are epoch ms. */
export interface LiveEntry {
  readonly id: string;
  readonly accountId: string;
  readonly tier: Tier;
  model: string;
  /** Jobs of the same key may run as one batch; empty when this one never may. */
  batchKey: string;
  /** Its price, the measure of its work. */
  readonly millitokens: number;
  /** Number of its arrival; unique, given once. */
  readonly place: number;
  /** Its fair start, by which its tier is ordered. */
  readonly tag: number;
  /** From there to the fair start of its account's next. */
  readonly spanMs: number;
  readonly deadlineAt: number | null;
  readonly queuedAt: number;
  status: Exclude<JobStatus, 'created'>;
  sequence: number;
  /** Counted executions, the running one included. */
  attempt: number;
  /** The newest grant's token; 0 before the first. */
  fencingToken: number;
  lease: Lease | null;
  startedAt: number | null;
  cancelRequestedAt: number | null;
  /** When its run should end, by what was known at its grant; null while it waits. */
  expectedEndAt: number | null;
  /** Times a younger model was loaded while this one was the first of its line. */
  skipped: number;
  /** Its wait as reckoned when it came; null when no agent was online. */
  readonly foreseenMs: number | null;
  /** The agent that failed it last, or null: another one tries first. */
  failedBy: string | null;
}

/** An agent as the pool knows it. */
export interface AgentEntry {
  readonly id: string;
  readonly name: string;
  readonly secretHash: string;
  readonly createdAt: number;
  capabilities: Capabilities | null;
  models: ReadonlySet<string>;
  /** Most jobs of a model that run as one batch. */
  batchMax: ReadonlyMap<string, number>;
  resident: readonly string[];
  sessionId: string | null;
  draining: boolean;
  revoked: boolean;
  lastSeenAt: number | null;
  /** Jobs it holds a lease on. */
  readonly leases: Set<string>;
  /** GPU time it spent on others since this job is the first of its tier. */
  readonly ledger: Record<Tier, Debt | null>;
}

/** What an agent owes to the head of a tier that it passed over. */
export interface Debt {
  readonly jobId: string;
  readonly ms: number;
}

/** How an attempt or a job ended, with what the store keeps of it. */
export interface Outcome {
  readonly status: 'completed' | 'failed' | 'cancelled';
  readonly settledMillitokens: number;
  readonly artifacts: readonly Artifact[];
  readonly usage: Usage;
  readonly timings: Timings | null;
  readonly error: JobFailure | null;
}

/** By what right a job was chosen, and at whose expense. */
export interface Turn {
  /** The head of its tier that it goes before, and the GPU time that takes; or null. */
  readonly bypassed: Debt | null;
  /** First jobs of older lines whose model was not loaded this time. */
  readonly skipped: readonly string[];
  /** Tag of the head of its tier when it was chosen. */
  readonly headTag: number;
  /** GPU time taken from the escape budget: above 0, it goes before a higher tier. */
  readonly escapeMs: number;
}

/** One thing that happened; the only input of `evolve` and of the store. */
export type Change =
  | {
      readonly kind: 'job_enqueued';
      readonly order: JobOrder;
      readonly place: number;
      readonly tag: number;
      readonly spanMs: number;
      readonly foreseenMs: number | null;
      readonly at: number;
    }
  | {
      readonly kind: 'job_granted';
      readonly jobId: string;
      readonly lease: Lease;
      readonly fencingToken: number;
      readonly attempt: number;
      readonly at: number;
      /** When its engine should start on it, after a load, and when it should be done. */
      readonly expectedStartAt: number;
      readonly expectedEndAt: number;
      /** Null when the same attempt is given again, or goes along with the first of its batch. */
      readonly turn: Turn | null;
    }
  | { readonly kind: 'lease_renewed'; readonly jobId: string; readonly lease: Lease }
  | {
      readonly kind: 'job_requeued';
      readonly jobId: string;
      readonly attempt: number;
      readonly failedBy: string | null;
      readonly at: number;
    }
  | { readonly kind: 'cancel_requested'; readonly jobId: string; readonly at: number }
  | {
      readonly kind: 'job_ended';
      readonly jobId: string;
      readonly outcome: Outcome;
      readonly at: number;
    }
  | { readonly kind: 'job_forgotten'; readonly jobId: string }
  | {
      readonly kind: 'agent_issued';
      readonly agentId: string;
      readonly name: string;
      readonly secretHash: string;
      readonly at: number;
    }
  | { readonly kind: 'agent_revoked'; readonly agentId: string; readonly at: number }
  | { readonly kind: 'agent_drained'; readonly agentId: string }
  | {
      readonly kind: 'agent_registered';
      readonly agentId: string;
      readonly sessionId: string;
      readonly capabilities: Capabilities;
      readonly at: number;
    }
  | {
      readonly kind: 'agent_seen';
      readonly agentId: string;
      readonly resident: readonly string[] | null;
      readonly at: number;
    };

/** What an account has in the queue. */
export interface AccountEntry {
  /** Waiting and running jobs. */
  readonly open: number;
  /** Fair start of its next job; forgotten when it has no open job. */
  readonly finishTag: number;
}

export interface BatchCount {
  readonly key: string;
  count: number;
}

/** All of a pool that lives in memory. */
export interface QueueState {
  readonly jobs: Map<string, LiveEntry>;
  /** Waiting jobs by tier and model. */
  readonly waiting: Readonly<Record<Tier, Map<string, Line>>>;
  readonly waitingCount: Record<Tier, number>;
  /** Waiting jobs by tier and batch key; the key itself, so that all of them share one string. */
  readonly batchKeys: Readonly<Record<Tier, Map<string, BatchCount>>>;
  readonly accounts: Map<string, AccountEntry>;
  readonly running: Set<string>;
  /** Waiting jobs with a deadline, by that time. */
  readonly deadlines: { readonly times: SortedNumbers; readonly jobsAt: Map<number, Set<string>> };
  readonly agents: Map<string, AgentEntry>;
  nextPlace: number;
  /** Service given to each tier, in ms of the whole pool; see fair.ts. */
  readonly virtualTime: Record<Tier, number>;
  /** GPU time that overdue jobs may take out of turn, as of `at`. */
  escape: { readonly ms: number; readonly at: number };
  readonly figures: Figures;
  readonly errors: Errors;
}

/** A pool in which nothing has happened yet. */
export function emptyState(): QueueState {
  return {
    jobs: new Map(),
    waiting: { admin: new Map(), pro: new Map(), starter: new Map(), free: new Map() },
    waitingCount: { admin: 0, pro: 0, starter: 0, free: 0 },
    batchKeys: { admin: new Map(), pro: new Map(), starter: new Map(), free: new Map() },
    accounts: new Map(),
    running: new Set(),
    deadlines: { times: new SortedNumbers(), jobsAt: new Map() },
    agents: new Map(),
    nextPlace: 1,
    virtualTime: { admin: 0, pro: 0, starter: 0, free: 0 },
    escape: { ms: 0, at: 0 },
    figures: new Map(),
    errors: firstErrors(),
  };
}

/** Waiting jobs of all tiers. */
export function waitingTotal(state: QueueState): number {
  return TIERS.reduce((sum, tier) => sum + state.waitingCount[tier], 0);
}
