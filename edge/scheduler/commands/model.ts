/**
 * What users and agents may rely on, as plain data: which jobs were accepted, how each stands, who
 * may write for it under which token, what it costs its account. Knows neither the order of the
 * queue nor how anything is kept; where the system may do one thing or another (settlements
 * under way, a lease after a restart) it holds bounds. Time is a number that the run moves.
 */
import type { LeaseRef } from '#schema/agent-protocol.ts';
import { ATTEMPTS_MAX, DAY_MS, LEASE_MS, LEASE_WRITE_MS } from '#schema/limits.ts';
import type { PlanId } from '#schema/plan.ts';

export type ModelStatus = 'queued' | 'running' | 'completed' | 'failed' | 'cancelled';

/** One accepted job. */
export interface ModelJob {
  readonly id: string;
  /** Index of its account. */
  readonly account: number;
  readonly model: string;
  readonly steps: number;
  readonly held: number;
  /** Number of the UTC day whose tokens it holds. */
  readonly day: number;
  readonly submittedAt: number;
  status: ModelStatus;
  attempt: number;
  token: number;
  /** Index of the agent that runs it. */
  holder: number | null;
  startedAt: number;
  /** Its lease lapses at `endsFrom` at the earliest and has lapsed at `endsBy`. */
  endsFrom: number;
  endsBy: number;
  cancelAsked: boolean;
  /** The agent that failed it last: another one may be asked first. */
  failedBy: number | null;
  settled: number;
  /** Its account was seen to know of its end. */
  hasArrived: boolean;
  /** The pool was seen to have forgotten it. */
  isGone: boolean;
}

/** One account, with the job that each idempotency key made. */
export interface ModelAccount {
  readonly plan: PlanId;
  readonly limit: number;
  readonly jobsMax: number;
  readonly keys: Map<string, { jobId: string; body: string }>;
}

/** One agent, with the jobs that it knows it holds. */
export interface ModelAgent {
  readonly models: readonly string[];
  readonly heard: Set<string>;
  isDraining: boolean;
  isRevoked: boolean;
}

/** Lower and upper bound. */
interface Bounds {
  readonly least: number;
  readonly most: number;
}

/** All of it; see above. */
export class Model {
  now = 0;
  readonly jobs = new Map<string, ModelJob>();
  readonly accounts: readonly ModelAccount[];
  readonly agents: ModelAgent[];
  /** Every token that was ever given, oldest first. */
  readonly refs: LeaseRef[] = [];

  constructor(accounts: readonly ModelAccount[], agents: ModelAgent[]) {
    this.accounts = accounts;
    this.agents = agents;
  }

  get today(): number {
    return Math.floor(this.now / DAY_MS);
  }

  inStatus(status: ModelStatus): ModelJob[] {
    return [...this.jobs.values()].filter((job) => job.status === status);
  }

  /** What an agent may write for. */
  heldBy(agent: number): ModelJob[] {
    return this.inStatus('running').filter(({ holder }) => holder === agent);
  }

  /** Of that, what it knows of. */
  heardBy(agent: number): ModelJob[] {
    return this.heldBy(agent).filter(this.isHeard);
  }

  /** Whether its holder knows that it runs it. */
  readonly isHeard = ({ id, holder }: ModelJob): boolean =>
    holder !== null && this.agents[holder]!.heard.has(id);

  holds(agent: number, { jobId, fencingToken }: LeaseRef): boolean {
    const job = this.jobs.get(jobId)!;
    return job.status === 'running' && job.holder === agent && job.token === fencingToken;
  }

  /** Whether an agent that takes jobs has the model. */
  isServed(model: string): boolean {
    return this.agents.some(
      (agent) => !agent.isRevoked && !agent.isDraining && agent.models.includes(model),
    );
  }

  /** Whether a waiting job may be kept from an agent that could run it. */
  mayBeLeft(job: ModelJob, agent: number): boolean {
    const others = this.agents.filter(
      ({ models }, index) => index !== agent && models.includes(job.model),
    );
    if (job.failedBy === agent)
      return others.some((other) => !other.isRevoked && !other.isDraining);
    return others.some((other) => this.heldBy(this.agents.indexOf(other)).length > 0);
  }

  /** Waiting jobs that an agent could run. */
  runnableBy(agent: number): ModelJob[] {
    const { models } = this.agents[agent]!;
    return this.inStatus('queued').filter(({ model }) => models.includes(model));
  }

  accept(job: Pick<ModelJob, 'id' | 'account' | 'model' | 'steps' | 'held'>): void {
    this.jobs.set(job.id, {
      ...job,
      day: this.today,
      submittedAt: this.now,
      status: 'queued',
      attempt: 0,
      token: 0,
      holder: null,
      startedAt: 0,
      endsFrom: 0,
      endsBy: 0,
      cancelAsked: false,
      failedBy: null,
      settled: 0,
      hasArrived: false,
      isGone: false,
    });
  }

  grant(job: ModelJob, agent: number): void {
    job.status = 'running';
    job.holder = agent;
    job.token += 1;
    job.startedAt = this.now;
    this.refs.push({ jobId: job.id, fencingToken: job.token });
    this.extend(job);
  }

  extend(job: ModelJob): void {
    job.endsFrom = this.now + LEASE_MS;
    job.endsBy = job.endsFrom;
  }

  /** A pool that restarts may not know the last extension, or gives a grace after an absence. */
  loosenLeases(wakeAt: number): void {
    for (const job of this.inStatus('running')) {
      job.endsBy = Math.max(job.endsBy + LEASE_WRITE_MS, wakeAt + LEASE_MS);
    }
  }

  requeue(job: ModelJob): void {
    job.status = 'queued';
    job.holder = null;
  }

  end(job: ModelJob, status: 'completed' | 'failed' | 'cancelled', settled: number): void {
    job.status = status;
    job.holder = null;
    job.settled = settled;
  }

  /** The agent of an attempt is gone. */
  giveUp(job: ModelJob): void {
    if (job.cancelAsked) this.end(job, 'cancelled', 0);
    else if (job.attempt >= ATTEMPTS_MAX) this.end(job, 'failed', 0);
    else this.requeue(job);
  }

  /** What the account has held and spent today, and its open jobs, as far as that is certain. */
  ledger(account: number): { held: Bounds; spent: Bounds; open: Bounds } {
    const all = [...this.jobs.values()].filter((job) => job.account === account);
    const open = all.filter((job) => !isEnded(job));
    const underWay = all.filter((job) => isEnded(job) && !job.hasArrived);
    const arrived = all.filter((job) => job.hasArrived);
    const sum = (jobs: readonly ModelJob[], key: 'held' | 'settled') =>
      jobs.filter(({ day }) => day === this.today).reduce((total, job) => total + job[key], 0);
    const bounds = (least: number, more: number) => ({ least, most: least + more });
    return {
      held: bounds(sum(open, 'held'), sum(underWay, 'held')),
      spent: bounds(sum(arrived, 'settled'), sum(underWay, 'settled')),
      open: bounds(open.length, underWay.length),
    };
  }

  /** Tokens that the account has left for new holds. */
  left(account: number): Bounds {
    const { held, spent } = this.ledger(account);
    const { limit } = this.accounts[account]!;
    // While a settlement is under way its whole hold counts, and never less than it settles.
    return { least: limit - held.most - spent.least, most: limit - held.least - spent.most };
  }
}

/** Whether a job has reached its one end. */
export function isEnded({ status }: ModelJob): boolean {
  return status !== 'queued' && status !== 'running';
}
