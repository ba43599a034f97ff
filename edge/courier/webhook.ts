/**
 * The courier of a webhook endpoint, or of all URLs of single jobs of one account (`job:` and the
 * account's id): takes news, keeps it, and delivers it signed, with tries over two hours, by an
 * alarm and no timer. News is on disk before its `publish` or `tell` resolves; what comes twice
 * is delivered once, as far back as the log goes. See desk.ts for the queue.
 */
import { DurableObject } from 'cloudflare:workers';
import { isTerminal } from '#schema/job.ts';
import type { JobRecord } from '#schema/record.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import { HEALTHY } from '../core/webhook.ts';
import { parseEnv } from '../env.ts';
import type { Bindings } from '../env.ts';
import { postOutbound } from '../io/outbound.ts';
import { equalSecret } from '../io/token.ts';
import type {
  DeliveryState,
  EndpointSetup,
  EndpointState,
  QuotaNotice,
  RepeatRefusal,
  WebhookCourierObject,
} from '../rpc/courier.ts';
import { Desk } from './webhook/desk.ts';
import { jobDelivery, jobType, quotaDelivery, testDelivery } from './webhook/message.ts';
import type { Content, NewDelivery } from './webhook/store.ts';
import { WebhookStore } from './webhook/store.ts';

/** What the names of couriers for URLs of single jobs begin with. */
const OF_JOBS = 'job:';

export class WebhookCourier extends DurableObject<Bindings> implements WebhookCourierObject {
  readonly #store: WebhookStore;
  readonly #desk: Desk;
  #alarmAt: number | null = null;

  constructor(ctx: DurableObjectState, bindings: Bindings) {
    super(ctx, bindings);
    const env = parseEnv(bindings);
    this.#store = new WebhookStore(ctx.storage);
    this.#desk = new Desk({
      store: this.#store,
      post: (request) => postOutbound(env.outbound, request),
      tellAccount: async ({ id, accountId }) => {
        await env.accounts.getByName(accountId).disableEndpoint(id);
      },
      now: () => Date.now(),
      random: () => Math.random(),
      signingKey: env.signingKey,
      origin: env.publicUrl ?? '',
    });
    void ctx.blockConcurrencyWhile(async () => {
      this.#alarmAt = await ctx.storage.getAlarm();
    });
  }

  async publish(records: readonly JobRecord[]): Promise<void> {
    const ended = records.filter(({ status }) => isTerminal(status));
    this.#desk.accept(ended.flatMap((record) => this.#deliveryOf(record) ?? []));
    await this.#wake();
  }

  async tell(notice: QuotaNotice): Promise<void> {
    if (!this.#desk.endpoint?.events.includes(notice.type)) return;
    this.#desk.accept([quotaDelivery(notice)]);
    await this.#wake();
  }

  async open(endpoint: EndpointSetup): Promise<void> {
    this.#desk.setEndpoint({ ...endpoint, former: null, disabled: null, health: HEALTHY });
  }

  async close(): Promise<void> {
    await this.ctx.storage.deleteAlarm();
    this.#alarmAt = null;
    await this.#desk.clear();
  }

  async state(): Promise<EndpointState | null> {
    const { endpoint, pending } = this.#desk;
    return (
      endpoint && {
        description: endpoint.description,
        disabledAt: endpoint.disabled?.at ?? null,
        disabledReason: endpoint.disabled?.reason ?? null,
        pending,
        failingSince: endpoint.health.failingSince,
      }
    );
  }

  async update(change: Pick<EndpointSetup, 'url' | 'events' | 'description'>): Promise<boolean> {
    const { endpoint } = this.#desk;
    if (!endpoint) return false;
    // How the other URL fared says nothing of this one.
    const health = change.url === endpoint.url ? endpoint.health : HEALTHY;
    this.#desk.setEndpoint({ ...endpoint, ...change, health });
    return true;
  }

  async hasSecret(secret: string): Promise<boolean> {
    const { endpoint } = this.#desk;
    return endpoint !== null && equalSecret(secret, endpoint.secret);
  }

  async disable(): Promise<boolean> {
    if (!this.#desk.endpoint) return false;
    this.#desk.disable();
    return true;
  }

  async enable(): Promise<boolean> {
    if (!this.#desk.endpoint) return false;
    this.#desk.enable();
    return true;
  }

  async rotate(secret: string, overlapMs: number): Promise<boolean> {
    const { endpoint } = this.#desk;
    if (!endpoint) return false;
    const former =
      overlapMs > 0 ? { secret: endpoint.secret, until: Date.now() + overlapMs } : null;
    this.#desk.setEndpoint({ ...endpoint, secret, former });
    return true;
  }

  async sendTest(): Promise<Result<DeliveryState, RepeatRefusal>> {
    const { endpoint } = this.#desk;
    if (!endpoint) return fail({ reason: 'delivery_not_found' });
    if (endpoint.disabled) return fail({ reason: 'webhook_disabled' });
    const delivery = testDelivery(endpoint.id, Date.now());
    this.#desk.accept([delivery]);
    await this.#wake();
    return ok(this.#store.find(delivery.id)!.state);
  }

  async deliveries(page: {
    readonly before: number | null;
    readonly limit: number;
  }): Promise<readonly DeliveryState[]> {
    return this.#store.page(page);
  }

  async delivery(id: string): Promise<DeliveryState | null> {
    return this.#store.find(id)?.state ?? null;
  }

  async redeliver(
    id: string,
    record: JobRecord | null,
  ): Promise<Result<DeliveryState, RepeatRefusal>> {
    const known = this.#store.find(id);
    const content = known?.content ?? contentOf(record);
    if (!known || !content) return fail({ reason: 'delivery_not_found' });
    if (this.#desk.endpoint?.disabled) return fail({ reason: 'webhook_disabled' });
    this.#desk.repeat(known.state.number, content);
    await this.#wake();
    return ok(this.#store.find(id)!.state);
  }

  override async alarm(): Promise<void> {
    this.#alarmAt = null;
    await this.#desk.run();
    if (this.#desk.nextAt() === null && !this.#desk.endpoint) await this.#desk.clear();
    else await this.#wake();
  }

  /** What an endpoint, or the URL of this one job, is told; null for nothing. */
  #deliveryOf(record: JobRecord): NewDelivery | null {
    const { name } = this.ctx.id;
    if (name?.startsWith(OF_JOBS)) {
      const notice = record.notices.find(({ courier }) => courier === name);
      if (notice?.kind !== 'webhook' || notice.url === null) return null;
      return jobDelivery(record, { url: notice.url, secret: notice.secret });
    }
    const wants = this.#desk.endpoint?.events.includes(jobType(record)) ?? false;
    return wants ? jobDelivery(record, null) : null;
  }

  /** An alarm for what is next, unless the run that is under way does it. */
  async #wake(): Promise<void> {
    const at = this.#desk.nextAt();
    if (at === null || this.#desk.isRunning) return;
    if (this.#alarmAt !== null && this.#alarmAt <= at) return;
    this.#alarmAt = at;
    await this.ctx.storage.setAlarm(at);
  }
}

function contentOf(record: JobRecord | null): Content | null {
  return record && { kind: 'job', record: { ...record, notices: [] } };
}
