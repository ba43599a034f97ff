/**
 * The Scheduler object, one per pool: queue, agents and leases, the truth of every live job.
 * Each method reads the clock once, runs a command on the pool (decide, write, evolve: pool.ts),
 * then acts: answers parked polls, delivers the outbox, sets the alarm. Time passes by `tick`,
 * which the alarm and every command of an agent bring, never by a timer.
 * An answer leaves only after its changes are on disk (the platform's output gate). What comes
 * with every job (enqueue, acquire, the end of an attempt) shares commits under load.
 */
import { DurableObject } from 'cloudflare:workers';
import type {
  AcquireAnswer,
  AcquireBody,
  CompleteBody,
  ControlAnswer,
  ControlBody,
  EndAnswer,
  FailBody,
  LeaveAnswer,
  LeaveBody,
  RegisterAnswer,
  RegisterBody,
  RenewBody,
  ReturnBody,
} from '#schema/agent-protocol.ts';
import type { AgentView, QueueOverview } from '#schema/api.ts';
import { isTerminal } from '#schema/job.ts';
import {
  AGENTS_MAX,
  AGENT_ONLINE_MS,
  COMMIT_GATHER_MS,
  HEARTBEAT_MS,
  LEASE_MS,
  POLL_MS,
} from '#schema/limits.ts';
import type { JobOrder, JobWaiting, LiveJob } from '#schema/record.ts';
import { lookAgainAt } from '../core/holder.ts';
import { nextTickAt } from '../core/lease.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import { waitingTotal } from '../core/state.ts';
import type { EnqueueRefusal } from '../core/wait.ts';
import { parseEnv } from '../env.ts';
import type { Bindings } from '../env.ts';
import type { CancelResult } from '../rpc/account.ts';
import type {
  AgentCredential,
  AgentRefusal,
  EnqueueOptions,
  Enqueued,
  Offered,
  Poll,
  PoolSurvey,
  Renewal,
  SchedulerObject,
} from '../rpc/scheduler.ts';
import { CommitGroup } from '../io/commit-group.ts';
import { logError, logInfo, logWarn } from '../io/log.ts';
import { equalHash } from '../io/token.ts';
import type { AgentCause } from './mirror.ts';
import { Pool } from './pool.ts';
import type { AttemptVerdict } from './pool.ts';
import { Postman } from './postman.ts';
import { SchedulerStore } from './store.ts';
import { surveyPool, viewAgent } from './survey.ts';
import { Waiters } from './waiters.ts';

const NO_JOB: AcquireAnswer = { job: null, batch: [], drain: false };
const NO_ORDER: ControlAnswer = { lost: [], cancel: [], drain: false };

/** One pool; see above. */
export class Scheduler extends DurableObject<Bindings> implements SchedulerObject {
  readonly #env;
  readonly #store: SchedulerStore;
  readonly #pool: Pool;
  readonly #postman: Postman;
  readonly #commits: CommitGroup;
  readonly #polls = new Waiters<AcquireBody, AcquireAnswer>(NO_JOB);
  readonly #controls = new Waiters<ControlBody, ControlAnswer>(NO_ORDER);
  #alarmAt: number | null = null;

  constructor(ctx: DurableObjectState, bindings: Bindings) {
    super(ctx, bindings);
    this.#env = parseEnv(bindings);
    this.#store = new SchedulerStore(ctx.storage);
    this.#pool = new Pool(this.#store, (reason) => ctx.abort(reason), Date.now());
    const name = ctx.id.name ?? this.#env.pools[0]!;
    const sender = { name, pool: this.#pool, store: this.#store };
    this.#postman = new Postman(this.#env, ctx.storage, sender);
    this.#commits = new CommitGroup(ctx, {
      afterEach: () => this.#afterwards(),
      gatherMs: () => (waitingTotal(this.#pool.state) > 0 ? COMMIT_GATHER_MS : 0),
    });
    void ctx.blockConcurrencyWhile(async () => {
      this.#alarmAt = await ctx.storage.getAlarm();
      this.#afterwards();
    });
  }

  async enqueue(order: JobOrder, options: EnqueueOptions): Promise<Enqueued> {
    return this.#commits.run(() => this.#enqueue(order, options));
  }

  async enqueueAll(orders: readonly JobOrder[], options: EnqueueOptions): Promise<Offered[]> {
    return this.#commits.run(() => orders.map((order) => this.#tryEnqueue(order, options)));
  }

  /** Leaves an order unanswered that throws, as one that comes too late does. */
  #tryEnqueue(order: JobOrder, options: EnqueueOptions): Offered {
    try {
      return this.#enqueue(order, options);
    } catch (error) {
      logError('job.enqueue', error, { job_id: order.id });
      return null;
    }
  }

