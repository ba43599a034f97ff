/**
 * The edge as the agent's tests need it: the protocol's rules over a handful of jobs, in memory.
 * Faithful in what an agent can meet: sessions, leases that lapse, fencing tokens, lost and
 * cancelled leases, repeats of every call; grants of several like jobs to who can run them
 * together. No queueing policy. Time is an argument.
 */
import type { InputFile, LeasedJob, LeaseRef } from '#schema/agent-protocol.ts';
import type { Artifact } from '#schema/artifact.ts';
import { assert } from '#schema/assert.ts';
import type { ErrorCode } from '#schema/error.ts';
import type { JobSpec } from '#schema/job.ts';
import {
  BATCH_MAX,
  HEARTBEAT_MS,
  LEASE_MS,
  LEASES_PER_AGENT_MAX,
  POLL_MS,
} from '#schema/limits.ts';
import type { BodyOf, Request, Verb } from '../session/state.ts';

export interface ModelJob {
  readonly id: string;
  readonly spec: JobSpec;
  /** Files of it that are lent with the lease. */
  readonly inputs: readonly InputFile[];
  readonly runMsMax: number;
  status: 'queued' | 'running' | 'completed' | 'failed' | 'cancelled';
  token: number;
  attempt: number;
  holder: string | null;
  expiresAt: number;
  cancelRequested: boolean;
  artifacts: readonly Artifact[];
  /** How it ended, each time the edge accepted an end. */
  ends: { readonly verb: Verb; readonly token: number }[];
}

export type Reply =
  | { readonly kind: 'answer'; readonly answer: object }
  | { readonly kind: 'refusal'; readonly code: ErrorCode }
  /** To be asked again when something changed, at the latest when its wait is over. */
  | { readonly kind: 'park'; readonly waitMs: number };

const AGENT_ID = 'agt_01k00000000000000000000000';

export class EdgeModel {
  readonly jobs = new Map<string, ModelJob>();
  readonly sessions = new Set<string>();
  drain = false;
  leaseMs = LEASE_MS;
  readonly #pool: string;
  /** Jobs that one grant may hold, by what the session announced. */
  #batchMax = 1;

  constructor(pool = 'main') {
    this.#pool = pool;
  }

  submit(
    spec: JobSpec,
    { runMsMax = 600_000, inputs = [] }: { runMsMax?: number; inputs?: readonly InputFile[] } = {},
  ): ModelJob {
    const number = String(this.jobs.size + 1).padStart(24, '0');
    const job: ModelJob = {
      id: `job_01${number}_${this.#pool}`,
      spec,
      inputs,
      runMsMax,
      status: 'queued',
      token: 0,
      attempt: 0,
      holder: null,
      expiresAt: 0,
      cancelRequested: false,
      artifacts: [],
      ends: [],
    };
    this.jobs.set(job.id, job);
    return job;
  }

  cancel(id: string): void {
    const job = this.jobs.get(id);
    if (job?.status === 'queued') job.status = 'cancelled';
    if (job?.status === 'running') job.cancelRequested = true;
  }

  /** Takes a lease away, as when it lapsed. */
  revoke(id: string): void {
    const job = this.jobs.get(id);
    if (job?.status !== 'running') return;
    job.status = job.cancelRequested ? 'cancelled' : 'queued';
    job.holder = null;
  }

  expire(now: number): void {
    for (const job of this.jobs.values()) {
      if (job.status === 'running' && job.expiresAt <= now) this.revoke(job.id);
    }
  }

