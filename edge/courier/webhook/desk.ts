/**
 * The queue of a webhook's courier: what waits is in the store and, without what it says, in
 * memory. `run` makes all deliveries that are due, a few at once, and is called by an alarm;
 * what comes while it runs is made by the same run. A delivery leaves the queue when it arrived,
 * was tried in vain for two hours, found its endpoint gone, or, as the oldest, made room.
 * A run that dies loses nothing: the row says what is still to be made.
 */
import { DELIVERY_CHECK_MS } from '#schema/limits.ts';
import type { DisabledReason, DropReason } from '#schema/webhook.ts';
import {
  WEBHOOK_CALLS_MAX,
  WEBHOOK_PENDING_BYTES_MAX,
  WEBHOOK_PENDING_MAX,
  WEBHOOK_ROUND_MS,
} from '#schema/webhook-limits.ts';
import { countsAsTry, faultOf, healthAfter, HEALTHY, isDead, judge } from '../../core/webhook.ts';
import type { CallOutcome, Verdict } from '../../core/webhook.ts';
import { logError, logWarn } from '../../io/log.ts';
import type { OutboundRequest } from '../../io/outbound.ts';
import { deriveWebhookSecret, signatureHeaders } from '../../io/signature.ts';
import { writeMessage } from './message.ts';
import type {
  Content,
  DueDelivery,
  Endpoint,
  NewDelivery,
  Waiting,
  WebhookStore,
} from './store.ts';

/** What a desk needs of the world. */
export interface DeskPorts {
  readonly store: WebhookStore;
  readonly post: (request: OutboundRequest) => Promise<CallOutcome>;
  /** Tells the Account that an endpoint is disabled. */
  readonly tellAccount: (endpoint: Endpoint) => Promise<void>;
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly signingKey: string;
  /** Scheme and host that signed URLs begin with. */
  readonly origin: string;
}

export class Desk {
  readonly #ports: DeskPorts;
  readonly #store: WebhookStore;
  #endpoint: Endpoint | null;
  /** By number, the oldest first. */
  readonly #waiting = new Map<number, Waiting>();
  #bytes = 0;
  readonly #sending = new Set<number>();
  readonly #lanes = new Set<Promise<void>>();
  #round: Promise<void> | null = null;
  #roundUntil = 0;
  /** When the Account is told again, after it could not be. */
  #tellAt = 0;

  constructor(ports: DeskPorts) {
    this.#ports = ports;
    this.#store = ports.store;
    this.#endpoint = this.#store.endpoint();
    for (const waiting of this.#store.waiting()) this.#keep(waiting);
  }

  get endpoint(): Endpoint | null {
    return this.#endpoint;
  }

  get pending(): number {
    return this.#waiting.size;
  }

  setEndpoint(endpoint: Endpoint): void {
    this.#store.setEndpoint(endpoint);
    this.#endpoint = endpoint;
  }

  /** Takes deliveries; those that are known already change nothing. */
  accept(deliveries: readonly NewDelivery[]): void {
    if (deliveries.length === 0) return;
    const now = this.#ports.now();
    this.#store.transaction(() => {
      for (const delivery of deliveries) {
        const waiting = this.#store.add(delivery, now);
        if (!waiting) continue;
        if (this.#endpoint?.disabled) this.#drop(waiting.number, 'endpoint_disabled');
        else this.#keep(waiting);
      }
      this.#makeRoom();
    });
    this.#fill();
  }

