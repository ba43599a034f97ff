/**
 * The list of an account's webhook endpoints: which there are and what they want to hear of. What
 * is delivered, how and with which secret is the affair of each endpoint's own courier.
 */
import { PLANS } from '#schema/plan.ts';
import type { WebhookEndpointRow } from '#schema/webhook.ts';
import type { Books } from './books.ts';

/** Keeps or replaces an endpoint. False when the plan allows no more. */
export function putEndpoint(books: Books, endpoint: WebhookEndpointRow): boolean {
  const { store, endpoints, account } = books;
  const isNew = !endpoints.has(endpoint.id);
  if (isNew && endpoints.size >= PLANS[account.plan].webhooksMax) return false;
  store.saveEndpoint(endpoint);
  endpoints.set(endpoint.id, endpoint);
  return true;
}

/** False when there is no such endpoint. */
export function deleteEndpoint({ store, endpoints }: Books, id: string): boolean {
  if (!endpoints.has(id)) return false;
  store.deleteEndpoint(id);
  return endpoints.delete(id);
}

/** No more is sent to it. False when there is no such endpoint. */
export function disableEndpoint({ store, endpoints }: Books, id: string): boolean {
  const known = endpoints.get(id);
  if (!known) return false;
  const endpoint = { ...known, disabled: true };
  store.saveEndpoint(endpoint);
  endpoints.set(id, endpoint);
  return true;
}
