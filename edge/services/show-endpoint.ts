/** Shows a webhook endpoint, as its account and its courier know it. */
import type { WebhookView } from '#schema/webhook.ts';
import type { Env } from '../env.ts';
import { findEndpoint } from './find-endpoint.ts';
import type { EndpointOwner } from './find-endpoint.ts';
import { viewEndpoint } from './view-endpoint.ts';

/** The endpoint, or null when the account has none such. */
export async function showEndpoint(env: Env, owner: EndpointOwner): Promise<WebhookView | null> {
  const row = await findEndpoint(env, owner);
  return row && viewEndpoint(row, await env.webhookCouriers.getByName(owner.id).state());
}
