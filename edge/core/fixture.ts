/** Orders, agents and a pool in memory for the core's tests. */
import type { ImageSpec } from '#schema/job.ts';
import type { JobOrder } from '#schema/record.ts';
import type { Caller, Command } from './queue.ts';
import { decide } from './queue.ts';
import { emptyState, evolve } from './state.ts';
import type { Change, QueueState } from './state.ts';

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
  addAgent(agentId: string, models: readonly string[], now = START): Caller {
    const caller = { agentId, sessionId: `${agentId}-session` };
    this.apply([{ kind: 'agent_issued', agentId, name: agentId, secretHash: 'hash', at: now }]);
    this.register(caller, models, now);
    return caller;
  }

  register(caller: Caller, models: readonly string[], now = START): void {
    const engines = [{ engine: 'test', version: '1', models: [...models] }];
    this.run({ kind: 'register', caller, capabilities: { gpu: null, engines }, holding: [] }, now);
  }

  /** Acquires as an agent that holds what the state says; the granted job's id and token, or null. */
  acquire(
    caller: Caller,
    now = START,
    resident: readonly string[] = [],
  ): { jobId: string; fencingToken: number } | null {
    const agent = this.state.agents.get(caller.agentId)!;
    const holding = [...agent.leases].map((id) => ({
      jobId: id,
      fencingToken: this.state.jobs.get(id)!.fencingToken,
    }));
    const changes = this.run({ kind: 'acquire', caller, resident, holding }, now);
    const granted = changes.find((change) => change.kind === 'job_granted');
    return granted ? { jobId: granted.jobId, fencingToken: granted.fencingToken } : null;
  }

  complete(caller: Caller, lease: { jobId: string; fencingToken: number }, now = START): void {
    this.run({ kind: 'complete', artifacts: [], ...this.attempt(caller, lease) }, now);
  }

  /** What every command that ends an attempt carries. */
  attempt(caller: Caller, lease: { jobId: string; fencingToken: number }) {
    const timings = { loadMs: 0, serviceMs: 1000, uploadMs: 10 };
    return { caller, lease, order: this.orders.get(lease.jobId)!, usage: { steps: 20 }, timings };
  }
}
