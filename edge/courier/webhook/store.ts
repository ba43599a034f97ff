/**
 * What a webhook's courier keeps in SQLite: the endpoint in one row, and a row for each delivery,
 * which is queue and log at once: written when it comes, once for each try, never moved.
 * A job's record is in its row only while the delivery is to be made, so that nothing of a job
 * outlives its deletion here. Tables are made with the first write, so a courier that was merely
 * asked costs nothing.
 */
import type { JobRecord } from '#schema/record.ts';
import type { DeliveryStatus, DisabledReason, DropReason, WebhookType } from '#schema/webhook.ts';
import {
  WEBHOOK_LOG_KEEP_MS,
  WEBHOOK_LOG_MAX,
  WEBHOOK_TRIES_SHOWN_MAX,
} from '#schema/webhook-limits.ts';
import type { EndpointHealth } from '../../core/webhook.ts';
import type { DeliveryState, DeliveryTry, EndpointSetup, QuotaNotice } from '../../rpc/courier.ts';

/** `due_at` is null for what has ended; `since` is when its tries began, of which `tries` count. */
const TABLES = `
  CREATE TABLE IF NOT EXISTS endpoint (
    one INTEGER PRIMARY KEY CHECK (one = 1), endpoint_json TEXT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS delivery (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL, job_id TEXT, target_json TEXT, content_json TEXT,
    status TEXT NOT NULL, drop_reason TEXT,
    created_at INTEGER NOT NULL, ended_at INTEGER, due_at INTEGER,
    since INTEGER NOT NULL, tries INTEGER NOT NULL, try_count INTEGER NOT NULL,
    tries_json TEXT NOT NULL
  );
  CREATE INDEX IF NOT EXISTS delivery_due ON delivery (number) WHERE due_at IS NOT NULL`;

/** An endpoint with all that its courier knows of it. */
export interface Endpoint extends EndpointSetup {
  /** The secret before the last rotation, which signs too until then. */
  readonly former: { readonly secret: string; readonly until: number } | null;
  readonly disabled: {
    readonly at: number;
    readonly reason: DisabledReason;
    /** Whether the Account knows. */
    readonly isTold: boolean;
  } | null;
  readonly health: EndpointHealth;
}

/** Where a delivery goes that is not the endpoint's: the URL of one job. */
export interface Target {
  readonly url: string;
  /** Null for the account's own. */
  readonly secret: string | null;
}

/** What a delivery says, as it is kept. */
export type Content =
  | { readonly kind: 'job'; readonly record: JobRecord }
  | { readonly kind: 'quota'; readonly notice: QuotaNotice }
  | { readonly kind: 'test'; readonly endpointId: string; readonly at: number };

/** A delivery that is to be made. */
export interface NewDelivery {
  readonly id: string;
  readonly type: WebhookType;
  readonly jobId: string | null;
  readonly target: Target | null;
  readonly content: Content;
}

/** A delivery that is made now. */
export interface DueDelivery extends NewDelivery {
  readonly number: number;
  readonly since: number;
  readonly tries: number;
}

/** What waits, without what it says. */
export interface Waiting {
  readonly number: number;
  readonly dueAt: number;
  readonly bytes: number;
}

/** How a delivery ends. */
export interface Ending {
  readonly status: Exclude<DeliveryStatus, 'pending'>;
  readonly dropReason: DropReason | null;
  readonly at: number;
}

type Row = {
  readonly number: number;
  readonly id: string;
  readonly type: WebhookType;
  readonly job_id: string | null;
  readonly target_json: string | null;
  readonly content_json: string | null;
  readonly status: DeliveryStatus;
  readonly drop_reason: DropReason | null;
  readonly created_at: number;
  readonly ended_at: number | null;
  readonly due_at: number | null;
  readonly since: number;
  readonly tries: number;
  readonly try_count: number;
  readonly tries_json: string;
};

