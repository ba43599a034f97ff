/**
 * What a job's row holds beside the index in memory: what was ordered and how it ended. Read
 * from disk when asked for, with the newest kept at hand: a job that is done soon after it came
 * is written and never read. How much all orders take on disk is the store's to count.
 */
import { isTerminal } from '#schema/job.ts';
import { BODIES_CACHED_BYTES_MAX } from '#schema/limits.ts';
import type { JobOrder, JobRecord } from '#schema/record.ts';
import type { LiveEntry, Outcome } from '../core/state.ts';
import type { BodyRow } from './row.ts';

/** How a job ended, as its row has it. */
interface End {
  readonly outcome: Outcome;
  readonly at: number;
  readonly agentId: string | null;
}

interface Body {
  readonly order: JobOrder;
  readonly end: End | null;
  /** Length of both as JSON. */
  readonly size: number;
}

/** A record and the length of its JSON, about. */
export interface Recorded {
  readonly record: JobRecord;
  readonly bytes: number;
}

const UNENDED = {
  finishedAt: null,
  settledMillitokens: null,
  artifacts: [],
  usage: {},
  timings: null,
  error: null,
} as const;

/** The bodies of one pool's jobs, by place; see above. */
export class Bodies {
  readonly #sql: SqlStorage;
  /** Oldest first. */
  readonly #cached = new Map<number, Body>();
  #cachedSize = 0;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Remembers what was just written. */
  keepOrder(place: number, order: JobOrder, size: number): void {
    this.#keep(place, { order, end: null, size });
  }

  /** Remembers how a job ended, where its order is still at hand. */
  keepEnd(place: number, end: End, size: number): void {
    const body = this.#cached.get(place);
    if (body) this.#keep(place, { order: body.order, end, size: body.size + size });
  }

  drop(place: number): void {
    const body = this.#cached.get(place);
    if (!body) return;
    this.#cached.delete(place);
    this.#cachedSize -= body.size;
  }

  /** Forgets all that is only remembered: after a write that did not happen. */
  clear(): void {
    this.#cached.clear();
    this.#cachedSize = 0;
  }

  order(place: number): JobOrder {
    return this.#body(place).order;
  }

  /** What an ended job cost; 0 for one that has not ended. */
  settledMillitokens(place: number): number {
    return this.#body(place).end?.outcome.settledMillitokens ?? 0;
  }

  /** The whole record of a live job. */
  record(entry: LiveEntry): Recorded {
    const { order, end, size } = this.#body(entry.place);
    const record = {
      ...order,
      ...UNENDED,
      status: entry.status,
      sequence: entry.sequence,
      attempt: entry.attempt,
      agentId: entry.lease?.agentId ?? null,
      queuedAt: entry.queuedAt,
      startedAt: entry.startedAt,
      cancelRequestedAt: entry.cancelRequestedAt,
    };
    return { record: end && isTerminal(entry.status) ? ended(record, end) : record, bytes: size };
  }

  #body(place: number): Body {
    const known = this.#cached.get(place);
    if (known) return known;
    const row = this.#sql
      .exec<BodyRow>(
        'SELECT order_json, outcome_json, finished_at, agent_id FROM job WHERE place = ?',
        place,
      )
      .one();
    const body = toBody(row);
    this.#keep(place, body);
    return body;
  }

  #keep(place: number, body: Body): void {
    this.drop(place);
    this.#cached.set(place, body);
    this.#cachedSize += body.size;
    for (const oldest of this.#cached.keys()) {
      if (this.#cachedSize <= BODIES_CACHED_BYTES_MAX) return;
      this.drop(oldest);
    }
  }
}

function toBody(row: BodyRow): Body {
  const { order_json, outcome_json, finished_at: at, agent_id: agentId } = row;
  const outcome = outcome_json === null ? null : (JSON.parse(outcome_json) as Outcome);
  return {
    order: JSON.parse(order_json) as JobOrder,
    end: outcome && at !== null ? { outcome, at, agentId } : null,
    size: order_json.length + (outcome_json?.length ?? 0),
  };
}

function ended(record: JobRecord, { outcome, at, agentId }: End): JobRecord {
  const { settledMillitokens, artifacts, usage, timings, error } = outcome;
  const how = { settledMillitokens, artifacts, usage, timings, error };
  return { ...record, ...how, finishedAt: at, agentId };
}
