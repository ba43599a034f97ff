/**
 * The pool's state machine with waiting jobs of all tiers, many models and accounts, as the
 * Scheduler holds it in memory. Deterministic, and of nothing but what edge/core is given there;
 * runs in node and in workerd.
 */
import { assert } from '#schema/assert.ts';
import { MODELS } from '#schema/model.ts';
import { TIERS } from '#schema/plan.ts';
import type { JobOrder } from '#schema/record.ts';
import { evolve } from '../../edge/core/evolve.ts';
import { order } from '../../edge/core/fixture.ts';
import { decide, type Caller, type Command } from '../../edge/core/queue.ts';
import { emptyState, type Change } from '../../edge/core/state.ts';

const ACCOUNTS = 1000;
const AGENTS = 16;
const START = Date.UTC(2027, 0, 15);
/** Between two events: the queue's ages spread over hours. */
const STEP_MS = 500;
/** One job in ten has a deadline, far enough off that none is reached. */
const DEADLINE_EVERY = 10;
const DEADLINE_MS = 30 * 24 * 3_600_000;

/** One pool with 16 agents. */
export class CorePool {
  readonly state = emptyState();
  readonly #callers: Caller[] = [];
  readonly #resident = new Map<string, string>();
  #count = 0;
  #now = START;

  constructor() {
    for (let n = 0; n < AGENTS; n += 1) this.#addAgent(n);
  }

  /** Most of the models each, so that no agent sees all that waits. */
  #addAgent(n: number): void {
    const agentId = `agt_${n}`;
    const caller = { agentId, sessionId: `session-${n}` };
    const models = MODELS.filter((_, index) => (index + n) % 8 !== 0).map(({ id }) => id);
    const at = this.#now;
    this.#apply([{ kind: 'agent_issued', agentId, name: agentId, secretHash: '', at }]);
    const engines = [{ engine: 'bench', version: '1', models, batchMax: 1 }];
    const capabilities = { gpu: null, engines };
    this.#run({ kind: 'register', caller, capabilities, holding: [] });
    this.#callers.push(caller);
    this.#resident.set(agentId, models[0]!);
  }

  /** As it comes by RPC: a copy, whose strings are its own. */
  makeOrder(): JobOrder {
    const n = this.#count++;
    this.#now += STEP_MS;
    const spread = (n * 2_654_435_761) >>> 0;
    const made = order(n, {
      accountId: `acc_${String(spread % ACCOUNTS).padStart(26, '0')}`,
      tier: TIERS[(spread >>> 8) % TIERS.length]!,
      createdAt: this.#now,
      deadlineAt: n % DEADLINE_EVERY === 0 ? this.#now + DEADLINE_MS : null,
    });
    const model = MODELS[(spread >>> 12) % MODELS.length]!.id;
    return structuredClone({ ...made, spec: { ...made.spec, model } }) as JobOrder;
  }

  enqueue(ordered: JobOrder): void {
    this.#run({ kind: 'enqueue', order: ordered, cancelled: false });
  }

  /** The grant to the next agent in turn. */
  acquire(turn: number): { caller: Caller; granted: Extract<Change, { kind: 'job_granted' }> } {
    const caller = this.#callers[turn % AGENTS]!;
    const resident = [this.#resident.get(caller.agentId)!];
    const ask = { kind: 'acquire', caller, resident, holding: [], busyMs: 0 } as const;
    const changes = this.#run(ask);
    const granted = changes.find((change) => change.kind === 'job_granted');
    assert(granted, 'something waits for every agent');
    return { caller, granted };
  }

  complete({ caller, granted }: ReturnType<CorePool['acquire']>, ordered: JobOrder): void {
    const { jobId, fencingToken } = granted;
    const timings = { loadMs: 0, serviceMs: 5000, uploadMs: 100 };
    const end = { caller, lease: { jobId, fencingToken }, order: ordered, usage: {}, timings };
    this.#run({ kind: 'complete', artifacts: [], ...end });
  }

  forget(jobId: string): void {
    this.#run({ kind: 'forget', jobId });
  }

  /** The model that an agent has loaded is that of its last job. */
  load(caller: Caller, model: string): void {
    this.#resident.set(caller.agentId, model);
  }

  #run(command: Command): readonly Change[] {
    const decision = decide(this.state, this.#now, command);
    if (!decision.ok) throw new Error(decision.error.reason);
    this.#apply(decision.value);
    return decision.value;
  }

  #apply(changes: readonly Change[]): void {
    for (const change of changes) evolve(this.state, change);
  }
}

/** A pool in which so many jobs wait. */
export function fillPool(waiting: number): CorePool {
  const pool = new CorePool();
  for (let n = 0; n < waiting; n += 1) pool.enqueue(pool.makeOrder());
  return pool;
}
