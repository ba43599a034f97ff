/**
 * What the core's tests are made of: orders, a pool in memory that keeps its changes, and a world
 * of agents in virtual time, in which jobs come, are loaded, run and end, and nothing else does.
 */
import type { LeaseRef } from '#schema/agent-protocol.ts';
import type { Artifact } from '#schema/artifact.ts';
import type { ChatAddress } from '#schema/chat.ts';
import type { ImageSpec } from '#schema/job.ts';
import type { JobOrder } from '#schema/record.ts';
import { bestAsker, choose } from './dispatch.ts';
import type { Choice } from './dispatch.ts';
import { evolve } from './evolve.ts';
import { lookAgainAt } from './holder.ts';
import { decide } from './queue.ts';
import type { Caller, Command } from './queue.ts';
import { emptyState, waitingTotal } from './state.ts';
import type { AgentEntry, Change, LiveEntry, QueueState } from './state.ts';

export const START = 1_800_000_000_000;
const ULID_END = '0123456789abcdefghjkmnpqrs';

/** A well-formed job id for a small number. */
export function jobId(number: number): string {
  return `job_0${String(number).padStart(8, '0')}${ULID_END.slice(0, 17)}_main`;
}

export function order(number: number, more: Partial<JobOrder> = {}): JobOrder {
  return {
    id: jobId(number),
    accountId: 'acc_a',
    apiKeyId: null,
    requestId: 'req_1',
    tier: 'free',
    spec: imageSpec('painter'),
    metadata: {},
    heldMillitokens: 1000,
    day: '2027-01-15',
    createdAt: START,
    deadlineAt: null,
    notices: [],
    ...more,
  };
}

export function imageSpec(model: string): ImageSpec {
  return {
    type: 'image',
    model,
    prompt: 'a cat',
    negative_prompt: '',
    width: 1024,
    height: 1024,
    steps: 20,
    guidance: 0,
    seed: 1,
    count: 1,
    input_image: null,
    mask: null,
    strength: 0.6,
    loras: [],
    upscale: 1,
  };
}

/** A small picture that a job has made. */
export function picture(more: Partial<Artifact> = {}): Artifact {
  return {
    index: 0,
    key: 'result/x/1/0.png',
    contentType: 'image/png',
    bytes: 1,
    sha256: '0'.repeat(64),
    width: 1,
    height: 1,
    durationS: null,
    thumbnailKey: null,
    ...more,
  };
}

/** Where a user writes to a bot in private. */
export function privateChat(more: Partial<ChatAddress> = {}): ChatAddress {
  return {
    platform: 'telegram',
    chatId: '7',
    userId: '7',
    replyTo: '1',
    threadId: null,
    interactionToken: null,
    interactionExpiresAt: null,
    attachmentBytesMax: null,
    ...more,
  };
}

/** A pool that remembers all its changes. */
export class TestPool {
  readonly state: QueueState = emptyState();
  readonly changes: Change[] = [];
  readonly orders = new Map<string, JobOrder>();

  apply(changes: readonly Change[]): void {
    for (const change of changes) {
      evolve(this.state, change);
      this.changes.push(change);
    }
  }

  /** Decides and evolves; throws on a refusal, which has its own test. */
  run(command: Command, now = START): readonly Change[] {
    const decision = decide(this.state, now, command);
    if (!decision.ok) throw new Error(decision.error.reason);
    this.apply(decision.value);
    return decision.value;
  }

  enqueue(ordered: JobOrder, now = START): void {
    this.orders.set(ordered.id, ordered);
    this.run({ kind: 'enqueue', order: ordered, cancelled: false }, now);
  }

  /** An agent with a session and these models. */
  addAgent(agentId: string, models: readonly string[], batchMax = 1): Caller {
    const caller = { agentId, sessionId: `${agentId}-session` };
    this.apply([{ kind: 'agent_issued', agentId, name: agentId, secretHash: 'hash', at: START }]);
    this.run(registration(caller, models, batchMax), START);
    return caller;
  }