export class WebhookStore {
  readonly #storage: DurableObjectStorage;
  #isMade: boolean;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    const found = storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'delivery'").toArray();
    this.#isMade = found.length > 0;
  }

  endpoint(): Endpoint | null {
    if (!this.#isMade) return null;
    const row = this.#storage.sql
      .exec<{ endpoint_json: string }>('SELECT endpoint_json FROM endpoint')
      .toArray()[0];
    return row ? (JSON.parse(row.endpoint_json) as Endpoint) : null;
  }

  setEndpoint(endpoint: Endpoint): void {
    this.#make();
    const text = JSON.stringify(endpoint);
    this.#storage.sql.exec(
      'INSERT OR REPLACE INTO endpoint (one, endpoint_json) VALUES (1, ?)',
      text,
    );
  }

  /** All that is to be made, the oldest first. */
  waiting(): Waiting[] {
    if (!this.#isMade) return [];
    return this.#storage.sql
      .exec<{ number: number; dueAt: number; bytes: number }>(
        `SELECT number, due_at AS dueAt, length(content_json) AS bytes FROM delivery
         WHERE due_at IS NOT NULL ORDER BY number`,
      )
      .toArray();
  }

  /** Keeps a new delivery, to be made at `now`; null when its id is known. */
  add(delivery: NewDelivery, now: number): Waiting | null {
    this.#make();
    const { id, type, jobId, target, content } = delivery;
    const text = JSON.stringify(content);
    const row = this.#storage.sql
      .exec<{ number: number }>(
        `INSERT INTO delivery (id, type, job_id, target_json, content_json, status, created_at,
                               due_at, since, tries, try_count, tries_json)
         VALUES (?, ?, ?, ?, ?, 'pending', ?, ?, ?, 0, 0, '[]')
         ON CONFLICT DO NOTHING RETURNING number`,
        ...[id, type, jobId, target && JSON.stringify(target), text, now, now, now],
      )
      .toArray()[0];
    return row ? { number: row.number, dueAt: now, bytes: text.length } : null;
  }

  /** Makes a delivery that has ended one to be made at `now`. */
  reopen(number: number, content: Content, now: number): Waiting {
    const text = JSON.stringify(content);
    this.#storage.sql.exec(
      `UPDATE delivery SET status = 'pending', drop_reason = NULL, ended_at = NULL, due_at = ?,
              since = ?, tries = 0, content_json = ? WHERE number = ?`,
      ...[now, now, text, number],
    );
    return { number, dueAt: now, bytes: text.length };
  }

  /** A delivery that is to be made, or null when it is not any more. */
  due(number: number): DueDelivery | null {
    const row = this.#row('number = ? AND due_at IS NOT NULL', number);
    if (!row || row.content_json === null) return null;
    return {
      number: row.number,
      id: row.id,
      type: row.type,
      jobId: row.job_id,
      target: row.target_json === null ? null : (JSON.parse(row.target_json) as Target),
      content: JSON.parse(row.content_json) as Content,
      since: row.since,
      tries: row.tries,
    };
  }

  /** Notes a try, and what follows: when the next is, or how the delivery ended. */
  noteTry(
    number: number,
    made: { readonly entry: DeliveryTry; readonly counts: boolean },
    next: { readonly dueAt: number } | Ending,
  ): void {
    const row = this.#row('number = ?', number);
    if (!row) return;
    const shown = [...(JSON.parse(row.tries_json) as DeliveryTry[]), made.entry];
    this.#storage.sql.exec(
      'UPDATE delivery SET tries = ?, try_count = ?, tries_json = ?, due_at = ? WHERE number = ?',
      row.tries + (made.counts ? 1 : 0),
      row.try_count + 1,
      JSON.stringify(shown.slice(-WEBHOOK_TRIES_SHOWN_MAX)),
      'dueAt' in next ? next.dueAt : row.due_at,
      number,
    );
    if (!('dueAt' in next)) this.end(number, next);
  }

  /** Ends a delivery; of a job nothing but its id stays. */
  end(number: number, { status, dropReason, at }: Ending): void {
    this.#storage.sql.exec(
      `UPDATE delivery SET status = ?, drop_reason = ?, ended_at = ?, due_at = NULL,
              content_json = CASE WHEN job_id IS NULL THEN content_json END WHERE number = ?`,
      ...[status, dropReason, at, number],
    );
  }

  find(id: string): { readonly state: DeliveryState; readonly content: Content | null } | null {
    const row = this.#row('id = ?', id);
    if (!row) return null;
    const content = row.content_json === null ? null : (JSON.parse(row.content_json) as Content);
    return { state: toState(row), content };
  }

  /** The log, newest first. */
  page({ before, limit }: { before: number | null; limit: number }): DeliveryState[] {
    if (!this.#isMade) return [];
    return this.#storage.sql
      .exec<Row>(
        'SELECT * FROM delivery WHERE number < ? ORDER BY number DESC LIMIT ?',
        before ?? Number.MAX_SAFE_INTEGER,
        limit,
      )
      .toArray()
      .map(toState);
  }

  /** Forgets what has ended and is too old, or more than the log keeps. */
  prune(now: number): void {
    if (!this.#isMade) return;
    // Numbers rise with time: both are looked for at the old end alone.
    this.#storage.sql.exec(
      `DELETE FROM delivery WHERE due_at IS NULL AND number < max(
         (SELECT max(number) FROM delivery) - ? + 1,
         coalesce((SELECT number FROM delivery WHERE created_at > ? ORDER BY number LIMIT 1),
                  (SELECT max(number) FROM delivery) + 1))`,
      WEBHOOK_LOG_MAX,
      now - WEBHOOK_LOG_KEEP_MS,
    );
  }

  /** When the oldest entry is to be forgotten, or null when there is none. */
  pruneAt(): number | null {
    if (!this.#isMade) return null;
    const oldest = this.#storage.sql
      .exec<{ created_at: number }>('SELECT created_at FROM delivery ORDER BY number LIMIT 1')
      .toArray()[0];
    return oldest ? oldest.created_at + WEBHOOK_LOG_KEEP_MS : null;
  }

  /** Whether anything is on disk. */
  get isMade(): boolean {
    return this.#isMade;
  }

  async clear(): Promise<void> {
    this.#isMade = false;
    await this.#storage.deleteAll();
  }

  transaction(work: () => void): void {
    this.#storage.transactionSync(work);
  }

  #row(where: string, value: string | number): Row | null {
    if (!this.#isMade) return null;
    const rows = this.#storage.sql.exec<Row>(`SELECT * FROM delivery WHERE ${where}`, value);
    return rows.toArray()[0] ?? null;
  }

  #make(): void {
    if (!this.#isMade) this.#storage.sql.exec(TABLES);
    this.#isMade = true;
  }
}

function toState(row: Row): DeliveryState {
  return {
    number: row.number,
    id: row.id,
    type: row.type,
    jobId: row.job_id,
    status: row.status,
    dropReason: row.drop_reason,
    createdAt: row.created_at,
    endedAt: row.ended_at,
    nextTryAt: row.due_at,
    tries: JSON.parse(row.tries_json) as DeliveryTry[],
    tryCount: row.try_count,
  };
}
