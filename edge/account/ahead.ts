/**
 * Jobs whose holds are ahead of this object's disk. An account that submits much does not write
 * each job: the Scheduler has it on disk, with its hold, before the user has our word, and one
 * write here now and then keeps what is still open by then. Before the first such job the account
 * notes on disk in which pool it goes ahead (`Life`); an object that wakes with that note asks the
 * pool for the jobs after the last one it has written, and only then judges again.
 * What a crash can leave on its way is fenced: each life has an epoch, and once a later one has
 * asked, the pool takes no first offers of an earlier one. A job counts as written when the
 * account's row with its ordinal is; it may have ended by then.
 */
import type { JobOrder } from '#schema/record.ts';
import type { Idempotent, KeptHold, OpenJob } from './row.ts';

interface AheadJob {
  readonly order: JobOrder;
  checkAt: number;
}

/** The jobs that are not on disk yet; see above. */
export class Ahead {
  readonly #jobs = new Map<string, AheadJob>();
  /** Job ids by idempotency key. */
  readonly #keys = new Map<string, string>();

  get size(): number {
    return this.#jobs.size;
  }

  add(order: JobOrder, checkAt: number): void {
    this.#jobs.set(order.id, { order, checkAt });
    const key = order.ahead?.idempotency?.key;
    if (key !== undefined) this.#keys.set(key, order.id);
  }

  /** False when it is not here. */
  drop(jobId: string): boolean {
    const key = this.#jobs.get(jobId)?.order.ahead?.idempotency?.key;
    if (key !== undefined) this.#keys.delete(key);
    return this.#jobs.delete(jobId);
  }

  find(jobId: string): OpenJob | null {
    const job = this.#jobs.get(jobId);
    return job ? { order: job.order, cancelled: false } : null;
  }

  hold(jobId: string): KeptHold | null {
    const order = this.#jobs.get(jobId)?.order;
    return order ? holdOf(order) : null;
  }

  idempotent(key: string): Idempotent | null {
    const jobId = this.#keys.get(key);
    const order = jobId === undefined ? undefined : this.#jobs.get(jobId)?.order;
    const made = order?.ahead?.idempotency;
    return order && made ? { bodyHash: made.bodyHash, jobId: order.id } : null;
  }

  /** False when it is not here. */
  checkLater(jobId: string, at: number): boolean {
    const job = this.#jobs.get(jobId);
    if (job) job.checkAt = at;
    return job !== undefined;
  }

  /** What it has, in the order of coming. */
  copy(): readonly AheadJob[] {
    return [...this.#jobs.values()];
  }

  /** Empties it; what it had. */
  take(): readonly AheadJob[] {
    const jobs = this.copy();
    this.restore([]);
    return jobs;
  }

  /** It has these jobs now and no others. */
  restore(jobs: readonly AheadJob[]): void {
    this.#jobs.clear();
    this.#keys.clear();
    for (const { order, checkAt } of jobs) this.add(order, checkAt);
  }
}

/** What an order holds. */
export function holdOf({ day, heldMillitokens, apiKeyId: keyId }: JobOrder): KeptHold {
  return { day, heldMillitokens, keyId };
}
