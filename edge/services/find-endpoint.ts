/**
 * Finds a webhook endpoint of an account. Another account's is not found, like one that never
 * was. `default` stands for the URLs that jobs come with, which every account has.
 */
import type { WebhookEndpointRow } from '#schema/webhook.ts';
import type { Env } from '../env.ts';
import type { WebhookCourierObject } from '../rpc/courier.ts';

/** An endpoint as its owner names it. */
export interface EndpointOwner {
  readonly accountId: string;
  readonly id: string;
}

/** What stands for the URLs of single jobs. */
export const OF_JOBS = 'default';

/** The endpoint as its account has it, or null. */
export async function findEndpoint(
  env: Env,
  { accountId, id }: EndpointOwner,
): Promise<WebhookEndpointRow | null> {
  const endpoints = await env.accounts.getByName(accountId).endpoints();
  return endpoints.find((endpoint) => endpoint.id === id) ?? null;
}

/** The courier of an endpoint or of the URLs of single jobs, or null. */
export async function findCourier(
  env: Env,
  owner: EndpointOwner,
): Promise<WebhookCourierObject | null> {
  if (owner.id === OF_JOBS) return env.webhookCouriers.getByName(`job:${owner.accountId}`);
  return (await findEndpoint(env, owner)) && env.webhookCouriers.getByName(owner.id);
}
