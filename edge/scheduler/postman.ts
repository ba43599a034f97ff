/**
 * All that a pool owes others: its jobs by the outbox, those on the shelf, and its agents' rows
 * for Postgres. Drops a job once everyone knows its end, and puts ended jobs on the shelf when
 * too many wait in memory for Postgres alone.
 */
import { isTerminal } from '#schema/job.ts';
import { ENDED_IN_MEMORY_MAX, RECORD_BATCH_MAX } from '#schema/limits.ts';
import type { AgentEntry } from '../core/state.ts';
import type { Env } from '../env.ts';
import { logError } from '../io/log.ts';
import { MirrorQueue } from '../io/mirror-queue.ts';
import { mirrorAccount } from '../services/mirror-account.ts';
import type { MirrorRow } from '../services/mirror-account.ts';
import { recordJobs } from '../services/record-jobs.ts';
import { deliveries } from './deliver.ts';
import { agentRows } from './mirror.ts';
import type { AgentCause } from './mirror.ts';
import { Outbox } from './outbox.ts';
import type { Receiver } from './outbox.ts';
import type { Pool } from './pool.ts';
import type { Shelf } from './shelf.ts';
import type { SchedulerStore } from './store.ts';

interface Sender {
  readonly name: string;
  readonly pool: Pool;
  readonly store: SchedulerStore;
}

/** The deliveries of one pool; see above. */
export class Postman {
  readonly #from: Sender;
  readonly #outbox: Outbox;
  readonly #agents: MirrorQueue<MirrorRow>;
  readonly #shelf: ReturnType<Shelf['makeDrain']>;

  /** From now on changes of the pool are noted here, and first what was still due. */
  constructor(env: Env, storage: DurableObjectStorage, from: Sender) {
    const { pool, store } = from;
    this.#from = from;
    this.#agents = new MirrorQueue<MirrorRow>(storage, (rows) => mirrorAccount(env, rows));
    this.#shelf = store.shelf.makeDrain((records) => recordJobs(env, records));
    this.#outbox = new Outbox({
      deliver: deliveries(env, {
        record: (jobId) => pool.record(jobId),
        settlement: (jobId) => pool.settlement(jobId),
      }),
      sequenceOf: (jobId) => pool.state.jobs.get(jobId)?.sequence ?? null,
      onDelivered: (receiver, jobIds) => this.#onDelivered(receiver, jobIds),
      onFailure: (receiver, error) => logError('outbox.fail', error, { receiver }),
      now: () => Date.now(),
      random: () => Math.random(),
      rest: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    });
    pool.attach(this.#outbox);
  }

  /** Delivers what is due; resolves when it is done or has failed. */
  async deliver(): Promise<void> {
    await Promise.all([this.#outbox.pump(), this.#agents.drain(), this.#shelf.run()]);
  }

  /** When to deliver again if nothing else asks for it, or null when nothing is due. */
  nextAt(): number | null {
    const ats = [this.#outbox.nextAt(), this.#agents.nextAt(), this.#shelf.nextAt()];
    const due = ats.filter((at) => at !== null);
    return due.length === 0 ? null : Math.min(...due);
  }

  /** Jobs that each receiver lacks. */
  undelivered(): Record<Receiver, number> {
    return {
      postgres: this.#outbox.size('postgres') + this.#from.store.shelf.size,
      account: this.#outbox.size('account'),
      feed: this.#outbox.size('feed'),
      courier: this.#outbox.size('courier'),
    };
  }

  /** Puts an agent's row on its way, and what the operator did to it. */
  mirror(agent: AgentEntry, audit: AgentCause['audit']): void {
    const cause = { pool: this.#from.name, audit, now: Date.now() };
    this.#agents.add(agentRows(agent, cause));
  }

  #onDelivered(receiver: Receiver, jobIds: readonly string[]): void {
    const { pool, store } = this.#from;
    if (receiver === 'postgres') {
      const oldest = this.#outbox.oldestDue('postgres');
      store.setPostgresCursor(oldest === null ? store.changed : oldest - 1);
    } else {
      this.#shelve();
    }
    pool.forget(jobIds.filter((jobId) => !this.#outbox.isDue(jobId)));
  }

  #shelve(): void {
    const { pool } = this.#from;
    if (pool.endedCount() <= ENDED_IN_MEMORY_MAX) return;
    const isEnded = (id: string) => isTerminal(pool.state.jobs.get(id)?.status ?? 'created');
    const ids = this.#outbox.onlyDue('postgres', isEnded, RECORD_BATCH_MAX);
    pool.shelve(ids);
    this.#outbox.remove('postgres', ids);
    this.#shelf.fill();
  }
}
