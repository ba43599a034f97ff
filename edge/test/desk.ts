/**
 * A webhook's desk over the disk of a real courier, for tests: with a clock, a receiver and an
 * account that the test plays. Each `wake` is a courier that knows nothing but its disk.
 */
import { runInDurableObject } from 'cloudflare:test';
import type { JobRecord } from '#schema/record.ts';
import type { CallOutcome } from '../core/webhook.ts';
import { HEALTHY } from '../core/webhook.ts';
import { Desk } from '../courier/webhook/desk.ts';
import { jobDelivery } from '../courier/webhook/message.ts';
import type { Endpoint } from '../courier/webhook/store.ts';
import { WebhookStore } from '../courier/webhook/store.ts';
import { makeAccountId, makeWebhookId } from '../io/id.ts';
import type { OutboundRequest } from '../io/outbound.ts';
import { makeWebhookSecret } from '../io/signature.ts';
import { bindings, newOrder, stubOf } from './world.ts';

export const SIGNING_KEY = 'a signing key of at least 32 characters';
export const OK: CallOutcome = { kind: 'answered', statusCode: 200, retryAfterMs: null };
export const DOWN: CallOutcome = { kind: 'answered', statusCode: 500, retryAfterMs: null };
export const GONE: CallOutcome = { kind: 'answered', statusCode: 410, retryAfterMs: null };
export const AWAY: CallOutcome = { kind: 'unanswered', fault: 'resolver_away' };

/** A picture that is done. */
export function endedJob(more: Partial<JobRecord> = {}): JobRecord {
  const now = Date.now();
  return {
    ...newOrder('main', makeAccountId(now)),
    status: 'completed',
    sequence: 4,
    attempt: 1,
    agentId: null,
    queuedAt: now,
    startedAt: now,
    finishedAt: now,
    cancelRequestedAt: null,
    settledMillitokens: 250,
    artifacts: [
      {
        index: 0,
        key: 'results/one.png',
        contentType: 'image/png',
        bytes: 3,
        sha256: 'ab'.repeat(32),
        width: 512,
        height: 512,
        durationS: null,
        thumbnailKey: null,
      },
    ],
    usage: {},
    timings: null,
    error: null,
    ...more,
  };
}

/** A call that the receiver got. */
export interface Call extends OutboundRequest {
  readonly at: number;
}

/** One endpoint, its receiver and a clock; what its courier keeps is on a real object's disk. */
export class DeskWorld {
  now = Date.now();
  random = 0.5;
  readonly calls: Call[] = [];
  readonly told: string[] = [];
  /** What the receiver does with each call. */
  receiver: (call: Call) => Promise<CallOutcome> | CallOutcome = () => OK;
  isAccountAway = false;
  readonly endpoint: Endpoint = {
    id: makeWebhookId(Date.now()),
    accountId: makeAccountId(Date.now()),
    url: 'https://hooks.example.com/in',
    secret: makeWebhookSecret(),
    events: ['job.completed', 'job.failed', 'job.cancelled', 'tokens.low', 'tokens.exhausted'],
    description: null,
    createdAt: Date.now(),
    former: null,
    disabled: null,
    health: HEALTHY,
  };
  readonly #stub = stubOf(bindings.WEBHOOK_COURIER.getByName(this.endpoint.id));

  /** A courier as it wakes: with nothing but what is on disk. */
  async wake<T>(work: (desk: Desk, store: WebhookStore) => Promise<T> | T): Promise<T> {
    return runInDurableObject(this.#stub, async (_, { storage }) => {
      const store = new WebhookStore(storage);
      return work(new Desk(this.#ports(store)), store);
    });
  }

  /** Opens the endpoint and gives it jobs that have ended; delivers nothing yet. */
  start(jobs: readonly JobRecord[] = []): Promise<void> {
    return this.wake((desk) => {
      desk.setEndpoint(this.endpoint);
      desk.accept(jobs.map((job) => jobDelivery(job, null)));
    });
  }

  /** Wakes when there is something to do, as the alarm does, so many times at most. */
  async pass(times: number): Promise<void> {
    for (let time = 0; time < times; time += 1) {
      const isLeft = await this.wake(async (desk) => {
        if (desk.pending === 0) return false;
        this.now = Math.max(this.now, desk.nextAt()!);
        await desk.run();
        return true;
      });
      if (!isLeft) return;
    }
  }

  log() {
    return this.wake((_, store) => store.page({ before: null, limit: 2000 }));
  }

  #ports(store: WebhookStore) {
    return {
      store,
      post: async (request: OutboundRequest) => {
        const call = { ...request, at: this.now };
        this.calls.push(call);
        return this.receiver(call);
      },
      tellAccount: async ({ id }: Endpoint) => {
        if (this.isAccountAway) throw new Error('away');
        this.told.push(id);
      },
      now: () => this.now,
      random: () => this.random,
      signingKey: SIGNING_KEY,
      origin: 'https://tessera.example',
    };
  }
}