  register(caller: Caller, models: readonly string[], now = START): void {
    this.run(registration(caller, models, 1), now);
  }

  /** Acquires as an agent that holds what the state says; the granted job's id and token, or null. */
  acquire(caller: Caller, now = START, resident: readonly string[] = []): LeaseRef | null {
    return this.acquireAll(caller, now, { resident })[0] ?? null;
  }

  /** All that is granted at once. */
  acquireAll(
    caller: Caller,
    now: number,
    ask: { readonly resident?: readonly string[]; readonly busyMs?: number } = {},
  ): LeaseRef[] {
    const holding = this.holding(caller);
    const { resident = [], busyMs = 0 } = ask;
    const changes = this.run({ kind: 'acquire', caller, resident, holding, busyMs }, now);
    return changes
      .filter((change) => change.kind === 'job_granted')
      .map(({ jobId: id, fencingToken }) => ({ jobId: id, fencingToken }));
  }

  /** The leases of an agent that has heard of all. */
  holding(caller: Caller): LeaseRef[] {
    return [...this.agent(caller).leases].map((id) => {
      return { jobId: id, fencingToken: this.state.jobs.get(id)!.fencingToken };
    });
  }

  agent(caller: Caller): AgentEntry {
    return this.state.agents.get(caller.agentId)!;
  }

  /** A sign of life, which keeps all leases. */
  renew(caller: Caller, now: number): void {
    this.run({ kind: 'renew', caller, resident: null, leases: this.holding(caller) }, now);
  }

  complete(caller: Caller, lease: { jobId: string; fencingToken: number }, now = START): void {
    this.run({ kind: 'complete', artifacts: [], ...this.attempt(caller, lease) }, now);
  }

  /** What every command that ends an attempt carries. */
  attempt(caller: Caller, lease: { jobId: string; fencingToken: number }) {
    const timings = { loadMs: 0, serviceMs: 1000, uploadMs: 10 };
    return { caller, lease, order: this.orders.get(lease.jobId)!, usage: { steps: 20 }, timings };
  }

  /** Ends the attempt of a job that ran for so long. */
  end(caller: Caller, lease: LeaseRef, run: { now: number; loadMs: number; serviceMs: number }) {
    const attempt = this.attempt(caller, lease);
    const { now, loadMs, serviceMs } = run;
    const timings = { ...attempt.timings, loadMs, serviceMs };
    this.run({ kind: 'complete', artifacts: [], ...attempt, timings }, now);
  }

  /** The attempt ends in a failure that may be tried again. */
  failAttempt(caller: Caller, lease: LeaseRef, now = START): void {
    const failure = { kind: 'fail', code: 'job_failed', retryable: true } as const;
    this.run({ ...failure, ...this.attempt(caller, lease) }, now);
  }
}

function registration(
  caller: Caller,
  models: readonly string[],
  batchMax: number,
): Extract<Command, { kind: 'register' }> {
  const engines = [{ engine: 'test', version: '1', models: [...models], batchMax }];
  return { kind: 'register', caller, capabilities: { gpu: null, engines }, holding: [] };
}

/** What a model that the catalog does not know is taken to need, until it is learned. */
export const LOAD_MS = 20_000;
export const MS_PER_MILLITOKEN = 15;

/** An agent of a world. It holds one model, the one it ran last. */
export interface Gpu {
  readonly caller: Caller;
  readonly resident: string[];
  untilAt: number;
  run: { readonly leases: readonly LeaseRef[]; loadMs: number; serviceMs: number } | null;
  /** GPU time spent so far. */
  busyMs: number;
}

/** A job that comes to a world at `at`, and how far its run is off from what is foreseen. */
export interface Arrival {
  readonly at: number;
  readonly order: JobOrder;
  readonly factor?: number;
  /** Its first attempt ends in a failure. */
  readonly isFailing?: boolean;
}

/** A grant that is about to be made. */
export interface Grant {
  readonly now: number;
  readonly gpu: Gpu;
  readonly choice: Choice;
}

