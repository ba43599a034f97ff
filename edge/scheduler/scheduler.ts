/**
 * The Scheduler object, one per pool: queue, agents and leases, the truth of every live job.
 * Each method reads the clock once, runs a command on the pool (decide, write, evolve: pool.ts),
 * then acts: answers parked polls, delivers the outbox, sets the alarm. What agents call is in
 * desk.ts; they come by RPC or by a socket of their own (socket.ts). Time passes by `tick`, which
 * the alarm and every command of an agent bring, never by a timer.
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
import { PoolId } from '#schema/id.ts';
import { isTerminal } from '#schema/job.ts';
import { AGENTS_MAX, COMMIT_GATHER_MS } from '#schema/limits.ts';
import type { JobOrder, JobWaiting, LiveJob } from '#schema/record.ts';
import { nextTickAt } from '../core/lease.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import type { EnqueueRefusal } from '../core/wait.ts';
import { parseEnv } from '../env.ts';
import type { Bindings } from '../env.ts';
import type { CancelResult } from '../rpc/account.ts';
import type {
  AgentCredential,
  AheadQuestion,
  AgentRefusal,
  EnqueueOptions,
  Enqueued,
  Offered,
  Poll,
  PoolSurvey,
  Renewal,
  SchedulerObject,
  TakenAhead,
} from '../rpc/scheduler.ts';
import { pack, unpack } from '../rpc/packed.ts';
import type { Packed } from '../rpc/packed.ts';
import { CommitGroup } from '../io/commit-group.ts';
import { logError } from '../io/log.ts';
import { AgentDesk } from './desk.ts';
import type { AgentCause } from './mirror.ts';
import { Pool } from './pool.ts';
import { Postman } from './postman.ts';
import { AgentSockets } from './socket.ts';
import { SchedulerStore } from './store.ts';
import { surveyPool, viewAgent } from './survey.ts';
import { findTakenAhead } from './taken.ts';

/** One pool; see above. */
export class Scheduler extends DurableObject<Bindings> implements SchedulerObject {
  readonly #env;
  readonly #store: SchedulerStore;
  readonly #pool: Pool;
  readonly #postman: Postman;
  readonly #commits: CommitGroup;
  readonly #desk: AgentDesk;
  readonly #sockets: AgentSockets;
  #alarmAt: number | null = null;

