/**
 * News of a day's tokens on their way to the webhook endpoints that want them: kept in the
 * account's SQLite until the endpoint's courier has them. A courier takes the same news once,
 * by its id, however often it is told.
 */
import { QUOTA_NEWS_MAX } from '#schema/limits.ts';
import { PLANS } from '#schema/plan.ts';
import { renewalAfter } from '../core/credit.ts';
import { findQuotaEvent } from '../core/quota.ts';
import type { QuotaEvent } from '../core/quota.ts';
import { Drain } from '../io/drain.ts';
import { logWarn } from '../io/log.ts';
import type { QuotaNotice } from '../rpc/courier.ts';
import type { Books, Surroundings } from './books.ts';

const TABLE = `CREATE TABLE IF NOT EXISTS news (
  id INTEGER PRIMARY KEY, endpoint TEXT NOT NULL, notice_json TEXT NOT NULL
)`;

interface Kept extends Record<string, SqlStorageValue> {
  readonly id: number;
  readonly endpoint: string;
  readonly notice_json: string;
}

/** The news of one account; see above. */
export class QuotaNews {
  readonly #around: Surroundings;
  readonly #sql: SqlStorage;
  readonly #drain: Drain<Kept>;

  constructor(around: Surroundings) {
    this.#around = around;
    this.#sql = around.ctx.storage.sql;
    const source = {
      next: () => this.#next(),
      deliver: (batch: readonly Kept[]) => this.#deliver(batch[0]!),
      remove: (batch: readonly Kept[]) =>
        void this.#sql.exec('DELETE FROM news WHERE id = ?', batch[0]!.id),
      onFailure: (error: unknown) => logWarn('quota.tell', { message: String(error) }),
    };
    this.#drain = new Drain(source, this.#hasTable() && this.#next().length > 0);
  }

  /** Keeps news for endpoints, and sends them now or by the alarm. */
  add(endpoints: readonly string[], notice: QuotaNotice): void {
    // Most accounts have no endpoint: they have no table either.
    this.#sql.exec(TABLE);
    for (const endpoint of endpoints) {
      this.#sql.exec(
        'INSERT INTO news (endpoint, notice_json) VALUES (?, ?)',
        endpoint,
        JSON.stringify(notice),
      );
    }
    this.#sql.exec('DELETE FROM news WHERE id <= (SELECT max(id) FROM news) - ?', QUOTA_NEWS_MAX);
    this.#drain.fill();
    this.#around.wakeBy(this.nextAt() ?? Date.now());
    this.#around.ctx.waitUntil(this.drain());
  }

  /** When to drain again if nothing else does, or null when all have arrived. */
  nextAt(): number | null {
    return this.#drain.nextAt();
  }

  /** Sends what is kept, in order; never rejects. */
  async drain(): Promise<void> {
    await this.#drain.run();
  }

  async #deliver({ endpoint, notice_json }: Kept): Promise<void> {
    const notice = JSON.parse(notice_json) as QuotaNotice;
    await this.#around.env.webhookCouriers.getByName(endpoint).tell(notice);
  }

  #next(): Kept[] {
    return this.#sql.exec<Kept>('SELECT * FROM news ORDER BY id LIMIT 1').toArray();
  }

  #hasTable(): boolean {
    return this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'news'").toArray().length > 0;
  }
}

/** Tells the endpoints that want to know how the day's tokens stand, when that is news. */
export function noteQuota(books: Books, now: number, wasRefused: boolean): void {
  // Nearly every account has none: nothing is looked at.
  if (books.endpoints.size === 0) return;
  const { account } = books;
  const credit = books.credit(now);
  const limit = PLANS[account.plan].dailyMillitokens;
  const event = findQuotaEvent(credit, limit, { told: account.told, wasRefused });
  if (!event) return;
  const endpoints = listeners(books, event);
  if (endpoints.length === 0) return;
  books.account = { ...account, told: { day: credit.day, event } };
  books.save();
  books.news.add(endpoints, {
    id: `${account.id}:${credit.day}:${event}`,
    type: event,
    at: now,
    accountId: account.id,
    day: credit.day,
    limitMillitokens: limit + credit.grantedMillitokens,
    spentMillitokens: credit.spentMillitokens,
    heldMillitokens: credit.heldMillitokens,
    renewsAt: renewalAfter(now),
  });
}

function listeners({ endpoints }: Books, event: QuotaEvent): string[] {
  return [...endpoints.values()]
    .filter(({ disabled, events }) => !disabled && (events as readonly string[]).includes(event))
    .map(({ id }) => id);
}
