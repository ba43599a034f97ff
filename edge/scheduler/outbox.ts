/**
 * What others must still be told of the pool's jobs: Postgres of every change, the job's Account
 * of its end, its Feed of every change while someone watches, the couriers of those who asked.
 * Holds ids, not messages: what is delivered is the job as it stands then, so a slow receiver
 * gets one newer record instead of many. At least once; receivers are idempotent on the
 * record's sequence. One delivery at a time to each kind of receiver. When the whole kind is
 * away its line waits; when one object is, its jobs wait and the others pass them.
 * A busy line rests between rounds: what gathers meanwhile goes in one, and a job that came and
 * ended within a rest is told of once.
 */
import {
  DELIVERY_CHECK_MS,
  DELIVERY_ROUND_MS,
  DELIVERY_ROUNDS_BURST,
  RECORD_BATCH_MAX,
  SETTLEMENT_ROUND_MS,
} from '#schema/limits.ts';
import { gcra } from '../core/gcra.ts';
import { backoffMs } from '../core/retry.ts';

const RECEIVERS = ['postgres', 'account', 'feed', 'courier'] as const;
/** Who is told of jobs. */
export type Receiver = (typeof RECEIVERS)[number];

/** What came of a batch: sequences that arrived, jobs that failed; the rest was not tried. */
export interface Delivery {
  readonly arrived: ReadonlyMap<string, number>;
  readonly failed: readonly string[];
}

/** Delivers jobs by id; rejects when nothing could be delivered to anyone. */
export type Deliver = (jobIds: readonly string[]) => Promise<Delivery>;

interface Due {
  /** Number of the job's newest change. */
  readonly changed: number;
  readonly failures: number;
  readonly retryAt: number;
}

interface Line {
  /** By job id, oldest change first. */
  readonly due: Map<string, Due>;
  busy: boolean;
  failures: number;
  retryAt: number;
  /** Theoretical arrival time of its next round; see gcra. */
  tat: number;
  /** Ends its rest; null while it does not rest. */
  wake: (() => void) | null;
}

/** Whoever watches a job wants each change at once; the others can wait for a round. */
const PACE: Readonly<Record<Receiver, Parameters<typeof gcra>[2] | null>> = {
  postgres: { emissionIntervalMs: DELIVERY_ROUND_MS, burst: DELIVERY_ROUNDS_BURST },
  account: { emissionIntervalMs: SETTLEMENT_ROUND_MS, burst: DELIVERY_ROUNDS_BURST },
  feed: null,
  courier: null,
};

interface Hooks {
  readonly deliver: Readonly<Record<Receiver, Deliver>>;
  readonly sequenceOf: (jobId: string) => number | null;
  /** Called after each delivery with the jobs that need nothing more from this receiver. */
  readonly onDelivered: (receiver: Receiver, jobIds: readonly string[]) => void;
  readonly onFailure: (receiver: Receiver, error: unknown) => void;
  readonly now: () => number;
  readonly random: () => number;
  /** Resolves after so many milliseconds, or when it does not matter any more. */
  readonly rest: (ms: number) => Promise<void>;
}

