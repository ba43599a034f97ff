/** An account's webhooks by HTTP, for tests: made, listed, and what they were sent. */
import { expect } from 'vitest';
import type { DeliveryView, WebhookView } from '#schema/webhook.ts';
import { DeliveryList, WebhookList, WebhookWithSecret } from '#schema/webhook.ts';
import type { HttpWorld } from './http.ts';
import { Receiver } from './receiver.ts';

/** Who has a key and a receiver. */
export class Subscriber {
  readonly receiver = new Receiver();
  readonly key: string;
  readonly #world: HttpWorld;

  constructor(world: HttpWorld, key: string) {
    this.#world = world;
    this.key = key;
  }

  /** An endpoint at the receiver; `by` another key than its own, if any. */
  async make(wish: object = {}, by = this.key) {
    const body = { url: this.receiver.url, ...wish };
    const response = await this.#world.post('/v1/webhooks', by, body);
    expect(response.status, await response.clone().text()).toBe(201);
    return WebhookWithSecret.parse(await response.json());
  }

  async list(by = this.key): Promise<WebhookView[]> {
    return WebhookList.parse(await (await this.#world.get('/v1/webhooks', by)).json()).data;
  }

  async log(id: string): Promise<DeliveryView[]> {
    const response = await this.#world.get(`/v1/webhooks/${id}/deliveries`, this.key);
    expect(response.status, await response.clone().text()).toBe(200);
    return DeliveryList.parse(await response.json()).data;
  }
}