  /** What the edge says to a call; `last` answers a long poll instead of parking it. */
  handle(request: Request, at: { readonly now: number; readonly last: boolean }): Reply {
    this.expire(at.now);
    const { verb, body } = request;
    if (verb === 'register') return this.#register(body, at.now);
    if (!this.sessions.has(body.sessionId)) return { kind: 'refusal', code: 'not_registered' };
    switch (verb) {
      case 'acquire': {
        const offer = this.#offer(body.sessionId, body.holding, at.now);
        const parks = !at.last && offer.job === null && !offer.drain && body.waitMs > 0;
        return parks ? { kind: 'park', waitMs: body.waitMs } : { kind: 'answer', answer: offer };
      }
      case 'control': {
        const words = this.#words(body.sessionId, body.holding);
        const silent = words.lost.length + words.cancel.length === 0 && !words.drain;
        const parks = !at.last && silent && body.waitMs > 0;
        return parks ? { kind: 'park', waitMs: body.waitMs } : { kind: 'answer', answer: words };
      }
      case 'renew': {
        const held = body.leases.filter((ref) => this.#holds(body.sessionId, ref));
        for (const ref of held) {
          const job = this.#job(ref);
          if (!job.cancelRequested) job.expiresAt = at.now + this.leaseMs;
        }
        const refs = held.map(({ jobId, fencingToken }) => ({ jobId, fencingToken }));
        return {
          kind: 'answer',
          answer: { held: refs, ...this.#words(body.sessionId, body.leases) },
        };
      }
      case 'complete':
      case 'fail':
      case 'return':
        return this.#end(request, at.now);
    }
  }

  /** Whether this attempt may still write. */
  holdsLease(ref: LeaseRef): boolean {
    const job = this.jobs.get(ref.jobId);
    return job?.status === 'running' && job.token === ref.fencingToken;
  }

  #register(body: BodyOf<'register'>, now: number): Reply {
    // One agent, one session: what an earlier one held and this one does not name is free again.
    for (const job of this.jobs.values()) {
      const named = body.holding.some(
        (ref) => ref.jobId === job.id && ref.fencingToken === job.token,
      );
      if (job.status !== 'running') continue;
      if (named) {
        job.holder = body.sessionId;
        job.expiresAt = now + this.leaseMs;
      } else if (job.holder !== body.sessionId) this.revoke(job.id);
    }
    const batches = body.capabilities.engines.map(({ batchMax }) => batchMax);
    this.#batchMax = Math.max(1, ...batches);
    this.sessions.clear();
    this.sessions.add(body.sessionId);
    const { lost, cancel } = this.#words(body.sessionId, body.holding);
    const spans = { heartbeatMs: HEARTBEAT_MS, leaseMs: this.leaseMs, pollMs: POLL_MS };
    return { kind: 'answer', answer: { agentId: AGENT_ID, ...spans, lost, cancel } };
  }

  #offer(sessionId: string, holding: readonly LeaseRef[], now: number) {
    if (this.drain) return { job: null, batch: [], drain: true };
    const jobs = [...this.jobs.values()];
    const mine = jobs.filter((job) => job.status === 'running' && job.holder === sessionId);
    const unheard = mine.filter(
      (job) => !holding.some((ref) => ref.jobId === job.id && ref.fencingToken === job.token),
    );
    for (const job of unheard) if (job.cancelRequested) this.revoke(job.id);
    const lacked = unheard.filter((job) => !job.cancelRequested);
    const room = LEASES_PER_AGENT_MAX - mine.length;
    const queued = jobs.filter(({ status }) => status === 'queued');
    const like = queued.filter(({ spec }) => spec.model === queued[0]!.spec.model);
    const fresh = like.slice(0, Math.min(room, this.#batchMax));
    const granted = lacked.length > 0 ? lacked.slice(0, BATCH_MAX) : fresh;
    for (const job of granted) {
      // The same attempt under a new token: whoever has the older one may not write any more.
      job.token++;
      if (!lacked.includes(job)) job.attempt++;
      job.status = 'running';
      job.holder = sessionId;
      job.expiresAt = now + this.leaseMs;
    }
    const [job = null, ...batch] = granted.map((one) => this.#lease(one));
    return { job, batch, drain: false };
  }

  #lease(job: ModelJob): LeasedJob {
    return {
      jobId: job.id,
      spec: job.spec,
      fencingToken: job.token,
      attempt: job.attempt,
      leaseMs: this.leaseMs,
      expiresAt: Math.round(job.expiresAt),
      runMsMax: job.runMsMax,
      uploadTicket: `ticket-${job.id}-${job.token}`,
      inputs: [...job.inputs],
    };
  }

  #words(sessionId: string, refs: readonly LeaseRef[]) {
    const plain = refs.map(({ jobId, fencingToken }) => ({ jobId, fencingToken }));
    const holds = (ref: LeaseRef) => this.#holds(sessionId, ref);
    const all = [...this.jobs.values()].map((job) => ({ jobId: job.id, fencingToken: job.token }));
    return {
      lost: plain.filter((ref) => !holds(ref)),
      cancel: all.filter((ref) => holds(ref) && this.#job(ref).cancelRequested),
      drain: this.drain,
    };
  }

  #end(request: Extract<Request, { verb: 'complete' | 'fail' | 'return' }>, now: number): Reply {
    const { verb, body } = request;
    const job = this.jobs.get(body.lease.jobId);
    const { fencingToken } = body.lease;
    const over = job && ['completed', 'failed', 'cancelled'].includes(job.status);
    const repeated = over && job.token === fencingToken && job.ends.length > 0;
    if (!job || (!repeated && !this.#holds(body.sessionId, body.lease))) {
      return { kind: 'refusal', code: 'lease_lost' };
    }
    if (!repeated) {
      job.ends.push({ verb, token: fencingToken });
      job.holder = null;
      if (request.verb === 'complete') job.artifacts = request.body.artifacts;
      if (job.cancelRequested) job.status = 'cancelled';
      else if (verb === 'complete') job.status = 'completed';
      else if (request.verb === 'fail' && !request.body.retryable) job.status = 'failed';
      else job.status = 'queued';
    }
    const next = body.next ? this.#offer(body.sessionId, body.next.holding, now) : null;
    const status = job.status === 'running' ? 'queued' : job.status;
    return { kind: 'answer', answer: { status, next } };
  }

  #holds(sessionId: string, ref: LeaseRef): boolean {
    return this.holdsLease(ref) && this.jobs.get(ref.jobId)?.holder === sessionId;
  }

  #job(ref: LeaseRef): ModelJob {
    const job = this.jobs.get(ref.jobId);
    assert(job, 'a lease is of a job');
    return job;
  }
}
