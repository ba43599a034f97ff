/**
 * An engine without a model: it loads, works, tells of its progress, and ends well, badly or when
 * it is stopped. Takes several like jobs at once. One model of those that need graphics memory is
 * loaded at a time; the small ones stay. Its times come from the catalog, with chance.
 */
import type { StartedJob } from '../../../agent/session/state.ts';
import type { RunOutcome } from '../../../agent/session/state.ts';
import { findModel } from '#schema/model.ts';
import type { Faults } from '../faults.ts';
import type { Random } from '../random.ts';
import type { Cancel, Owner, World } from '../world.ts';

export interface EngineEvents {
  readonly onProgress: (lease: number, told: { fraction: number; loading: boolean }) => void;
  readonly onResident: () => void;
  readonly onEnd: (lease: number, outcome: RunOutcome) => void;
}

interface Part {
  readonly job: StartedJob;
  readonly cancel: Cancel;
  isStopping: boolean;
}

const STOP_MS = 400;
const PROGRESS_STEPS = 3;
const BATCH_FACTOR = 0.6;

export class Engine {
  resident: string[] = [];
  /** It answers nothing, as when its server is restarted. */
  isAway = false;
  readonly #world: World;
  readonly #faults: Faults;
  readonly #random: Random;
  readonly #owner: Owner;
  readonly #events: EngineEvents;
  readonly #speed: number;
  readonly #parts = new Map<number, Part>();

  constructor(
    of: { world: World; faults: Faults; owner: Owner; speed: number },
    events: EngineEvents,
  ) {
    this.#world = of.world;
    this.#faults = of.faults;
    this.#owner = of.owner;
    this.#speed = of.speed;
    this.#events = events;
    this.#random = of.world.random.fork();
  }

  /** Leases that it works for now. */
  get running(): readonly StartedJob[] {
    return [...this.#parts.values()].map(({ job }) => job);
  }

  start(jobs: readonly StartedJob[]): void {
    const model = findModel(jobs[0]!.spec.model)!;
    const isLoaded = this.resident.includes(model.id);
    const loadMs = isLoaded ? 0 : this.#vary(model.loadMs);
    const serviceMs = this.#vary(model.serviceMs) * (1 + (jobs.length - 1) * BATCH_FACTOR);
    if (loadMs > 0) {
      this.#after(loadMs, 'loads', () => this.#setResident(model.id, model.vramMib));
    }
    for (const job of jobs) this.#startPart(job, { loadMs, serviceMs });
  }

  /** Ends one lease's part, a moment later. */
  stop(lease: number): void {
    const part = this.#parts.get(lease);
    if (!part || part.isStopping) return;
    part.isStopping = true;
    part.cancel();
    this.#after(this.#random.span(STOP_MS), 'stops', () => this.#end(lease, { kind: 'stopped' }));
  }

  #startPart(job: StartedJob, times: { loadMs: number; serviceMs: number }): void {
    const { loadMs, serviceMs } = times;
    const { lease } = job;
    const outcome = this.#draw(loadMs);
    const share = outcome.kind === 'done' ? 1 : this.#random.unit();
    const totalMs = loadMs + serviceMs * share;
    const cancel = this.#after(totalMs, 'ends a run', () => this.#end(lease, outcome));
    this.#parts.set(lease, { job, cancel, isStopping: false });
    for (let step = 0; step <= PROGRESS_STEPS; step += 1) {
      const fraction = (step / (PROGRESS_STEPS + 1)) * share;
      const ms = loadMs + fraction * serviceMs;
      this.#after(ms, 'progresses', () => this.#tell(lease, fraction, false));
    }
    if (loadMs > 0) this.#after(1, 'progresses', () => this.#tell(lease, 0, true));
  }

  #draw(loadMs: number): RunOutcome {
    if (this.isAway) {
      return fail({ code: 'engine_unavailable', retryable: true });
    }
    if (!this.#faults.engineFails()) {
      return { kind: 'done', delivers: true, usage: {}, loadMs: Math.round(loadMs) };
    }
    return fail(
      this.#random.pick([
        { code: 'job_failed', retryable: true },
        { code: 'engine_out_of_memory', retryable: true },
        { code: 'engine_rejected', retryable: false },
        { code: 'engine_unavailable', retryable: true },
      ] as const),
    );
  }

  #tell(lease: number, fraction: number, loading: boolean): void {
    const part = this.#parts.get(lease);
    if (part && !part.isStopping) this.#events.onProgress(lease, { fraction, loading });
  }

  #end(lease: number, outcome: RunOutcome): void {
    if (!this.#parts.delete(lease)) return;
    this.#events.onEnd(lease, outcome);
  }

  #setResident(model: string, vramMib: number): void {
    const small = this.resident.filter((id) => findModel(id)?.vramMib === 0);
    const kept = vramMib === 0 ? this.resident : small;
    this.resident = [model, ...kept.filter((id) => id !== model)];
    this.#events.onResident();
  }

  #after(ms: number, what: string, act: () => void): Cancel {
    return this.#world.afterSync(ms, { owner: this.#owner, what, act });
  }

  #vary(ms: number): number {
    return ms * this.#speed * (0.7 + this.#random.unit() * 0.8);
  }
}

function fail(
  how: Pick<Extract<RunOutcome, { kind: 'failed' }>, 'code' | 'retryable'>,
): RunOutcome {
  return { kind: 'failed', detail: 'as drawn', ...how };
}