  /** Takes one job in the commit that is being made, and gives it to a parked agent at once. */
  #enqueue(order: JobOrder, options: EnqueueOptions): Enqueued {
    const now = Date.now();
    const refusal = this.#pool.enqueue(order, options, now);
    if (refusal) return fail(refusal);
    this.#match(now);
    return ok(this.#pool.find(order.id, order.accountId, now)!);
  }

  async preview(order: JobOrder): Promise<Result<JobWaiting, EnqueueRefusal>> {
    const now = Date.now();
    const refusal = this.#pool.refuse(order, now);
    return refusal ? fail(refusal) : ok(this.#pool.foresee(order, now));
  }

  async find(jobId: string, accountId: string | null): Promise<LiveJob | null> {
    return this.#pool.find(jobId, accountId, Date.now());
  }

  async watch(jobId: string, accountId: string): Promise<LiveJob | null> {
    const entry = this.#pool.owned(jobId, accountId);
    if (entry) this.#store.watch(entry);
    return this.#pool.find(jobId, accountId, Date.now());
  }

  async cancel(jobId: string, accountId: string): Promise<CancelResult> {
    const entry = this.#pool.owned(jobId, accountId);
    if (!entry) return (await this.find(jobId, accountId)) ? 'already_finished' : 'unknown';
    if (isTerminal(entry.status)) return 'already_finished';
    this.#pool.run({ kind: 'cancel', jobId }, Date.now());
    if (entry.lease) {
      const ref = { jobId, fencingToken: entry.fencingToken };
      this.#controls.answer(entry.lease.agentId, { ...NO_ORDER, cancel: [ref] });
    }
    this.#afterwards();
    return isTerminal(entry.status) ? 'cancelled' : 'cancel_requested';
  }

  async known(jobIds: readonly string[]): Promise<readonly string[]> {
    return jobIds.filter((id) => this.#pool.has(id));
  }

  async survey(): Promise<PoolSurvey> {
    return surveyPool(this.#pool.state, Date.now());
  }

  async overview(): Promise<QueueOverview> {
    return {
      waiting: { ...this.#pool.state.waitingCount },
      running: this.#pool.state.running.size,
      undelivered: this.#postman.undelivered(),
    };
  }

  async issueAgent(input: {
    agentId: string;
    name: string;
    secretHash: string;
    requestId: string;
    reason?: string | undefined;
  }): Promise<boolean> {
    const now = Date.now();
    const { agentId, name, secretHash, requestId, reason } = input;
    if (this.#pool.state.agents.has(agentId)) return true;
    if (surveyPool(this.#pool.state, now).agentsKnown >= AGENTS_MAX) return false;
    this.#pool.commit([{ kind: 'agent_issued', agentId, name, secretHash, at: now }]);
    this.#mirrorAgent(agentId, { action: 'agent.issue', requestId, reason });
    return true;
  }

  async revokeAgent(agentId: string, requestId: string, reason?: string): Promise<boolean> {
    const now = Date.now();
    if (!this.#pool.state.agents.has(agentId)) return false;
    this.#pool.commit([{ kind: 'agent_revoked', agentId, at: now }]);
    this.#mirrorAgent(agentId, { action: 'agent.revoke', requestId, reason });
    return true;
  }

  async drainAgent(agentId: string, requestId: string, reason?: string): Promise<boolean> {
    if (!this.#pool.state.agents.has(agentId)) return false;
    this.#pool.commit([{ kind: 'agent_drained', agentId }]);
    this.#polls.answer(agentId, { ...NO_JOB, drain: true });
    this.#controls.answer(agentId, { ...NO_ORDER, drain: true });
    this.#mirrorAgent(agentId, { action: 'agent.drain', requestId, reason });
    return true;
  }

  async agents(): Promise<AgentView[]> {
    return [...this.#pool.state.agents.values()].map((agent) => viewAgent(agent, Date.now()));
  }

  async register(
    agent: AgentCredential,
    body: RegisterBody,
  ): Promise<Result<RegisterAnswer, AgentRefusal>> {
    if (!this.#verify(agent)) return fail({ reason: 'unauthorized' });
    const now = Date.now();
    const { agentId } = agent;
    const caller = { agentId, sessionId: body.sessionId };
    const { capabilities, holding } = body;
    this.#pool.run({ kind: 'register', caller, capabilities, holding }, now);
    logInfo('agent.register', { agentId, sessionId: body.sessionId, version: body.version });
    this.#mirrorAgent(agentId, null);
    this.#afterwards();
    const { lost, cancel } = this.#pool.sort(caller, holding);
    return ok({
      agentId,
      heartbeatMs: HEARTBEAT_MS,
      leaseMs: LEASE_MS,
      pollMs: POLL_MS,
      lost,
      cancel,
    });
  }

  async acquire(
    agent: AgentCredential,
    body: AcquireBody,
  ): Promise<Result<Poll<AcquireAnswer>, AgentRefusal>> {
    if (!this.#verify(agent)) return fail({ reason: 'unauthorized' });
    const caller = { agentId: agent.agentId, sessionId: body.sessionId };
    return this.#commits.run((): Result<Poll<AcquireAnswer>, AgentRefusal> => {
      const now = Date.now();
      this.#pool.run({ kind: 'tick' }, now);
      const answer = this.#pool.acquire(caller, body, now);
      if (!answer.ok) return fail(answer.error);
      const { job, drain } = answer.value;
      if (job || drain || body.waitMs === 0) return ok({ answer: answer.value });
      // Parked within the commit: a job that comes with the next call must find the poll.
      return ok({ parked: this.#polls.park(agent.agentId, body, { now, waitMs: body.waitMs }) });
    });
  }

  async renew(agent: AgentCredential, body: RenewBody): Promise<Result<Renewal, AgentRefusal>> {
    if (!this.#verify(agent)) return fail({ reason: 'unauthorized' });
    const now = Date.now();
    const caller = { agentId: agent.agentId, sessionId: body.sessionId };
    this.#pool.run({ kind: 'tick' }, now);
    const { leases, resident } = body;
    const result = this.#pool.run({ kind: 'renew', caller, resident, leases }, now);
    if (!result.ok) return fail(result.error);
    const sorted = this.#pool.sort(caller, leases);
    for (const { jobId, progress } of leases) {
      const held = sorted.held.some((ref) => ref.jobId === jobId);
      if (held && progress) this.#pool.setProgress(jobId, progress);
    }
    const drain = this.#pool.state.agents.get(agent.agentId)!.draining;
    const audience = this.#pool.audienceOf(sorted.held);
    this.#afterwards();
    return ok({ ...sorted, held: this.#pool.extended(sorted.held, now), drain, ...audience });
  }

  async control(
    agent: AgentCredential,
    body: ControlBody,
  ): Promise<Result<Poll<ControlAnswer>, AgentRefusal>> {
    if (!this.#verify(agent)) return fail({ reason: 'unauthorized' });
    const now = Date.now();
    const caller = { agentId: agent.agentId, sessionId: body.sessionId };
    const seen = this.#pool.run({ kind: 'renew', caller, resident: null, leases: [] }, now);
    if (!seen.ok) return fail(seen.error);
    const { lost, cancel } = this.#pool.sort(caller, body.holding);
    const drain = this.#pool.state.agents.get(agent.agentId)!.draining;
    const something = lost.length > 0 || cancel.length > 0 || drain;
    if (something || body.waitMs === 0) return ok({ answer: { lost, cancel, drain } });
    return ok({ parked: this.#controls.park(agent.agentId, body, { now, waitMs: body.waitMs }) });
  }

  async complete(
    agent: AgentCredential,
    body: CompleteBody,
  ): Promise<Result<EndAnswer, AgentRefusal>> {
    return this.#end(agent, body, { kind: 'complete', artifacts: body.artifacts });
  }

  async fail(agent: AgentCredential, body: FailBody): Promise<Result<EndAnswer, AgentRefusal>> {
    const { jobId, fencingToken } = body.lease;
    const { code, retryable, detail } = body;
    logWarn('job.fail', { jobId, fencingToken, agentId: agent.agentId, code, retryable, detail });
    return this.#end(agent, body, { kind: 'fail', code, retryable });
  }

  async return(agent: AgentCredential, body: ReturnBody): Promise<Result<EndAnswer, AgentRefusal>> {
    return this.#end(agent, body, { kind: 'return' });
  }

  async leave(agent: AgentCredential, body: LeaveBody): Promise<Result<LeaveAnswer, AgentRefusal>> {
    if (!this.#verify(agent)) return fail({ reason: 'unauthorized' });
    const { agentId } = agent;
    const known = this.#pool.state.agents.get(agentId)!;
    if (known.sessionId !== body.sessionId) return fail({ reason: 'not_registered' });
    this.#polls.answer(agentId, NO_JOB);
    this.#controls.answer(agentId, NO_ORDER);
    const at = Math.min(known.lastSeenAt ?? 0, Date.now() - AGENT_ONLINE_MS);
    this.#pool.commit([{ kind: 'agent_seen', agentId, resident: [], at }]);
    return ok({ left: true });
  }

  override async alarm(): Promise<void> {
    this.#alarmAt = null;
    this.#pool.run({ kind: 'tick' }, Date.now());
    // Deliveries go on by themselves: one alarm that waited for them would hold up all others.
    this.#afterwards();
  }

  /** Ends an attempt and, where asked, gives the next job in the same answer. */
  async #end(
    agent: AgentCredential,
    body: CompleteBody | FailBody | ReturnBody,
    how: AttemptVerdict,
  ): Promise<Result<EndAnswer, AgentRefusal>> {
    if (!this.#verify(agent)) return fail({ reason: 'unauthorized' });
    const caller = { agentId: agent.agentId, sessionId: body.sessionId };
    return this.#commits.run(() => {
      const now = Date.now();
      this.#pool.run({ kind: 'tick' }, now);
      return this.#pool.endAttempt(caller, { body, how, now });
    });
  }

  /** What a change may make possible: grants to parked polls, deliveries, another alarm. */
  #afterwards(): void {
    this.#match(Date.now());
    this.ctx.waitUntil(this.#deliver());
    this.#setAlarm();
  }

  #match(now: number): void {
    while (waitingTotal(this.#pool.state) > 0) {
      const polls = new Map(this.#polls.open(now));
      const agentId = this.#pool.nextToServe(polls, now);
      const question = agentId === null ? undefined : polls.get(agentId);
      if (agentId === null || !question) return;
      const caller = { agentId, sessionId: question.sessionId };
      const answer = this.#pool.acquireParked(caller, question, now);
      if (!answer) return;
      this.#polls.answer(agentId, answer);
    }
  }

  async #deliver(): Promise<void> {
    await this.#postman.deliver();
    this.#setAlarm();
  }

  /** When a parked agent may get a job after all that was left to a busy one, or null. */
  #lookAgainAt(now: number): number | null {
    const { state } = this.#pool;
    if (waitingTotal(state) === 0 || this.#polls.open(now).next().done) return null;
    return lookAgainAt(state, now);
  }

  /** One alarm, at the first of: a lapse, a deadline, a delivery to try again. */
  #setAlarm(): void {
    const now = Date.now();
    const due = [
      nextTickAt(this.#pool.state),
      this.#lookAgainAt(now),
      this.#postman.nextAt(),
    ].filter((at) => at !== null);
    if (due.length === 0) return;
    const at = Math.max(now + 1, Math.min(...due));
    // An alarm that comes early does no harm; moving it costs a row.
    if (this.#alarmAt !== null && this.#alarmAt <= at) return;
    this.#alarmAt = at;
    void this.ctx.storage.setAlarm(at);
  }

  #verify(agent: AgentCredential): boolean {
    const known = this.#pool.state.agents.get(agent.agentId);
    return known !== undefined && !known.revoked && equalHash(agent.secretHash, known.secretHash);
  }

  #mirrorAgent(agentId: string, audit: AgentCause['audit']): void {
    this.#postman.mirror(this.#pool.state.agents.get(agentId)!, audit);
    this.ctx.waitUntil(this.#deliver());
    this.#setAlarm();
  }
}
