/**
 * What agents ask of a pool: their sessions, their parked polls, their leases and how these end.
 * The Scheduler calls it over RPC for requests, the sockets (socket.ts) for messages: one rule for
 * both. Every call verifies the agent's secret.
 */
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
  RenewBody,
  ReturnBody,
} from '#schema/agent-protocol.ts';
import { AGENT_ONLINE_MS, HEARTBEAT_MS, LEASE_MS, POLL_MS } from '#schema/limits.ts';
import { lookAgainAt } from '../core/holder.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import { waitingTotal } from '../core/state.ts';
import type { CommitGroup } from '../io/commit-group.ts';
import { logInfo, logWarn } from '../io/log.ts';
import { equalHash } from '../io/token.ts';
import type { AgentCredential, AgentRefusal, Renewal } from '../rpc/scheduler.ts';
import type { AttemptVerdict, Pool } from './pool.ts';
import { Waiters } from './waiters.ts';

/** What a poll is answered that ends without anything. */
export const NO_JOB: AcquireAnswer = { job: null, batch: [], drain: false };
export const NO_ORDER: ControlAnswer = { lost: [], cancel: [], drain: false };

/** Parks a poll that is not answered at once; answers where. */
type Park<Place> = (now: number) => Place;
type Parked<Answer, Place> = { readonly answer: Answer } | { readonly parked: Place };

/** What the desk needs of its object. */
interface Surroundings {
  readonly pool: Pool;
  readonly commits: CommitGroup;
  /** Acts on what a change made possible. */
  readonly afterwards: () => void;
  readonly onRegister: (agentId: string) => void;
}

/** The agents of one pool; see above. */
export class AgentDesk {
  /** Agents that wait for a job, and those that wait for orders beside a running one. */
  readonly polls = new Waiters<AcquireBody, AcquireAnswer>(NO_JOB);
  readonly controls = new Waiters<ControlBody, ControlAnswer>(NO_ORDER);
  readonly #pool: Pool;
  readonly #around: Surroundings;

  constructor(around: Surroundings) {
    this.#around = around;
    this.#pool = around.pool;
  }

  verify(agent: AgentCredential): boolean {
    const known = this.#pool.state.agents.get(agent.agentId);
    return known !== undefined && !known.revoked && equalHash(agent.secretHash, known.secretHash);
  }

