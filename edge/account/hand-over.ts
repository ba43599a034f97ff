/**
 * The hand-over of an account's jobs to their Schedulers: one call per pool for all that are
 * offered together and fit in it. A Scheduler takes a job once however often it is offered, so
 * an offer that was not answered is repeated, with a growing pause, until it is.
 */
import { assert } from '#schema/assert.ts';
import { poolOfJob } from '#schema/id.ts';
import type { JobOrder } from '#schema/record.ts';
import {
  DELIVERY_CHECK_MS,
  JOBS_PER_BATCH_MAX,
  RECONCILE_MS,
  RECORD_BATCH_BYTES_MAX,
} from '#schema/limits.ts';
import { backoffMs } from '../core/retry.ts';
import type { Env } from '../env.ts';
import { pack, packAll, unpack } from '../rpc/packed.ts';
import type { Packed } from '../rpc/packed.ts';
import type { Offered } from '../rpc/scheduler.ts';
import { logWarn } from '../io/log.ts';
import type { Books } from './books.ts';
import type { OpenJob } from './row.ts';
import type { AccountStore } from './store.ts';

/** One call's: jobs of one pool that are all cancelled, or none is; in the same order twice. */
interface Call {
  readonly jobs: OpenJob[];
  readonly orders: Packed<JobOrder>[];
}

/** The hand-overs of one account; see above. */
export class HandOvers {
  readonly #env: Env;
  readonly #books: Pick<Books, 'store' | 'account' | 'save'>;
  readonly #store: AccountStore;
  readonly #wakeBy: (at: number) => void;
  /** By job id: a repeat of the request waits for the same answer. */
  readonly #underWay = new Map<string, Promise<Offered>>();
  #failures = 0;

  /** `wakeBy` sees to it that `reconcile` is called by that time. */
  constructor(
    env: Env,
    books: Pick<Books, 'store' | 'account' | 'save'>,
    wakeBy: (at: number) => void,
  ) {
    this.#env = env;
    this.#books = books;
    this.#store = books.store;
    this.#wakeBy = wakeBy;
  }

  get isBusy(): boolean {
    return this.#underWay.size > 0;
  }

  isUnderWay(jobId: string): boolean {
    return this.#underWay.has(jobId);
  }

  /** What a hand-over under way comes to; null when there is none, or no answer. */
  async outcome(jobId: string): Promise<Offered> {
    return (await this.#underWay.get(jobId)) ?? null;
  }

  /**
   * Offers jobs; null for one that was not answered, which `reconcile` will repeat. `accepted`
   * says that their user has our word.
   */
  async offer(jobs: readonly OpenJob[], accepted: boolean): Promise<Offered[]> {
    const kinds = Map.groupBy(jobs, ({ order, cancelled }) => `${poolOf(order.id)} ${cancelled}`);
    for (const same of kinds.values()) {
      for (const call of inCalls(same)) this.#call(call, accepted);
    }
    return Promise.all(jobs.map(({ order }) => this.outcome(order.id)));
  }

  #call({ jobs, orders }: Call, accepted: boolean): void {
    const [{ order, cancelled }] = jobs as [OpenJob];
    const { epoch } = this.#books.account.life;
    const options = accepted ? { accepted, cancelled } : { accepted, cancelled, epoch };
    const answers = this.#env.schedulers
      .getByName(poolOf(order.id))
      .enqueueAll(packAll(orders), options)
      .then(
        (packed) => {
          const taken = unpack(packed);
          const unanswered = jobs.filter((_, index) => !taken[index]);
          if (unanswered.length > 0) this.#onUnanswered(unanswered, 'not taken');
          const answered = jobs.filter((_, index) => taken[index]);
          if (accepted) this.#checkLater(answered, Date.now() + RECONCILE_MS);
          return taken;
        },
        (error: unknown) => this.#onUnanswered(jobs, error),
      );
    for (const [index, job] of jobs.entries()) {
      const { id } = job.order;
      const answer = answers.then((taken) => taken?.[index] ?? null);
      this.#underWay.set(id, answer);
      void answer.finally(() => {
        if (this.#underWay.get(id) === answer) this.#underWay.delete(id);
      });
    }
  }

  #onUnanswered(jobs: readonly OpenJob[], error: unknown): null {
    logWarn('job.hand_over', { jobIds: jobs.map(({ order }) => order.id), message: String(error) });
    // Nobody else may have them on disk.
    if (jobs.some(({ order }) => this.#store.isAhead(order.id))) this.#books.save();
    const at = Date.now() + backoffMs(this.#failures + 1, Math.random());
    this.#checkLater(jobs, at);
    this.#wakeBy(at);
    return null;
  }

  #checkLater(jobs: readonly OpenJob[], at: number): void {
    for (const { order } of jobs) this.#store.checkLater(order.id, at);
  }

  /** Looks after open jobs that are due: what its Scheduler does not know is offered again. */
  async reconcile(now: number): Promise<void> {
    const due = this.#store.dueJobs(now);
    // Until a look has an answer, the next one is not before this.
    this.#checkLater(due, now + DELIVERY_CHECK_MS);
    const idle = due.filter(({ order }) => !this.isUnderWay(order.id));
    const byPool = Map.groupBy(idle, ({ order }) => poolOf(order.id));
    const unanswered = await Promise.all(
      [...byPool].map(([pool, jobs]) => this.#reconcilePool(pool, jobs)),
    );
    this.#failures = unanswered.includes(true) ? this.#failures + 1 : 0;
  }

  /** Whether an offer went unanswered. */
  async #reconcilePool(pool: string, jobs: readonly OpenJob[]): Promise<boolean> {
    const ids = jobs.map(({ order }) => order.id);
    let known: ReadonlySet<string>;
    try {
      known = new Set(await this.#env.schedulers.getByName(pool).known(ids));
    } catch (error) {
      logWarn('job.reconcile', { pool, message: String(error) });
      return true;
    }
    const isKnown = ({ order }: OpenJob) => known.has(order.id);
    this.#checkLater(jobs.filter(isKnown), Date.now() + RECONCILE_MS);
    // A cancel that was not answered is offered again, whether or not the job is known; a job
    // that ended while we asked is unknown too, and must not come to life again.
    const open = jobs.filter(({ order }) => this.#store.findHold(order.id) !== null);
    const again = open.filter((job) => job.cancelled || !isKnown(job));
    return (await this.offer(again, true)).includes(null);
  }
}

/** Jobs of one kind in parts that one call can carry: long chats are large. */
function inCalls(jobs: readonly OpenJob[]): Call[] {
  const calls: Call[] = [];
  let size = 0;
  for (const job of jobs) {
    const order = pack(job.order);
    const last = calls.at(-1);
    size += order.length;
    if (last && last.jobs.length < JOBS_PER_BATCH_MAX && size <= RECORD_BATCH_BYTES_MAX) {
      last.jobs.push(job);
      last.orders.push(order);
    } else {
      calls.push({ jobs: [job], orders: [order] });
      size = order.length;
    }
  }
  return calls;
}

function poolOf(jobId: string): string {
  const pool = poolOfJob(jobId);
  assert(pool, 'a job id names its pool');
  return pool;
}
