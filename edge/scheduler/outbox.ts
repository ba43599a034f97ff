/**
 * What others must still be told of the pool's jobs: Postgres of every change, the job's Account
 * of its end, its Feed of every change while someone watches.
 * Holds ids, not messages: what is delivered is the job as it stands then, so a slow receiver
 * gets one newer record instead of many. At least once; receivers are idempotent on the
 * record's sequence. One delivery at a time to each receiver kind; a failure waits for `retryAt`.
 */
import { DELIVERY_CHECK_MS, RECORD_BATCH_MAX } from '#schema/limits.ts';
import { backoffMs } from '../core/retry.ts';

export const RECEIVERS = ['postgres', 'account', 'feed'] as const;
export type Receiver = (typeof RECEIVERS)[number];

/** Delivers jobs by id and returns those that arrived, each with the sequence that did. */
export type Deliver = (jobIds: readonly string[]) => Promise<ReadonlyMap<string, number>>;

interface Line {
  /** Number of the newest change that is due, by job id, oldest first. */
  readonly due: Map<string, number>;
  busy: boolean;
  failures: number;
  retryAt: number;
}

interface Hooks {
  readonly deliver: Readonly<Record<Receiver, Deliver>>;
  readonly sequenceOf: (jobId: string) => number | null;
  /** Called after each delivery with the jobs that need nothing more from this receiver. */
  readonly onDelivered: (receiver: Receiver, jobIds: readonly string[]) => void;
  readonly onFailure: (receiver: Receiver, error: unknown) => void;
  readonly now: () => number;
  readonly random: () => number;
}

export class Outbox {
  readonly #hooks: Hooks;
  readonly #lines: Readonly<Record<Receiver, Line>> = {
    postgres: newLine(),
    account: newLine(),
    feed: newLine(),
  };

  constructor(hooks: Hooks) {
    this.#hooks = hooks;
  }

  add(receiver: Receiver, jobId: string, changed: number): void {
    const { due } = this.#lines[receiver];
    due.delete(jobId);
    due.set(jobId, changed);
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
    return first.done ? null : first.value;
  }

  /**
   * When to call `pump` again if nothing else does, or null when nothing is due. A delivery
   * under way is looked after too, in case the object dies in it.
   */
  nextAt(): number | null {
    let next: number | null = null;
    for (const receiver of RECEIVERS) {
      const line = this.#lines[receiver];
      if (line.due.size === 0) continue;
      const at = line.failures > 0 ? line.retryAt : this.#hooks.now() + DELIVERY_CHECK_MS;
      next = Math.min(next ?? Infinity, at);
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
      while (line.due.size > 0 && this.#hooks.now() >= line.retryAt) {
        await this.#deliverBatch(receiver, line);
      }
    } finally {
      line.busy = false;
    }
  }

  async #deliverBatch(receiver: Receiver, line: Line): Promise<void> {
    const batch = [...take(line.due.keys(), RECORD_BATCH_MAX)];
    let arrived: ReadonlyMap<string, number>;
    try {
      arrived = await this.#hooks.deliver[receiver](batch);
    } catch (error) {
      this.#hooks.onFailure(receiver, error);
      arrived = new Map();
    }
    const done = [...arrived].filter(([id, sequence]) => {
      const current = this.#hooks.sequenceOf(id);
      return current === null || current <= sequence;
    });
    for (const [id] of done) line.due.delete(id);
    if (arrived.size === 0) {
      line.failures += 1;
      line.retryAt = this.#hooks.now() + backoffMs(line.failures, this.#hooks.random());
    } else {
      line.failures = 0;
      line.retryAt = 0;
      // Those that failed alone go behind the others, which must not wait for them.
      for (const id of batch) if (!arrived.has(id)) this.add(receiver, id, line.due.get(id)!);
    }
    this.#hooks.onDelivered(
      receiver,
      done.map(([id]) => id),
    );
  }
}

function newLine(): Line {
  return { due: new Map(), busy: false, failures: 0, retryAt: 0 };
}

function* take<T>(items: Iterable<T>, count: number): Generator<T> {
  let taken = 0;
  for (const item of items) {
    if (taken === count) return;
    taken += 1;
    yield item;
  }
}
