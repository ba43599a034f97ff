/**
 * Our own policy in a replay: the pool's state machine as it runs in production. Jobs are
 * enqueued, agents acquire and complete, by the same commands; nothing of the policy is here.
 */
import type { ImageSpec } from '#schema/job.ts';
import { assert } from '#schema/assert.ts';
import type { JobOrder } from '#schema/record.ts';
import { bestAsker } from '../../../edge/core/dispatch.ts';
import { evolve } from '../../../edge/core/evolve.ts';
import { learn } from '../../../edge/core/figures.ts';
import { lookAgainAt } from '../../../edge/core/holder.ts';
import { rangeOf } from '../../../edge/core/forecast.ts';
import { isBefore } from '../../../edge/core/line.ts';
import { decide } from '../../../edge/core/queue.ts';
import type { Command } from '../../../edge/core/queue.ts';
import { emptyState, waitingTotal } from '../../../edge/core/state.ts';
import type { Change, LiveEntry, QueueState } from '../../../edge/core/state.ts';
import type { Gpu, Job, Policy } from './replay.ts';
import type { TraceJob } from './trace.ts';

/** The epoch of virtual time. */
const START_MS = Date.UTC(2026, 0, 1);
const MILLITOKENS = 1000;

/** A pool of the production code with this many agents that have every model of the trace. */
export class Ours implements Policy {
  readonly state: QueueState = emptyState();
  readonly #jobs = new Map<string, Job>();
  readonly #agents: readonly string[];
  /** Waits that were told as a range when their job came, and those that fell inside. */
  readonly forecasts = { told: 0, inside: 0 };
  readonly #told = new Map<string, { readonly leastMs: number; readonly mostMs: number }>();

  constructor(gpus: number, models: readonly string[]) {
    this.#agents = Array.from({ length: gpus }, (_, number) => `agt_${number}`);
    const engines = [{ engine: 'bench', version: '1', models: [...models], batchMax: 1 }];
    for (const agentId of this.#agents) {
      this.#evolve([
        { kind: 'agent_issued', agentId, name: agentId, secretHash: '', at: START_MS },
      ]);
      const caller = callerOf(agentId);
      this.#run({ kind: 'register', caller, capabilities: { gpu: null, engines }, holding: [] }, 0);
    }
  }

  /** What a job that ran before the replay has taught. */
  learn({ model, serviceS }: TraceJob, loadS: number): void {
    const spans = { loadMs: loadS * 1000, serviceMs: serviceS * 1000 };
    learn(this.state.figures, { agentId: 'before', model, millitokens: MILLITOKENS, ...spans });
  }

  submit(job: Job, nowS: number): void {
    const order = orderOf(job, nowS);
    this.#jobs.set(order.id, job);
    // Parked agents are heard of twice a minute.
    for (const agentId of this.#agents) {
      const caller = callerOf(agentId);
      this.#run({ kind: 'renew', caller, resident: null, leases: [] }, nowS);
    }
    this.#run({ kind: 'enqueue', order, cancelled: false }, nowS);
    const { foreseenMs } = this.state.jobs.get(order.id)!;
    if (foreseenMs !== null) this.#told.set(order.id, rangeOf(this.state.errors, foreseenMs));
  }

  start(idle: readonly Gpu[], nowS: number): { gpu: Gpu; job: Job } | null {
    if (waitingTotal(this.state) === 0) return null;
    const askers = idle.map((gpu) => ({
      gpu,
      agent: this.state.agents.get(`agt_${gpu.number}`)!,
      resident: gpu.model === null ? [] : [gpu.model],
    }));
    const asker = bestAsker(this.state, askers, START_MS + nowS * 1000);
    const found = askers.find(({ agent }) => agent === asker?.agent);
    if (!found) return null;
    const { agent, resident, gpu } = found;
    const ask = { caller: callerOf(agent.id), resident, holding: [], busyMs: 0 };
    const changes = this.#run({ kind: 'acquire', ...ask }, nowS);
    const granted = changes.find((change) => change.kind === 'job_granted');
    assert(granted, 'what was to be served is served');
    return { gpu, job: this.#jobs.get(granted.jobId)! };
  }

  end(gpu: Gpu, run: { readonly job: Job; readonly loadS: number }, nowS: number): void {
    const order = orderOf(run.job, run.job.arrivalS);
    const entry = this.state.jobs.get(order.id)!;
    const lease = { jobId: entry.id, fencingToken: entry.fencingToken };
    const caller = callerOf(`agt_${gpu.number}`);
    const timings = { loadMs: run.loadS * 1000, serviceMs: run.job.serviceS * 1000, uploadMs: 0 };
    const end = { caller, lease, order, usage: {}, timings, artifacts: [] };
    this.#run({ kind: 'complete', ...end }, nowS);
    this.#run({ kind: 'forget', jobId: entry.id }, nowS);
    this.#jobs.delete(entry.id);
    const told = this.#told.get(entry.id);
    this.#told.delete(entry.id);
    if (!told) return;
    const waitMs = run.job.waitS * 1000;
    this.forecasts.told += 1;
    if (told.leastMs <= waitMs && waitMs <= told.mostMs) this.forecasts.inside += 1;
  }

  head(): Job | null {
    let head: LiveEntry | null = null;
    for (const line of this.state.waiting.free.values()) {
      const first = line.at(0)!;
      if (!head || isBefore(first, head)) head = first;
    }
    return head && this.#jobs.get(head.id)!;
  }

  lookAgainAtS(nowS: number): number {
    if (waitingTotal(this.state) === 0) return Infinity;
    const at = lookAgainAt(this.state, START_MS + nowS * 1000);
    return at === null ? Infinity : (at - START_MS) / 1000;
  }

  #run(command: Command, nowS: number): readonly Change[] {
    const decision = decide(this.state, START_MS + nowS * 1000, command);
    assert(decision.ok, 'a replay asks for nothing that is refused');
    this.#evolve(decision.value);
    return decision.value;
  }

  #evolve(changes: readonly Change[]): void {
    for (const change of changes) evolve(this.state, change);
  }
}

function callerOf(agentId: string): { agentId: string; sessionId: string } {
  return { agentId, sessionId: agentId };
}

function orderOf(job: Job, nowS: number): JobOrder {
  return {
    id: `job_${job.number}`,
    accountId: job.account,
    apiKeyId: null,
    requestId: '',
    tier: 'free',
    spec: specOf(job.model),
    metadata: {},
    heldMillitokens: MILLITOKENS,
    day: '',
    createdAt: START_MS + nowS * 1000,
    deadlineAt: null,
    notices: [],
  };
}

function specOf(model: string): ImageSpec {
  return {
    type: 'image',
    model,
    prompt: '',
    negative_prompt: '',
    width: 1024,
    height: 1024,
    steps: 30,
    guidance: 7,
    seed: 0,
    count: 1,
    input_image: null,
    mask: null,
    strength: 0,
    loras: [],
    upscale: 1,
  };
}
