/**
 * What of an account stays in memory while its object is awake, and how it is written. Parts of
 * the object share one `Books`; whoever changes `account` sees to it that it is saved, in the
 * same turn, unless a lost change does no harm (a rate, the last use of a key).
 */
import { DELIVERY_CHECK_MS } from '#schema/limits.ts';
import type { WebhookEndpointRow } from '#schema/webhook.ts';
import { newDay, rollTo, utcDay } from '../core/credit.ts';
import type { Credit } from '../core/credit.ts';
import type { Env } from '../env.ts';
import { MirrorQueue } from '../io/mirror-queue.ts';
import { mirrorAccount } from '../services/mirror-account.ts';
import type { MirrorRow } from '../services/mirror-account.ts';
import { QuotaNews } from './news.ts';
import type { AccountRow, ApiKeyRow, KeyUse } from './row.ts';
import type { AccountStore } from './store.ts';

/** What an object gives to its parts. */
export interface Surroundings {
  readonly ctx: DurableObjectState;
  readonly env: Env;
  readonly store: AccountStore;
  /** Sees to it that the alarm rings by this time. */
  readonly wakeBy: (at: number) => void;
}

/** An account that exists. */
export class Books {
  readonly store: AccountStore;
  readonly keys: Map<string, ApiKeyRow>;
  readonly endpoints: Map<string, WebhookEndpointRow>;
  readonly mirror: MirrorQueue<MirrorRow>;
  readonly news: QuotaNews;
  account: AccountRow;
  jobsOpen: number;
  /** Whether a key was used that had not been for long: worth a row, with the next one or alone. */
  isUseNews = false;
  readonly #around: Surroundings;

  constructor(around: Surroundings) {
    this.#around = around;
    this.store = around.store;
    const stored = around.store.load();
    this.account = stored.account;
    this.jobsOpen = stored.jobsOpen;
    this.keys = new Map(stored.keys.map((key) => [key.id, key]));
    this.endpoints = new Map(stored.endpoints.map((endpoint) => [endpoint.id, endpoint]));
    this.mirror = makeMirror(around);
    this.news = new QuotaNews(around);
  }

  /** Writes the account as it stands. */
  save(): void {
    this.store.saveAccount(this.account);
    this.isUseNews = false;
  }

  /** Rows were added to the mirror: sends them, now or by the alarm. */
  flush(): void {
    this.#around.wakeBy(Date.now() + DELIVERY_CHECK_MS);
    this.#around.ctx.waitUntil(this.mirror.drain());
  }

  /** The day's tokens as of `now`. */
  credit(now: number): Credit {
    return rollTo(this.account.credit, utcDay(now));
  }

  /** How a key was used so far. */
  use(keyId: string): KeyUse {
    const { uses, credit } = this.account;
    return uses[keyId] ?? { credit: newDay(credit.day), tat: 0, usedAt: null };
  }
}

/** Call only where the object's other tables are made too. */
export function makeMirror({ ctx, env }: Surroundings): MirrorQueue<MirrorRow> {
  return new MirrorQueue(ctx.storage, (rows) => mirrorAccount(env, rows));
}

/** The account with another use of a key. */
export function withUse(account: AccountRow, keyId: string, use: KeyUse): AccountRow {
  return { ...account, uses: { ...account.uses, [keyId]: use } };
}