  constructor(ctx: DurableObjectState, bindings: Bindings) {
    super(ctx, bindings);
    this.#env = parseEnv(bindings);
    this.#store = new SchedulerStore(ctx.storage);
    this.#pool = new Pool(this.#store, (reason) => ctx.abort(reason), Date.now());
    const name = PoolId.parse(ctx.id.name ?? this.#env.pools[0]);
    const sender = { name, pool: this.#pool, store: this.#store };
    this.#postman = new Postman(this.#env, ctx.storage, sender);
    this.#commits = new CommitGroup(ctx, {
      afterEach: () => {
        this.#afterwards();
        return true;
      },
      gatherMs: COMMIT_GATHER_MS,
    });
    this.#desk = new AgentDesk({
      pool: this.#pool,
      commits: this.#commits,
      afterwards: () => this.#afterwards(),
      onRegister: (agentId) => this.#mirrorAgent(agentId, null),
    });
    this.#sockets = new AgentSockets(ctx, {
      pool: name,
      env: this.#env,
      desk: this.#desk,
      scheduler: this,
    });
    void ctx.blockConcurrencyWhile(async () => {
      this.#alarmAt = await ctx.storage.getAlarm();
      this.#afterwards();
    });
  }

  async enqueue(order: JobOrder, options: EnqueueOptions): Promise<Enqueued> {
    return this.#commits.run(() => this.#enqueue(order, options));
  }

  async enqueueAll(
    packed: Packed<readonly JobOrder[]>,
    options: EnqueueOptions,
  ): Promise<Packed<readonly Offered[]>> {
    const orders = unpack(packed);
    return this.#commits.run(() => pack(orders.map((order) => this.#tryEnqueue(order, options))));
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
    this.#desk.match(now);
    return ok(this.#pool.find(order.id, order.accountId, now)!);
  }

  async takenAhead(question: AheadQuestion): Promise<TakenAhead> {
    const { accountId, epoch } = question;
    this.#store.fences.raise(accountId, epoch, Date.now());
    return findTakenAhead(this.#pool.state, this.#store, question);
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
      this.#desk.tellCancel(entry.lease.agentId, ref);
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
    this.#sockets.close(agentId);
    this.#desk.dismiss(agentId);
    this.#mirrorAgent(agentId, { action: 'agent.revoke', requestId, reason });
    return true;
  }

  async drainAgent(agentId: string, requestId: string, reason?: string): Promise<boolean> {
    if (!this.#pool.state.agents.has(agentId)) return false;
    this.#pool.commit([{ kind: 'agent_drained', agentId }]);
    this.#desk.tellDrain(agentId);
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
    return this.#desk.register(agent, body);
  }

  async acquire(
    agent: AgentCredential,
    body: AcquireBody,
  ): Promise<Result<Poll<AcquireAnswer>, AgentRefusal>> {
    const { waitMs } = body;
    return this.#desk.acquire(agent, body, (now) =>
      this.#desk.polls.park(agent.agentId, body, { now, waitMs }),
    );
  }

  async renew(agent: AgentCredential, body: RenewBody): Promise<Result<Renewal, AgentRefusal>> {
    return this.#desk.renew(agent, body);
  }

  async control(
    agent: AgentCredential,
    body: ControlBody,
  ): Promise<Result<Poll<ControlAnswer>, AgentRefusal>> {
    const { waitMs } = body;
    return this.#desk.control(agent, body, (now) =>
      this.#desk.controls.park(agent.agentId, body, { now, waitMs }),
    );
  }

  async complete(
    agent: AgentCredential,
    body: CompleteBody,
  ): Promise<Result<EndAnswer, AgentRefusal>> {
    return this.#desk.end(agent, body, { kind: 'complete', artifacts: body.artifacts });
  }

  async fail(agent: AgentCredential, body: FailBody): Promise<Result<EndAnswer, AgentRefusal>> {
    const { code, retryable } = body;
    return this.#desk.end(agent, body, { kind: 'fail', code, retryable });
  }

  async return(agent: AgentCredential, body: ReturnBody): Promise<Result<EndAnswer, AgentRefusal>> {
    return this.#desk.end(agent, body, { kind: 'return' });
  }

  async leave(agent: AgentCredential, body: LeaveBody): Promise<Result<LeaveAnswer, AgentRefusal>> {
    return this.#desk.leave(agent, body);
  }

  /** Opens an agent's socket; see socket.ts. */
  override async fetch(request: Request): Promise<Response> {
    return this.#sockets.open(request);
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    this.#sockets.onMessage(socket, message);
  }

  override webSocketClose(socket: WebSocket): void {
    this.#sockets.onClose(socket);
  }

  override webSocketError(socket: WebSocket): void {
    this.#sockets.onGone(socket);
  }

  override async alarm(): Promise<void> {
    this.#alarmAt = null;
    this.#pool.run({ kind: 'tick' }, Date.now());
    // Deliveries go on by themselves: one alarm that waited for them would hold up all others.
    this.#afterwards();
  }

  /** What a change may make possible: grants to parked polls, deliveries, another alarm. */
  #afterwards(): void {
    this.#desk.match(Date.now());
    this.ctx.waitUntil(this.#deliver());
    this.#setAlarm();
  }

  async #deliver(): Promise<void> {
    await this.#postman.deliver();
    this.#setAlarm();
  }

  /** One alarm, at the first of: a lapse, a deadline, a delivery to try again. */
  #setAlarm(): void {
    const now = Date.now();
    const due = [
      nextTickAt(this.#pool.state),
      this.#desk.lookAgainAt(now),
      this.#postman.nextAt(),
    ].filter((at) => at !== null);
    if (due.length === 0) return;
    const at = Math.max(now + 1, Math.min(...due));
    // An alarm that comes early does no harm; moving it costs a row.
    if (this.#alarmAt !== null && this.#alarmAt <= at) return;
    this.#alarmAt = at;
    void this.ctx.storage.setAlarm(at);
  }

  #mirrorAgent(agentId: string, audit: AgentCause['audit']): void {
    this.#postman.mirror(this.#pool.state.agents.get(agentId)!, audit);
    this.ctx.waitUntil(this.#deliver());
    this.#setAlarm();
  }
}