  register(agent: AgentCredential, body: RegisterBody): Result<RegisterAnswer, AgentRefusal> {
    if (!this.verify(agent)) return fail({ reason: 'unauthorized' });
    const now = Date.now();
    const { agentId } = agent;
    const caller = { agentId, sessionId: body.sessionId };
    const { capabilities, holding } = body;
    const known = this.#pool.state.agents.get(agentId)!;
    if (known.sessionId !== body.sessionId) this.dismiss(agentId);
    this.#pool.run({ kind: 'register', caller, capabilities, holding }, now);
    logInfo('agent.register', { agentId, sessionId: body.sessionId, version: body.version });
    this.#around.onRegister(agentId);
    this.#around.afterwards();
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

  /** Gives a job, or parks the poll within the commit: the next call may bring its job. */
  async acquire<Place>(
    agent: AgentCredential,
    body: AcquireBody,
    park: Park<Place>,
  ): Promise<Result<Parked<AcquireAnswer, Place>, AgentRefusal>> {
    if (!this.verify(agent)) return fail({ reason: 'unauthorized' });
    const caller = { agentId: agent.agentId, sessionId: body.sessionId };
    return this.#around.commits.run((): Result<Parked<AcquireAnswer, Place>, AgentRefusal> => {
      const now = Date.now();
      this.#pool.run({ kind: 'tick' }, now);
      const answer = this.#pool.acquire(caller, body, now);
      if (!answer.ok) return fail(answer.error);
      const { job, drain } = answer.value;
      if (job || drain || body.waitMs === 0) return ok({ answer: answer.value });
      return ok({ parked: park(now) });
    });
  }

  renew(agent: AgentCredential, body: RenewBody): Result<Renewal, AgentRefusal> {
    if (!this.verify(agent)) return fail({ reason: 'unauthorized' });
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
    this.#around.afterwards();
    return ok({ ...sorted, held: this.#pool.extended(sorted.held, now), drain, ...audience });
  }

  control<Place>(
    agent: AgentCredential,
    body: ControlBody,
    park: Park<Place>,
  ): Result<Parked<ControlAnswer, Place>, AgentRefusal> {
    if (!this.verify(agent)) return fail({ reason: 'unauthorized' });
    const now = Date.now();
    const caller = { agentId: agent.agentId, sessionId: body.sessionId };
    const seen = this.#pool.run({ kind: 'renew', caller, resident: null, leases: [] }, now);
    if (!seen.ok) return fail(seen.error);
    const { lost, cancel } = this.#pool.sort(caller, body.holding);
    const drain = this.#pool.state.agents.get(agent.agentId)!.draining;
    const something = lost.length > 0 || cancel.length > 0 || drain;
    if (something || body.waitMs === 0) return ok({ answer: { lost, cancel, drain } });
    return ok({ parked: park(now) });
  }

  /** Ends an attempt and, where asked, gives the next job in the same answer. */
  async end(
    agent: AgentCredential,
    body: CompleteBody | FailBody | ReturnBody,
    how: AttemptVerdict,
  ): Promise<Result<EndAnswer, AgentRefusal>> {
    if (!this.verify(agent)) return fail({ reason: 'unauthorized' });
    const { agentId } = agent;
    if (how.kind === 'fail') {
      const { code, retryable, detail } = body as FailBody;
      logWarn('job.fail', { ...body.lease, agentId, code, retryable, detail });
    }
    const caller = { agentId, sessionId: body.sessionId };
    return this.#around.commits.run(() => {
      const now = Date.now();
      this.#pool.run({ kind: 'tick' }, now);
      return this.#pool.endAttempt(caller, { body, how, now });
    });
  }

  leave(agent: AgentCredential, body: LeaveBody): Result<LeaveAnswer, AgentRefusal> {
    if (!this.verify(agent)) return fail({ reason: 'unauthorized' });
    const { agentId } = agent;
    const known = this.#pool.state.agents.get(agentId)!;
    if (known.sessionId !== body.sessionId) return fail({ reason: 'not_registered' });
    this.dismiss(agentId);
    const at = Math.min(known.lastSeenAt ?? 0, Date.now() - AGENT_ONLINE_MS);
    this.#pool.commit([{ kind: 'agent_seen', agentId, resident: [], at }]);
    return ok({ left: true });
  }

  /** Ends its polls: one of a session that is over would be chosen for a job, and hold up others. */
  dismiss(agentId: string): void {
    this.polls.answer(agentId, NO_JOB);
    this.controls.answer(agentId, NO_ORDER);
  }

  /** Tells the agent that runs it that a job is cancelled. */
  tellCancel(agentId: string, ref: LeaseRef): void {
    this.controls.answer(agentId, { ...NO_ORDER, cancel: [ref] });
  }

  tellDrain(agentId: string): void {
    this.polls.answer(agentId, { ...NO_JOB, drain: true });
    this.controls.answer(agentId, { ...NO_ORDER, drain: true });
  }

  /** Grants to parked polls what waits. */
  match(now: number): void {
    while (waitingTotal(this.#pool.state) > 0) {
      const polls = new Map(this.polls.open(now));
      const agentId = this.#pool.nextToServe(polls, now);
      const question = agentId === null ? undefined : polls.get(agentId);
      if (agentId === null || !question) return;
      const caller = { agentId, sessionId: question.sessionId };
      const answer = this.#pool.acquireParked(caller, question, now);
      if (!answer) return;
      this.polls.answer(agentId, answer);
    }
  }

  /** When a parked agent may get a job after all that was left to a busy one, or null. */
  lookAgainAt(now: number): number | null {
    const { state } = this.#pool;
    if (waitingTotal(state) === 0 || this.polls.open(now).next().done) return null;
    return lookAgainAt(state, now);
  }
}