/** What a test looks at: a job that came, a grant before it is made, the state after each step. */
export interface Watch {
  readonly enqueued?: (entry: LiveEntry) => void;
  readonly before?: (grant: Grant) => void;
  readonly after?: () => void;
}

/** Agents that load and run what they are given, in virtual time. */
export class World {
  readonly pool = new TestPool();
  readonly gpus: Gpu[] = [];
  now = START;
  /** When each job's engine started on it. */
  readonly startedAt = new Map<string, number>();
  readonly completed = new Set<string>();
  readonly #arrivals = new Map<string, Arrival>();

  addGpu(agentId: string, models: readonly string[], batchMax = 1): Gpu {
    const caller = this.pool.addAgent(agentId, models, batchMax);
    const gpu = { caller, resident: [], untilAt: START, run: null, busyMs: 0 };
    this.gpus.push(gpu);
    return gpu;
  }

  /** Runs until all these jobs have ended, or `untilAt` is reached. */
  play(arrivals: readonly Arrival[], watch: Watch = {}, untilAt = Infinity): void {
    const coming = arrivals.toSorted((one, other) => one.at - other.at);
    let next = 0;
    for (;;) {
      const isWaiting = waitingTotal(this.pool.state) > 0;
      const lookAt = (isWaiting && lookAgainAt(this.pool.state, this.now)) || Infinity;
      const ends = this.gpus.map((gpu) => (gpu.run ? gpu.untilAt : Infinity));
      const at = Math.min(coming[next]?.at ?? Infinity, lookAt, ...ends);
      if (at === Infinity || at > untilAt) return;
      this.now = Math.max(this.now, at);
      for (const gpu of this.gpus) this.#endRun(gpu);
      for (const { caller } of this.gpus) this.pool.renew(caller, this.now);
      for (; next < coming.length && coming[next]!.at <= this.now; next += 1) {
        const { order: ordered } = coming[next]!;
        this.#arrivals.set(ordered.id, coming[next]!);
        this.pool.enqueue(ordered, this.now);
        watch.enqueued?.(this.pool.state.jobs.get(ordered.id)!);
      }
      while (this.#serve(watch.before));
      watch.after?.();
    }
  }

  #endRun(gpu: Gpu): void {
    if (!gpu.run || gpu.untilAt > this.now) return;
    const { leases, loadMs, serviceMs } = gpu.run;
    gpu.run = null;
    for (const lease of leases) {
      if (this.#arrivals.get(lease.jobId)?.isFailing && lease.fencingToken === 1) {
        this.pool.failAttempt(gpu.caller, lease, this.now);
        continue;
      }
      this.completed.add(lease.jobId);
      this.pool.end(gpu.caller, lease, { now: this.now, loadMs, serviceMs });
      this.pool.run({ kind: 'forget', jobId: lease.jobId }, this.now);
    }
  }

  /** Gives one idle agent a job; false when none is for any. */
  #serve(before: Watch['before']): boolean {
    const { pool, now } = this;
    const askers = this.gpus
      .filter(({ run }) => run === null)
      .map(({ caller, resident }) => ({ agent: pool.agent(caller), resident }));
    const asker = bestAsker(pool.state, askers, now);
    if (!asker) return false;
    const gpu = this.gpus.find(({ caller }) => caller.agentId === asker.agent.id)!;
    const choice = choose(pool.state, asker, now)!;
    before?.({ now, gpu, choice });
    const leases = pool.acquireAll(gpu.caller, now, { resident: gpu.resident });
    const { model, millitokens, id } = choice.entry;
    const loadMs = gpu.resident.includes(model) ? 0 : LOAD_MS;
    const factor = this.#arrivals.get(id)?.factor ?? 1;
    const serviceMs = millitokens * MS_PER_MILLITOKEN * factor;
    for (const lease of leases) this.startedAt.set(lease.jobId, now + loadMs);
    gpu.run = { leases, loadMs, serviceMs };
    gpu.resident.splice(0, 1, model);
    gpu.untilAt = now + loadMs + serviceMs;
    gpu.busyMs += loadMs + serviceMs;
    return true;
  }
}