/** The deliveries of one pool; see above. */
export class Outbox {
  readonly #hooks: Hooks;
  readonly #lines: Readonly<Record<Receiver, Line>> = {
    postgres: newLine(),
    account: newLine(),
    feed: newLine(),
    courier: newLine(),
  };

  constructor(hooks: Hooks) {
    this.#hooks = hooks;
  }

  add(receiver: Receiver, jobId: string, changed: number): void {
    const { due } = this.#lines[receiver];
    due.delete(jobId);
    due.set(jobId, { changed, failures: 0, retryAt: 0 });
    if (due.size >= RECORD_BATCH_MAX) this.#lines[receiver].wake?.();
  }

  /** Someone else takes care of these. */
  remove(receiver: Receiver, jobIds: readonly string[]): void {
    for (const id of jobIds) this.#lines[receiver].due.delete(id);
  }

  /** The oldest jobs that lack nothing but this receiver, and for which `test` holds. */
  onlyDue(receiver: Receiver, test: (jobId: string) => boolean, countMax: number): string[] {
    const others = RECEIVERS.filter((other) => other !== receiver);
    const found: string[] = [];
    for (const id of this.#lines[receiver].due.keys()) {
      if (found.length === countMax) break;
      if (test(id) && !others.some((other) => this.#lines[other].due.has(id))) found.push(id);
    }
    return found;
  }

  isDue(jobId: string): boolean {
    return RECEIVERS.some((receiver) => this.#lines[receiver].due.has(jobId));
  }

  size(receiver: Receiver): number {
    return this.#lines[receiver].due.size;
  }

  /** The oldest change that this receiver lacks, or null when it has all. */
  oldestDue(receiver: Receiver): number | null {
    const first = this.#lines[receiver].due.values().next();
    return first.done ? null : first.value.changed;
  }

  /**
   * When to call `pump` again if nothing else does, or null when nothing is due. A delivery
   * under way is looked after too, in case the object dies in it.
   */
  nextAt(): number | null {
    const ats = RECEIVERS.map((receiver) => this.#nextOf(this.#lines[receiver]));
    const next = Math.min(...ats);
    return next === Infinity ? null : next;
  }

  #nextOf(line: Line): number {
    // Whatever it was to retry at is past, and is being tried.
    if (line.busy) return line.due.size > 0 ? this.#hooks.now() + DELIVERY_CHECK_MS : Infinity;
    if (line.failures > 0) return line.due.size > 0 ? line.retryAt : Infinity;
    let next = Infinity;
    for (const { failures, retryAt } of line.due.values()) {
      if (failures === 0) return this.#hooks.now() + DELIVERY_CHECK_MS;
      next = Math.min(next, retryAt);
    }
    return next;
  }

  /** Delivers what is due, all receivers side by side; resolves when each is done or has failed. */
  async pump(): Promise<void> {
    await Promise.all(RECEIVERS.map((receiver) => this.#pumpLine(receiver)));
  }

  async #pumpLine(receiver: Receiver): Promise<void> {
    const line = this.#lines[receiver];
    if (line.busy) return;
    line.busy = true;
    try {
      for (let batch = this.#next(line); batch.length > 0; batch = this.#next(line)) {
        await this.#deliverBatch(receiver, line, batch);
        const restMs = this.#restAfter(receiver, line);
        if (restMs > 0) await this.#rest(line, restMs);
      }
    } finally {
      line.busy = false;
    }
  }

  /** Lets a round gather, until it is full. */
  async #rest(line: Line, restMs: number): Promise<void> {
    if (line.due.size >= RECORD_BATCH_MAX) return;
    const full = new Promise<void>((resolve) => {
      line.wake = resolve;
    });
    await Promise.race([this.#hooks.rest(restMs), full]);
    line.wake = null;
  }

  /** How long a line rests after a round; only after several in a row. */
  #restAfter(receiver: Receiver, line: Line): number {
    const pace = PACE[receiver];
    if (!pace) return 0;
    const now = this.#hooks.now();
    // Full rounds follow one another at once: they leave no more than one rest to make up for.
    const tat = Math.min(line.tat, now + pace.emissionIntervalMs * pace.burst);
    const { retryAfterMs } = gcra(tat, now, pace);
    line.tat = gcra(tat, now + retryAfterMs, pace).tat;
    return retryAfterMs;
  }

  /** The next jobs to deliver; none while the line waits. */
  #next(line: Line): string[] {
    const now = this.#hooks.now();
    const batch: string[] = [];
    if (now < line.retryAt) return batch;
    for (const [id, { retryAt }] of line.due) {
      if (retryAt <= now) batch.push(id);
      if (batch.length === RECORD_BATCH_MAX) break;
    }
    return batch;
  }

  async #deliverBatch(receiver: Receiver, line: Line, batch: readonly string[]): Promise<void> {
    let delivery: Delivery;
    try {
      delivery = await this.#hooks.deliver[receiver](batch);
      line.failures = 0;
      line.retryAt = 0;
    } catch (error) {
      this.#hooks.onFailure(receiver, error);
      line.failures += 1;
      line.retryAt = this.#later(line.failures);
      return;
    }
    const done = [...delivery.arrived].filter(([id, sequence]) => {
      const current = this.#hooks.sequenceOf(id);
      return current === null || current <= sequence;
    });
    for (const [id] of done) line.due.delete(id);
    for (const id of delivery.failed) {
      const due = line.due.get(id);
      if (!due) continue;
      const failures = due.failures + 1;
      line.due.set(id, { ...due, failures, retryAt: this.#later(failures) });
    }
    this.#hooks.onDelivered(
      receiver,
      done.map(([id]) => id),
    );
  }

  #later(failures: number): number {
    return this.#hooks.now() + backoffMs(failures, this.#hooks.random());
  }
}

function newLine(): Line {
  return { due: new Map(), busy: false, failures: 0, retryAt: 0, tat: 0, wake: null };
}