  /** Makes a delivery again, or at once when it waits. */
  repeat(number: number, content: Content): void {
    if (this.#sending.has(number)) return;
    this.#keep(this.#store.reopen(number, content, this.#ports.now()));
    this.#makeRoom();
    this.#fill();
  }

  /** Whether a run is under way: it makes what comes meanwhile. */
  get isRunning(): boolean {
    return this.#round !== null;
  }

  /** When there is something to do, epoch ms, or null. */
  nextAt(): number | null {
    const times = [...this.#waiting.values()].map(({ dueAt }) => dueAt);
    if (this.#isUntold()) times.push(this.#tellAt);
    const pruneAt = this.#store.pruneAt();
    // What waits is kept however old; its own time comes first.
    if (pruneAt !== null && times.length === 0) times.push(pruneAt);
    return times.length === 0 ? null : Math.min(...times);
  }

  /** Makes what is due; never rejects. Ends when nothing is, or after a bounded time. */
  run(): Promise<void> {
    this.#roundUntil = this.#ports.now() + WEBHOOK_ROUND_MS;
    this.#round ??= this.#work()
      .catch((error: unknown) => logError('webhook.run', error))
      .finally(() => {
        this.#round = null;
        this.#roundUntil = 0;
      });
    return this.#round;
  }

  /** Forgets everything; what is under way is not noted any more. */
  clear(): Promise<void> {
    this.#endpoint = null;
    this.#waiting.clear();
    this.#bytes = 0;
    return this.#store.clear();
  }

  async #work(): Promise<void> {
    this.#store.prune(this.#ports.now());
    await this.#tell();
    this.#fill();
    while (this.#lanes.size > 0) await Promise.race(this.#lanes);
    await this.#tell();
  }

  /** Starts deliveries that are due, in a run that has time left. */
  #fill(): void {
    const now = this.#ports.now();
    if (now >= this.#roundUntil) return;
    while (this.#lanes.size < WEBHOOK_CALLS_MAX) {
      const number = this.#nextDue(now);
      if (number === null) return;
      this.#sending.add(number);
      const lane = this.#send(number).finally(() => {
        this.#sending.delete(number);
        this.#lanes.delete(lane);
        this.#fill();
      });
      this.#lanes.add(lane);
    }
  }

  /** The one that has been due longest. */
  #nextDue(now: number): number | null {
    let found: Waiting | null = null;
    for (const waiting of this.#waiting.values()) {
      if (waiting.dueAt > now || this.#sending.has(waiting.number)) continue;
      if (!found || waiting.dueAt < found.dueAt) found = waiting;
    }
    return found?.number ?? null;
  }

  async #send(number: number): Promise<void> {
    const due = this.#store.due(number);
    if (!due) return this.#forget(number);
    const startedAt = this.#ports.now();
    let outcome: CallOutcome;
    try {
      outcome = await this.#ports.post(await this.#write(due, startedAt));
    } catch (error) {
      // A fault of ours: it uses up tries too, so that it ends.
      logError('webhook.send', error, { delivery: due.id });
      outcome = { kind: 'unanswered', fault: 'connection' };
    }
    // The endpoint may be deleted by now.
    if (!this.#waiting.has(number)) return;
    this.#settle(due, outcome, startedAt);
  }

  async #write(due: DueDelivery, now: number): Promise<OutboundRequest> {
    const { signingKey, origin } = this.#ports;
    const body = JSON.stringify(await writeMessage(due.content, { signingKey, origin, now }));
    const message = { id: due.id, timestampS: Math.floor(now / 1000), body };
    const { url, secrets } = await this.#targetOf(due, now);
    const signature = await signatureHeaders(secrets, message);
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'Tessera-Webhooks/1',
      ...signature,
    };
    return { url, headers, body };
  }

  async #targetOf({ target, content }: DueDelivery, now: number) {
    if (target) {
      const { url, secret } = target;
      if (secret !== null || content.kind !== 'job') return { url, secrets: [secret ?? ''] };
      const { signingKey } = this.#ports;
      return { url, secrets: [await deriveWebhookSecret(signingKey, content.record.accountId)] };
    }
    const { url, secret, former } = this.#endpoint!;
    const isBoth = former !== null && now < former.until;
    return { url, secrets: isBoth ? [secret, former.secret] : [secret] };
  }

  #settle(due: DueDelivery, outcome: CallOutcome, startedAt: number): void {
    const { now: clock, random } = this.#ports;
    const now = clock();
    const counts = countsAsTry(outcome);
    const tried = { tries: due.tries + (counts ? 1 : 0), since: due.since };
    const verdict = judge(tried, outcome, { now, random: random() });
    const entry = {
      at: startedAt,
      statusCode: outcome.kind === 'answered' ? outcome.statusCode : null,
      fault: faultOf(outcome),
      durationMs: Math.max(0, now - startedAt),
    };
    this.#store.transaction(() => {
      this.#store.noteTry(due.number, { entry, counts }, this.#follow(verdict, now));
      if (verdict.kind !== 'again' || this.#endpoint?.disabled) this.#forget(due.number);
      else this.#keep({ ...this.#waiting.get(due.number)!, dueAt: verdict.at });
      // Names that cannot be looked up are no fault of the endpoint.
      if (due.target === null && counts) this.#noteHealth(verdict, now);
    });
  }

  /** What the row says next. */
  #follow(verdict: Verdict, now: number) {
    const { disabled } = this.#endpoint ?? { disabled: null };
    switch (verdict.kind) {
      case 'delivered':
        return { status: 'delivered', dropReason: null, at: now } as const;
      case 'gone':
      case 'failed':
        return { status: 'failed', dropReason: null, at: now } as const;
      case 'again':
        if (disabled)
          return { status: 'dropped', dropReason: 'endpoint_disabled', at: now } as const;
        return { dueAt: verdict.at };
    }
  }

  #noteHealth(verdict: Verdict, now: number): void {
    const endpoint = this.#endpoint;
    if (!endpoint || endpoint.disabled) return;
    const health = healthAfter(endpoint.health, verdict, now);
    const { failed, failingSince } = endpoint.health;
    if (health.failed !== failed || health.failingSince !== failingSince) {
      this.setEndpoint({ ...endpoint, health });
    }
    if (verdict.kind === 'gone') this.#disable('gone', now);
    else if (isDead(health, now)) this.#disable('failing', now);
  }

  /** Stops for its owner, who tells the Account; one that is disabled stays as it is. */
  disable(): void {
    if (!this.#endpoint?.disabled) this.#disable('owner', this.#ports.now());
  }

  #disable(reason: DisabledReason, at: number): void {
    const disabled = { at, reason, isTold: reason === 'owner' };
    this.setEndpoint({ ...this.#endpoint!, disabled });
    this.#tellAt = at;
    for (const number of this.#waiting.keys()) {
      if (!this.#sending.has(number)) this.#drop(number, 'endpoint_disabled');
    }
  }

  /** Sends to the endpoint again. */
  enable(): void {
    this.setEndpoint({ ...this.#endpoint!, disabled: null, health: HEALTHY });
  }

  #isUntold(): boolean {
    return this.#endpoint?.disabled?.isTold === false;
  }

  async #tell(): Promise<void> {
    const endpoint = this.#endpoint;
    if (!endpoint?.disabled || endpoint.disabled.isTold || this.#ports.now() < this.#tellAt) return;
    try {
      await this.#ports.tellAccount(endpoint);
    } catch (error) {
      logWarn('webhook.tell', { message: String(error), endpoint: endpoint.id });
      this.#tellAt = this.#ports.now() + DELIVERY_CHECK_MS;
      return;
    }
    // It may have been enabled or deleted meanwhile.
    if (this.#endpoint !== endpoint) return;
    this.setEndpoint({ ...endpoint, disabled: { ...endpoint.disabled, isTold: true } });
  }

  /** The oldest goes: it had the most time to arrive. */
  #makeRoom(): void {
    for (const number of this.#waiting.keys()) {
      const isFull =
        this.#waiting.size > WEBHOOK_PENDING_MAX || this.#bytes > WEBHOOK_PENDING_BYTES_MAX;
      if (!isFull) return;
      if (!this.#sending.has(number)) this.#drop(number, 'queue_full');
    }
  }

  #drop(number: number, dropReason: DropReason): void {
    this.#store.end(number, { status: 'dropped', dropReason, at: this.#ports.now() });
    this.#forget(number);
  }

  /** One that waits already keeps its place. */
  #keep(waiting: Waiting): void {
    this.#bytes += waiting.bytes - (this.#waiting.get(waiting.number)?.bytes ?? 0);
    this.#waiting.set(waiting.number, waiting);
  }

  #forget(number: number): void {
    this.#bytes -= this.#waiting.get(number)?.bytes ?? 0;
    this.#waiting.delete(number);
  }
}
